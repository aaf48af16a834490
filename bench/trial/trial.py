"""One cell, measured: build, fit, test, record. The one place that turns an exception into a status."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback

from bench.mirror import tracking
from bench.records.cell import Recipe
from bench.records.job import Job, Surroundings
from bench.records.result import Finished, Result, Size, Status
from bench.trial import checkpoint
from bench.trial.build import prepare
from bench.trial.machine import full_precision, on_gpu, peak_memory_mb, provenance, quiet, reset_peak_memory
from bench.trial.recorder import Recorder
from models.base import SequenceModel, count_parameters
from tasks.base import Task, effective_context

# torch has no type of its own for memory of the CPU: Linux says "can't allocate", Windows "not enough". CUDA and its
# libraries, which keep memory beside torch's, are short of it in words of theirs.
OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def observer(surroundings: Surroundings) -> tracking.Observer | None:
    """What a process hands to `run` with each cell, so that it is mirrored to W&B; None where it is not."""
    return tracking.opened(surroundings.mirroring)


def run(
    job: Job,
    surroundings: Surroundings,
    report: Callable[[int, int], None] = lambda step, steps: None,
    observer: tracking.Observer | None = None,
) -> Finished:
    """Measure one cell. Never raises for what the cell does: that becomes its status.

    report: called after every block of optimisation steps with (step, steps). observer: hears what happens meanwhile.
    """
    recorder = Recorder(job[0].recipe, report, observer)
    if observer is not None:
        observer.begins(job[0])
    finished = replace(_attempt(job, surroundings, recorder), said=tuple(recorder.said))
    if observer is not None:
        observer.ends(finished.result)
    return finished


def _attempt(job: Job, surroundings: Surroundings, recorder: Recorder) -> Finished:
    """A cell's result, whatever it does."""
    try:
        return _measure(job, surroundings, recorder)
    except Exception as error:
        status = status_of(error)
        text = "".join(_lines(error))
    result = Result(
        cell=job[0],
        status=status,
        error=text,
        steps=recorder.steps,
        curves=recorder.curves([]),
        gradient_flow=tuple(recorder.flows),
        seconds=recorder.seconds(),
        provenance=provenance(recorder.started, surroundings),
    )
    return Finished(result)


def status_of(error: Exception) -> Status:
    """The status of a cell that raised `error`."""
    refused = any(words in str(error) for words in OUT_OF_MEMORY)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or refused:
        return "out_of_memory"
    if isinstance(error, OSError | ImportError | NotImplementedError):
        return "unavailable"
    return "error"


def _lines(error: Exception) -> list[str]:
    """What went wrong, first; then where, innermost call last. No local values: they may hold secrets."""
    frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    where = [f"  {Path(frame.filename).name}:{frame.lineno} in {frame.function}\n" for frame in frames[-8:]]
    return [f"{type(error).__name__}: {error}\n", *where]


def _measure(job: Job, surroundings: Surroundings, recorder: Recorder) -> Finished:
    cell, recipe = job[0], job[0].recipe
    gpu = on_gpu(surroundings.accelerator)
    reset_peak_memory(gpu)
    task, model = prepare(job, recorder)
    keeper = checkpoint.Keeper(
        cell, surroundings.checkpoints, _origin(recorder, surroundings, type(task), type(model)), recorder
    )
    if not keeper.resume(task, model):
        recorder.inspect(model)
    if recipe.steps:
        _train(trainer(recipe, surroundings.accelerator, recorder, keeper), task, model, recorder)
    answered = recipe.steps > 0 and not recorder.diverged
    score = recorder.score(model) if answered else None
    if answered:
        recorder.inspect(model)
    recorder.enter("evaluation")
    sample = task.sample(model) if answered else None
    context_use = task.context_use(model) if answered else None
    horizon = None if score is None else task.memory_horizon(score.score)
    if context_use:
        horizon = effective_context(context_use, task.context_tolerance)
    weights = safetensors.torch.save({name: value.contiguous() for name, value in model.state_dict().items()})
    recorder.enter("start_up")
    state = model.state_size(cell.length)
    result = Result(
        cell=cell,
        status="diverged" if recorder.diverged else "ok",
        score=score,
        solved_at_step=recorder.solved_at,
        steps=recorder.steps,
        tokens_seen=recorder.tokens,
        curves=recorder.curves(model.parameter_names()),
        gradient_flow=tuple(recorder.flows),
        jacobians=tuple(recorder.jacobians),
        pictures=recorder.pictures(model) if answered else (),
        memory_horizon=horizon,
        context_use=tuple(context_use or ()),
        size=Size(
            parameters=count_parameters(model),
            parameters_body=count_parameters(model.body),
            hidden=model.hidden,
            state_bytes=None if state is None else 4 * state,
        ),
        seconds=recorder.seconds(),
        steps_per_second=recorder.steps_per_second,
        peak_memory_mb=peak_memory_mb(gpu and recipe.steps > 0),
        sample=sample,
        notes=(*model.notes, *recorder.notes),
        provenance=provenance(recorder.started, surroundings),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )
    return Finished(result, weights)


def _train(loop: Trainer, task: Task, model: SequenceModel, recorder: Recorder) -> None:
    """Fit and validate, then touch the test set once. A model without parameters has nothing to fit."""
    with quiet():
        if count_parameters(model):
            loop.fit(model, datamodule=task)
        if not recorder.diverged and recorder.validated != recorder.steps:
            loop.validate(model, datamodule=task, verbose=False)
        if not count_parameters(model) and task.solved(recorder.validation[-1][1]):
            recorder.solved_at = 0
        if not recorder.diverged:
            recorder.enter("evaluation")
            loop.test(model, datamodule=task, verbose=False)


def trainer(recipe: Recipe, accelerator: str, recorder: Recorder, *callbacks: Callback) -> Trainer:
    """Lightning's loop for one cell: nothing on disk, no bar, no logger; what is to be kept, `recorder` keeps."""
    assert recorder.task is not None
    gpu = on_gpu(accelerator)
    full_precision(gpu)
    with quiet():
        return Trainer(
            max_steps=recipe.steps,
            min_epochs=0,  # a solved cell may stop in its first epoch, which is its only one
            accelerator="cuda" if gpu else "cpu",
            devices=1,
            deterministic=True,
            val_check_interval=recipe.evaluate_every // recorder.task.block,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[*callbacks, recorder],
        )


def _origin(recorder: Recorder, surroundings: Surroundings, *classes: type) -> dict[str, Any]:
    """What must be the same where a cell goes on, for its numbers to be those of one process."""
    here = provenance(recorder.started, surroundings)
    return here.model_dump(exclude={"started", "git_commit", "git_dirty"}) | {"suite": checkpoint.suite(*classes)}
