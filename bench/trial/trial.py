"""One cell, measured: build, fit, test, record. The one place that turns an exception into a status."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import safetensors.torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback

from bench.mirror import tracking
from bench.records.cell import Cell, Recipe
from bench.records.job import Finished, Job, Surroundings
from bench.records.reading import Question
from bench.records.result import Result, Size
from bench.trial import asking, checkpoint
from bench.trial.build import prepare
from bench.trial.faults import described, status_of
from bench.trial.machine import on_gpu, peak_memory_mb, provenance, quiet, reset_peak_memory
from bench.trial.recorder import Recorder
from bench.trial.stopwatch import Stopwatch
from bench.trial.testing import lightning, scored
from models.base import SequenceModel, count_parameters
from tasks.base import Task, effective_context


def observer(surroundings: Surroundings) -> tracking.Observer | None:
    """What a process hands to `run` with each cell, so that it is mirrored to W&B; None where it is not."""
    return tracking.opened(surroundings.mirroring)


def run(
    job: Job,
    surroundings: Surroundings,
    report: Callable[[int, int], None] = lambda step, steps: None,
    observer: tracking.Observer | None = None,
) -> Finished:
    """Measure one cell, or ask a stored model. Never raises for what either does: that becomes a status.

    report: called after every block of optimisation steps with (step, steps). observer: hears what happens meanwhile.
    """
    if isinstance(job.work, Question):
        return asking.answer(job, surroundings)
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
    """Measure a cell, whatever it does: what it raises becomes its status."""
    cell, watch = job.cell, Stopwatch()
    recorder: Recorder | None = None
    try:
        reset_peak_memory(on_gpu(surroundings.accelerator))
        task, model = prepare(job)
        recorder = Recorder(cell.recipe, task, report, observer, watch)
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
    answered = cell.recipe.steps > 0 and not recorder.diverged
    answers = _answers(task, model, recorder) if answered else {}
    weights = safetensors.torch.save({name: value.contiguous() for name, value in model.state_dict().items()})
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
        pictures=snapshots.pictures(model) if answered else (),
        size=_size(model, cell.length),
        seconds=watch.seconds(),
        steps_per_second=watch.steps_per_second(seen.steps),
        peak_memory_mb=peak_memory_mb(gpu),
        notes=(*model.notes, *snapshots.notes),
        provenance=provenance(watch.started, surroundings),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )
    return Finished(result, weights)


def _answers(task: Task, model: SequenceModel, recorder: Recorder) -> dict[str, Any]:
    """Return those fields of the record that a trained and tested model fills."""
    score = scored(task, model, recorder.seen.validation[-1][1])
    recorder.inspect(model)
    recorder.watch.enter("evaluation")
    sample, context_use = task.sample(model), task.context_use(model)
    horizon = task.memory_horizon(score.score)
    if context_use:
        horizon = effective_context(context_use, task.context_tolerance)
    return {
        "score": score,
        "sample": sample,
        "context_use": tuple(context_use or ()),
        "memory_horizon": horizon,
    }


def _size(model: SequenceModel, length: int) -> Size:
    state = model.state_size(length)
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
        if not recorder.diverged and seen.validated != seen.steps:
            loop.validate(model, datamodule=task, verbose=False)
        if not count_parameters(model) and task.solved(seen.validation[-1][1]):
            recorder.solved_at = 0
        if not recorder.diverged:
            recorder.watch.enter("evaluation")
            loop.test(model, datamodule=task, verbose=False)


def trainer(recipe: Recipe, accelerator: str, recorder: Recorder, *callbacks: Callback) -> Trainer:
    """Lightning's loop for one cell; what is to be kept, `recorder` keeps."""
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
    """What must be the same where a cell goes on, for its numbers to be those of one process."""
    here = provenance(recorder.watch.started, surroundings)
    return here.model_dump(exclude={"started", "git_commit", "git_dirty"}) | {"suite": checkpoint.suite(*classes)}
