"""A stored model asked again, at another length: the same rule, the same test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from safetensors import SafetensorError

from bench.probes import as_record, flow
from bench.records import foreign
from bench.records.cell import Cell
from bench.records.job import Finished, Job, Source, Surroundings
from bench.records.reading import Question, Reading
from bench.records.recipe import FEWER, LONG
from bench.trial import contract
from bench.trial.build import build
from bench.trial.faults import described, status_of
from bench.trial.machine import on_gpu, provenance, quiet, reset_peak_memory
from bench.trial.stopwatch import Stopwatch
from bench.trial.testing import evaluation_of, lightning, scored, tested
from bench.trial.weights import restore
from models.base import SequenceModel
from tasks.base import Task

METRIC = "_metric."  # numbers of a metric, which older files of weights hold beside the model's


class UndefinedError(Exception):
    """A question without an answer. Its text is one sentence for people."""


def answer(job: Job, surroundings: Surroundings) -> Finished:
    """Return the reading that answers a question. What task or model raise becomes its status, and is not raised."""
    assert isinstance(job.work, Question)
    watch = Stopwatch()
    try:
        reset_peak_memory(on_gpu(surroundings.accelerator))
        said = ask(job, surroundings.accelerator)
    except UndefinedError as error:
        said = {"status": "undefined", "error": f"{foreign.message(error)}\n"}
    except Exception as error:
        return job.failed(status_of(error), described(error), provenance=provenance(watch.started, surroundings))
    reading = Reading(
        question=job.work,
        **said,
        seconds=watch.seconds().total,
        provenance=provenance(watch.started, surroundings),
    )
    return Finished(reading)


def ask(job: Job, accelerator: str) -> dict[str, Any]:
    """Return status and score, or gradient flow, of a stored model at the length that is asked for.

    The metric is that of the task asked; what the model knows is the task that it was trained on.

    Raises:
        ValueError: the weights are not the question's or not of this model.
        UndefinedError: the task has no such length, or other inputs or outputs there, or the model does not reach it.
    """
    question, cell = job.work, job.cell
    assert isinstance(question, Question)
    assert job.stored is not None
    assert job.stored.weights is not None
    sha256 = hashlib.sha256(job.stored.weights).hexdigest()
    if (question.cell, question.weights_sha256) != (cell.key, sha256):
        raise ValueError(
            f"the question is about cell {question.cell} with weights {question.weights_sha256[:12]}, got cell "
            f"{cell.key} with weights {sha256[:12]}: ask with the store that the question was made from"
        )
    task, model = rebuilt(cell, job.source, job.stored.weights)
    with refusals(question.length != cell.length):
        asked = task.at(question.length)
        if (asked.spec.inputs, asked.spec.outputs) != (task.spec.inputs, task.spec.outputs):
            raise ValueError(
                f"{cell.task} has other inputs or outputs at length {question.length} than at {cell.length}, where the "
                f"model was trained"
            )
        contract.states(asked)
        model.spec = asked.spec
        steps = cell.recipe.steps if job.stored.steps is None else job.stored.steps
        return _flow(asked, model, steps) if question.probe else _tested(asked, model, cell, accelerator)


def _tested(asked: Task, model: SequenceModel, cell: Cell, accelerator: str) -> dict[str, Any]:
    """Return the status and the score that a test says. At the trained length, the sequences are those of the cell's
    own test; at others, all models have the same ones, fewer where these are long."""
    elsewhere = FEWER if asked.length >= LONG else None
    asked.held_out_sequences = cell.recipe.held_out if asked.length == cell.length else elsewhere
    contract.can_be_scored(asked, "test")
    loop = lightning(accelerator)
    with quiet():
        finite = tested(loop, asked, model)
    if not finite:
        return {"status": "diverged", "error": f"the score at length {asked.length} is not finite\n"}
    score = scored(asked, evaluation_of(model), None)
    horizon = asked.memory_horizon(score.score)
    return {"status": "ok", "score": score, "memory_horizon": horizon, "carried": asked.carried}


def _flow(asked: Task, model: SequenceModel, steps: int) -> dict[str, Any]:
    """Return how the gradient of the answer flows back, as at the end of a training of so many steps."""
    measured = flow.measure(model, asked, asked.probe_batch(flow.SEQUENCES))
    return {"status": "ok", "gradient_flow": as_record.flow_record(steps, measured)}


@contextmanager
def refusals(elsewhere: bool) -> Iterator[None]:
    """Take a ValueError, at another length than the trained one, as a refusal in words: so tasks and models say what is
    not defined.

    Raises:
        UndefinedError: there was one.
    """
    try:
        yield
    except ValueError as error:
        if elsewhere:
            raise UndefinedError(foreign.message(error)) from error
        raise


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
