"""The running average: a leaky sum of noise, asked for at every step."""

from __future__ import annotations

import math
from typing import Any, Self

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from tasks.base import Batch, Features, Spec
from tasks.base.objectives import RelativeSquaredError
from tasks.base.synthetic import SyntheticTask

BISECTIONS = 60


class RunningAverage(SyntheticTask):
    """The exponentially weighted sum of all inputs so far, read at every step.

    Rule: x_t ~ N(0, 1) independently; y_t = x_t + α y_{t−1}, y_0 = 0, t counted from 1. The target is √(1−α²)·y_t,
    whose variance 1 − α^{2t} tends to 1 at every length.

    The first sequence of `RunningAverage(4).training_batch(0)`, two decimals, α = 10^(−1/4) = .5623, √(1−α²) = .8269:

        t              1      2      3      4
        input x     1.15    .60   -.50   -.69
        y           1.15   1.24    .20   -.58
        target       .95   1.03    .16   -.48

    length T is the number of steps.

    alpha: α in (0, 1); None takes 10^(−1/T), with which the first input still weighs a tenth in the last answer, so
    that difficulty grows with T (α = .794328, .977237, .997700 at T = 10, 100, 1000).

    Score (relative squared error, fraction of variance, lower is better): Σ(ŷ−y)² / Σ Var(y_t) over all steps and
    sequences, with the true Var(y_t) = (1−α^{2t})/(1−α²); the targets' scale cancels.

    chance 1: inputs have mean 0, so the trivial answer is 0 and its expected squared error is the variance itself. best
    0: one linear unit h ← αh + x is exact. Solved at .01. `memory_horizon` turns a score into steps of memory.

    Source: Milosavljević's lecture (docs/sources.md): the recurrence; α, scale and score are ours.
    """

    version = 1
    minimum_length = 1

    def __init__(self, length: int, *, alpha: float | None = None, **common: Any) -> None:
        super().__init__(length, **common)
        if alpha is not None and not 0 < alpha < 1:
            raise ValueError(f"RunningAverage: option 'alpha' expects a number between 0 and 1 (or none), got {alpha}")
        self.alpha: float = 10 ** (-1 / length) if alpha is None else alpha
        squared = self.alpha**2
        variance = 1 - squared ** torch.arange(1, length + 1, dtype=torch.float64)
        self.spec = Spec(
            inputs=Features(1),
            outputs=1,
            objective=RelativeSquaredError(variance),
            predict=self._predict,
            steps=length,
        )
        self.reach = length - 1
        self.chance = 1.0
        self.best = 0.0
        self.solved_threshold = 0.01
        self._scale = math.sqrt(1 - squared)

    def at(self, length: int) -> Self:
        """Build the task at another length with the same α, because a model was trained on this α."""
        task = type(self)(length, **(self._options | {"alpha": self.alpha}))
        if length != self.length:
            task.carried = f"α = {self.alpha:.4g} is kept: a longer sequence tests stability, not memory"
        return task

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        inputs = torch.randn(batch_size, self.length, generator=generator)
        targets = leaky_sum(inputs * self._scale, self.alpha)
        return Batch(inputs.unsqueeze(-1), targets.view(-1), self.read_last(batch_size, self.length, self.length))

    def credit(self, batch: Batch) -> Tensor:
        """Return the credit (batch, time): α^k on the input k steps before the last."""
        weights = self.alpha ** torch.arange(self.length - 1, -1, -1, dtype=torch.float64)
        return weights.expand(batch.reads.mask.shape)

    def memory_horizon(self, score: float) -> float:
        """Return K_eff, how many last inputs the best predictor of this score sees."""
        return memory_horizon(score, self.length, self.alpha)

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        return windowed_sum(x[..., 0] * self._scale, self.alpha, window)[..., None]


def leaky_sum(x: Tensor, alpha: float) -> Tensor:
    """Return y_t = x_t + α y_{t−1} along the last dimension: x (batch, time) -> (batch, time).

    By doubling, in ⌈log₂ T⌉ steps: once y_t sums the last s inputs, y_t + α^s y_{t−s} sums the last 2s.
    """
    y = x.clone()
    shift = 1
    while shift < x.size(-1):
        # The product is a tensor of its own: an in-place add of an overlapping view would read what it has written.
        y[:, shift:] += alpha**shift * y[:, :-shift]
        shift *= 2
    return y


def windowed_sum(x: Tensor, alpha: float, window: int | None) -> Tensor:
    """Return Σ_{k < window} α^k x_{t−k} along the last dimension (None: all): x (batch, time) -> (batch, time).

    Added up from sums over 1, 2, 4 … steps, because inputs before the window must have no part in the result: the
    difference y_t − α^K y_{t−K} would leave rounding errors of them.
    """
    rest = x.size(-1) if window is None else min(window, x.size(-1))
    total, seen = torch.zeros_like(x), 0
    part, size = x, 1  # part: sums of the last `size` inputs
    while rest:
        if rest % 2:
            total = total + alpha**seen * _delayed(part, seen)
            seen += size
        rest //= 2
        part, size = part + alpha**size * _delayed(part, size), 2 * size
    return total


def _delayed(x: Tensor, steps: int) -> Tensor:
    """x (batch, time) moved `steps` to the right, zeros coming in."""
    return pad(x, (steps, 0))[:, : x.size(-1)]


def memory_horizon(score: float, length: int, alpha: float) -> float:
    """Return the K in [0, T] whose window of the last K inputs has relative squared error `score`; 0 for score ≥ 1.

    With q = α², the squared weight of the inputs outside a window of K, summed over all T answers, is
    N(K) = [(T−K) q^K − q^{K+1} (1−q^{T−K})/(1−q)] / (1−q), and the score of the window is N(K)/N(0).
    """

    q = alpha * alpha

    def unseen(window: float) -> float:
        rest = length - window
        return (rest * math.pow(q, window) - math.pow(q, window + 1) * (1 - math.pow(q, rest)) / (1 - q)) / (1 - q)

    low, high = 0.0, float(length)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if unseen(middle) > score * unseen(0) else (low, middle)
    return low
