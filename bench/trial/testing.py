"""The test: Lightning's loop for a cell or a question, and the score that it leaves."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning import Trainer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from bench.records.result import Score
from bench.trial.faults import InvalidError
from bench.trial.machine import full_precision, on_gpu, quiet
from models.base import SequenceModel
from tasks.base import Evaluation, Task


def lightning(accelerator: str, **options: Any) -> Trainer:
    """Return Lightning's loop: one device, nothing on disk, no bar, no logger."""
    gpu = on_gpu(accelerator)
    full_precision(gpu)
    with quiet():
        return Trainer(
            accelerator="cuda" if gpu else "cpu",
            devices=1,
            deterministic=True,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )


def tested(loop: Trainer, task: Task, model: SequenceModel) -> bool:
    """Go through the test set; return whether the score is finite. An earlier evaluation of the model is removed.

    Raises:
        InvalidError: the model learned something meanwhile.
    """
    _forget(model)
    before = _learned(model)
    loop.test(model, datamodule=task, verbose=False)
    changed = [name for name, now in _learned(model).items() if name in before and not _same(before[name], now)]
    if changed:
        raise InvalidError(
            f"{type(model).__name__}: the test changed {', '.join(changed[:3])}{' …' if len(changed) > 3 else ''}: the "
            f"score would not be that of the trained model. Change nothing from on_test_start to on_test_end"
        )
    return model.evaluation is None or math.isfinite(model.evaluation.score)


def _learned(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of what a model learns: its parameters, and the statistics of normalisations."""
    held: dict[str, Tensor] = dict(model.named_parameters())
    for name, module in model.named_modules():
        if isinstance(module, _NormBase):
            held |= {f"{name}.{of}": buffer for of, buffer in module.named_buffers() if buffer.is_floating_point()}
    return {name: each.detach().to("cpu", copy=True) for name, each in held.items() if not nn.parameter.is_lazy(each)}


def _same(one: Tensor, two: Tensor) -> bool:
    return one.shape == two.shape and torch.equal(one.nan_to_num(), two.nan_to_num())


def _forget(model: SequenceModel) -> None:
    model.evaluation = None


def evaluation_of(model: SequenceModel) -> Evaluation:
    """Return what `Trainer.test` left on the model.

    Raises:
        InvalidError: there is none.
    """
    if model.evaluation is None:
        raise InvalidError(f"{type(model).__name__}: the test left no evaluation: leave the base's test to run")
    return model.evaluation


def scored(task: Task, evaluation: Evaluation, validation_score: float | None) -> Score:
    """Return the score of a task that an evaluation says."""
    objective = task.spec.objective
    return Score(
        score=evaluation.score,
        metric=objective.metric_name,
        unit=objective.unit,
        higher_is_better=objective.higher_is_better,
        chance=task.chance,
        best=task.best,
        solved_threshold=task.solved_threshold,
        validation_score=validation_score,
        test_n=evaluation.n,
        counted=objective.counted,
        blocks=evaluation.blocks,
        floors=task.floors,
        extras={name: value for name, value in evaluation.extras.items() if math.isfinite(value)},
    )
