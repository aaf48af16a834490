"""Credit alignment: how much of an answer's sensitivity lies where the task's true credit lies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from models.base import SequenceModel
from tasks.base import Batch, Features, Replacement, Task, joined

ROUNDING = 1e-13  # relative to the answer, far above what rounding adds and far below what any figure shows


TOGETHER = 32_768  # positions of replaced sequences in one pass, at most


def finite(value: float) -> float | None:
    """Return `value`; None where it is not finite."""
    return value if math.isfinite(value) else None


# -- credit -----------------------------------------------------------------------------------------------------------


def alignment(
    model: SequenceModel, task: Task, batch: Batch, asked: Batch, input_gradient: Tensor, replace: bool
) -> float | None:
    """Return the overlap of the answer's sensitivity with the task's true credit in [0, 1], mean over the batch.

    asked: the batch with the answers read that are followed back, in float64. input_gradient: ∂s/∂input (batch, time,
    size). replace: whether ids may be replaced. None where the task has no credit, or no counterfactuals to tell the
    sensitivity to ids.
    """
    credit = task.credit(batch)
    if credit is None:
        return None
    if isinstance(task.spec.inputs, Features):
        sensitivity = input_gradient[..., task.spec.inputs.value].abs()
    else:
        replaced = task.counterfactuals(batch) if replace else None
        if replaced is None:
            return None
        sensitivity = _replacement(model, asked, replaced)
    return finite(overlap(sensitivity, credit))


def _replacement(model: SequenceModel, batch: Batch, replaced: Sequence[Replacement]) -> Tensor:
    """Return |Δs| (batch, time) when the token at each candidate position is replaced by another legal one."""
    mask = batch.reads.mask
    changes = torch.zeros(mask.shape, dtype=torch.float64)

    def answers(asked: Batch) -> Tensor:
        return model.spec.objective.answer(model(asked), asked)

    with torch.no_grad():
        before = answers(batch)
        for some in _together(replaced, mask.numel()):
            after = answers(joined([Batch(inputs, batch.targets, batch.reads, batch.lengths) for _, inputs in some]))
            for (positions, _), own in zip(some, after.split(len(before)), strict=True):
                change = (own - before).abs()
                change[change <= ROUNDING * (1 + before.abs())] = 0.0  # noise of float64 is no sensitivity
                changes.scatter_(1, positions[:, None], change[:, None])
    return changes


def _together(replaced: Sequence[Replacement], size: int) -> Iterator[Sequence[Replacement]]:
    """Yield replacements, `TOGETHER` positions at a time (`size` in each): passes of few sequences are slow."""
    count = max(1, TOGETHER // size)
    for first in range(0, len(replaced), count):
        yield replaced[first : first + count]


def overlap(sensitivity: Tensor, credit: Tensor) -> float:
    """Return the mean over the batch of Σ_t min(p_t, q_t), p ∝ sensitivity², q ∝ credit² (batch, time): 1 where they
    agree, 0 where they never meet, or where the answer is sensitive to nothing. Sequences without credit don't count;
    NaN where none has any, or a sensitivity is not finite."""
    credited = credit.any(1)
    p, q = (_shares(values[credited].double()) for values in (sensitivity, credit))
    return float(torch.minimum(p, q).sum(1).mean())


def _shares(values: Tensor) -> Tensor:
    """Return squares as fractions of their row's sum; a row of zeros stays a row of zeros."""
    relative = values / values.amax(1, keepdim=True)  # so that the squares neither overflow nor vanish
    squares = torch.where((values == 0).all(1, keepdim=True), 0.0, relative.square())
    return squares / squares.sum(1, keepdim=True).where(squares.any(1, keepdim=True), 1.0)
