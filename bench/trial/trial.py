"""One cell, measured: build, fit, test, record. The one place that turns an exception into a status."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import Callback

from bench.mirror import tracking
from bench.records.cell import Cell, Recipe
from bench.records.job import Finished, Job, Surroundings
from bench.records.memory import effective_context
from bench.records.reading import Question
from bench.records.result import Result, Size
from bench.records.rung import Rung
from bench.trial import asking, checkpoint, contract
from bench.trial.build import prepare
from bench.trial.extras import Extras
from bench.trial.faults import described, status_of
from bench.trial.machine import on_gpu, peak_memory_mb, provenance, quiet, reset_peak_memory
from bench.trial.recorder import Recorder
from bench.trial.stopwatch import Stopwatch
from bench.trial.testing import evaluation_of, lightning, scored, tested
from bench.trial.weights import packed
from models.base import SequenceModel, count_parameters
from tasks.base import Task


def observer(surroundings: Surroundings) -> tracking.Observer | None:
    """Return what a process hands to `run` with each cell, to mirror it to W&B; None where cells are not mirrored."""
    return tracking.opened(surroundings.mirroring)


def run(
    job: Job,
    surroundings: Surroundings,
    report: Callable[[int, int], None] = lambda step, steps: None,
    observer: tracking.Observer | None = None,
) -> Finished:
    """Measure one cell, or ask a stored model. What either raises becomes a status, and is not raised.

    report: called after every block of optimisation steps with (step, steps). observer: is told what happens meanwhile.
    """
    if isinstance(job.work, Question):
        return asking.answer(job, surroundings)
    if job.until is not None:
        observer = None  # it is told of the whole cell, once that comes to its end
    if observer is not None:
        observer.begins(job.cell)
    finished = _attempt(job, surroundings, report, observer)
    if observer is not None:
        observer.ends(finished.result)
    return finished


def _attempt(
    job: Job,
    surroundings: Surroundings,
    report: Callable[[int, int], None],
    observer: tracking.Observer | None,
) -> Finished:
    """Measure a cell; what its task or model raises becomes the cell's status."""
    cell, watch = job.cell, Stopwatch()
    recorder: Recorder | None = None
    try:
        reset_peak_memory(on_gpu(surroundings.accelerator))
        task, model = prepare(job)
        contract.keep(task, model, cell.recipe)
        recorder = Recorder(cell.recipe, task, report, observer, watch, job.until)
        finished = _measure(cell, task, model, recorder, surroundings)
        return replace(finished, said=tuple(recorder.said))
    except Exception as error:
        status, text = status_of(error), described(error)
    known: dict[str, Any] = {}
    if recorder is not None:
        flows = tuple(recorder.snapshots.flows)
        known = {"steps": recorder.seen.steps, "curves": recorder.curves([]), "gradient_flow": flows}
    result = Result(
        cell=cell,
        status=status,
        error=text,
        **known,
        seconds=watch.seconds(),
        provenance=provenance(watch.started, surroundings),
    )
    return Finished(result, said=tuple(recorder.said) if recorder else ())


def _measure(cell: Cell, task: Task, model: SequenceModel, recorder: Recorder, surroundings: Surroundings) -> Finished:
    """Train and test a model; return the cell's result and the final weights."""
    keeper = checkpoint.Keeper(
        cell, surroundings.checkpoints, _origin(recorder, surroundings, type(task), type(model)), recorder
    )
    if not keeper.resume(task, model):
        recorder.inspect(model)
    if cell.recipe.steps:
        _train(trainer(cell.recipe, surroundings.accelerator, recorder, keeper), task, model, recorder)
    if recorder.paused is not None:
        here = provenance(recorder.watch.started, surroundings)
        score = scored(task, recorder.paused, None)
        return Finished(
            Rung(
                cell=cell,
                step=recorder.seen.steps,
                score=score,
                seconds=recorder.watch.seconds().total,
                provenance=here,
            )
        )
    answered = cell.recipe.steps > 0 and not recorder.diverged
    extra = Extras()
    answers = _answers(task, model, recorder, extra) if answered else {}
    weights = extra.tried("weights", None, lambda: packed(model))
    watch, seen, snapshots = recorder.watch, recorder.seen, recorder.snapshots
    watch.enter("start_up")
    gpu = on_gpu(surroundings.accelerator) and cell.recipe.steps > 0
    result = Result(
        cell=cell,
        status="diverged" if recorder.diverged else "ok",
        **answers,
        solved_at_step=recorder.solved_at,
        steps=seen.steps,
        tokens_seen=seen.tokens,
        curves=recorder.curves(model.parameter_names()),
        gradient_flow=tuple(snapshots.flows),
        jacobians=tuple(snapshots.jacobians),
        pictures=extra.field("pictures", lambda: snapshots.pictures(model)) if answered else (),
        closeup=extra.field("closeup", lambda: snapshots.closeup(model)) if answered else None,
        size=_size(model, cell.length, extra),
        seconds=watch.seconds(),
        steps_per_second=watch.steps_per_second(seen.steps),
        peak_memory_mb=peak_memory_mb(gpu),
        notes=(*task.notes, *model.notes, *snapshots.notes, *extra.notes),
        provenance=provenance(watch.started, surroundings),
        weights_sha256=None if weights is None else hashlib.sha256(weights).hexdigest(),
    )
    return Finished(result, weights)


def _answers(task: Task, model: SequenceModel, recorder: Recorder, extra: Extras) -> dict[str, Any]:
    """Return those fields of the record that a trained and tested model fills."""
    score = scored(task, evaluation_of(model), recorder.seen.validation[-1][1])
    extra.tried("gradient flow at the end", None, lambda: recorder.inspect(model))
    recorder.watch.enter("evaluation")
    sample = extra.field("sample", lambda: task.sample(model))
    context_use = extra.field("context_use", lambda: tuple(task.context_use(model) or ()))
    horizon = extra.field("memory_horizon", lambda: task.memory_horizon(score.score))
    if context_use:
        horizon = effective_context(score, context_use, task.context_tolerance).steps
    return {"score": score, "sample": sample, "context_use": context_use, "memory_horizon": horizon}


def _size(model: SequenceModel, length: int, extra: Extras) -> Size:
    state = extra.tried("state_size", None, lambda: model.state_size(length))
    return Size(
        parameters=count_parameters(model),
        parameters_body=count_parameters(model.body),
        hidden=model.hidden,
        state_bytes=None if state is None else 4 * state,
    )


def _train(loop: Trainer, task: Task, model: SequenceModel, recorder: Recorder) -> None:
    """Fit and validate, then touch the test set once. A model without parameters has nothing to fit."""
    seen = recorder.seen
    with quiet():
        if count_parameters(model):
            loop.fit(model, datamodule=task)
        if recorder.paused is not None:
            return
        if not recorder.diverged and seen.validated != seen.steps:
            loop.validate(model, datamodule=task, verbose=False)
        if not count_parameters(model) and task.solved(seen.validation[-1][1]):
            recorder.solved_at = 0
        if not recorder.diverged:
            recorder.watch.enter("evaluation")
            contract.sees(task, model, training=False)
            recorder.diverged = not tested(loop, task, model)


def trainer(recipe: Recipe, accelerator: str, recorder: Recorder, *callbacks: Callback) -> Trainer:
    """Return Lightning's loop for one cell; `recorder` keeps what the loop gives."""
    return lightning(
        accelerator,
        max_steps=recipe.steps,
        min_epochs=0,  # a solved cell may stop in its first epoch, which is its only one
        val_check_interval=recipe.evaluate_every // recorder.task.block,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        callbacks=[*callbacks, recorder],
    )


def _origin(recorder: Recorder, surroundings: Surroundings, *classes: type) -> dict[str, Any]:
    """Return what must be the same where a cell goes on, for its numbers to be those of one process."""
    here = provenance(recorder.watch.started, surroundings)
    return here.model_dump(exclude={"started", "git_commit", "git_dirty"}) | {"suite": checkpoint.suite(*classes)}
