"""A stored model asked again, at another length: the same rule, the same test."""

from __future__ import annotations

import hashlib

from safetensors import SafetensorError

from bench.records.cell import Cell
from bench.records.job import Finished, Job, Source, Surroundings
from bench.records.reading import Question, Reading
from bench.records.result import Score
from bench.trial import contract
from bench.trial.build import build
from bench.trial.faults import described, status_of
from bench.trial.machine import provenance, quiet
from bench.trial.stopwatch import Stopwatch
from bench.trial.testing import evaluation_of, lightning, scored
from bench.trial.weights import restore
from models.base import SequenceModel
from tasks.base import Task

METRIC = "_metric."  # numbers of a metric, which older files of weights hold beside the model's


def answer(job: Job, surroundings: Surroundings) -> Finished:
    """Return the reading that answers a question. What task or model raise becomes its status, and is not raised."""
    assert isinstance(job.work, Question)
    watch = Stopwatch()
    try:
        score = ask(job, surroundings.accelerator)
    except Exception as error:
        return job.failed(status_of(error), described(error), provenance=provenance(watch.started, surroundings))
    reading = Reading(
        question=job.work,
        status="ok",
        score=score,
        seconds=watch.seconds().total,
        provenance=provenance(watch.started, surroundings),
    )
    return Finished(reading)


def ask(job: Job, accelerator: str) -> Score:
    """Return the test score of a stored model at the length that is asked for.

    The metric is that of the task asked; what the model knows is the task that it was trained on.

    Raises:
        ValueError: the weights are not the question's or not of this model, or the task has no such length, or other
            inputs or outputs there.
    """
    question, cell = job.work, job.cell
    assert isinstance(question, Question)
    assert job.stored is not None
    sha256 = hashlib.sha256(job.stored.weights).hexdigest()
    if (question.cell, question.weights_sha256) != (cell.key, sha256):
        raise ValueError(
            f"the question is about cell {question.cell} with weights {question.weights_sha256[:12]}, got cell "
            f"{cell.key} with weights {sha256[:12]}: ask with the store that the question was made from"
        )
    task, model = rebuilt(cell, job.source, job.stored.weights)
    asked = task.at(question.length)
    if (asked.spec.inputs, asked.spec.outputs) != (task.spec.inputs, task.spec.outputs):
        raise ValueError(f"{cell.task} has other inputs or outputs at length {question.length} than at {cell.length}")
    contract.states(asked)
    contract.can_be_scored(asked, "test")
    model.spec = asked.spec
    with quiet():
        lightning(accelerator).test(model, datamodule=asked, verbose=False)
    return scored(asked, evaluation_of(model), None)


def rebuilt(cell: Cell, source: Source | None, weights: bytes) -> tuple[Task, SequenceModel]:
    """Return the task and the model of a cell, the model with its stored weights.

    Raises:
        ValueError: these are no weights of this model.
    """
    task, model = build(cell, source)
    try:
        restore(model, weights, leaving=METRIC)
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(f"the stored weights are not those of {cell.label}: {error}") from None
    return task, model
