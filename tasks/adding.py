"""The adding task: the sum of two marked values in a long sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Generator, Tensor

from tasks.base import Batch, Features, Notation, Predict, Spec
from tasks.base.objectives import SquaredError
from tasks.base.synthetic import SyntheticTask, choose

SOLVED = 0.01  # where chance is 1/6; in proportion elsewhere


class Adding(SyntheticTask):
    """Pairs of a value and a marker; after the last pair the answer is the sum of the two marked values.

    Rule (`halves`, `anywhere`): values u_t ~ U[0, 1]; the marker is 1 at two steps and 0 elsewhere; the answer, read at
    the last step, is u_i + u_j of the two marked steps.

    The first sequence of `Adding(6).training_batch(0)`, two decimals; · marks a step that is not read:

        step        0    1    2    3    4    5
        value     .22  .44  .27  .51  .29  .97
        marker      1    0    0    0    0    1
        target      ·    ·    ·    ·    · 1.19

    length T is the number of pairs.

    marks: where the two markers lie.
    - `halves`: one uniformly in each half (steps 0 … ⌊T/2⌋−1 and ⌊T/2⌋ … T−1): Arjovsky, Shah & Bengio 2016
      (Unitary evolution recurrent neural networks, arXiv 1511.06464), experiment "adding problem".
    - `anywhere`: two different steps, uniformly: Bai, Kolter & Koltun 2018 (arXiv 1803.01271), task "adding problem".
    - `early`: Hochreiter & Schmidhuber 1997 (Long short-term memory), section 5.4: values from U[−1, 1]; the first
      marker on one of the first 10 pairs, the second on one of the first T/2−1 pairs still unmarked; the first and the
      last pair carry marker −1 unless they are marked; a marked first pair has value 0; between T and T + T/10 pairs;
      answer .5 + (x₁ + x₂)/4. Our readings: all sequences of a batch share one random length (the paper learns one
      sequence at a time), so nothing is padded; T/2−1 and T/10 are rounded down; below T = 10 the first marker lies
      on any of the T first pairs, and at least one pair may take the second.

    Score (mean squared error, squared value, lower is better).

    chance: the answer's variance, the error of always answering its mean. 1/6 = 2 · 1/12 for `halves` and `anywhere`
    (answering 1). Knowing one marked value leaves 1/12, the plateau of truncated memory. For `early` (answering .5) see
    `chance_early`. best 0. Solved at .06 of chance: .01 for `halves` and `anywhere`, as much skill for `early`.

    A predictor that sees the last K steps only reaches at best (1/6)(1 − K/T), in `anywhere` and, for even T, in
    `halves`: its skill is exactly K/T (`memory_horizon`).

    Source: the papers beside each value of `marks`.
    """

    version = 1
    minimum_length = 2

    def __init__(self, length: int, *, marks: Literal["halves", "anywhere", "early"] = "halves", **common: Any) -> None:
        super().__init__(length, **common)
        self.marks = marks
        self._rule = choose("Adding", "marks", marks, _RULES)
        self.notation = Notation(features=("value", "marker"))
        self.spec = Spec(
            inputs=Features(2),
            outputs=1,
            objective=SquaredError(),
            predict=self._rule.predict,
            steps=length + length // 10 if marks == "early" else length,
        )
        self.reach = length - 1
        self.chance = self._rule.chance(length)
        self.best = 0.0
        self.solved_threshold = SOLVED * (6 * self.chance)
        # Many small batches where each batch has one length, so that the held-out sets hold every length.
        self.held_out_batch_size = min(self.held_out_batch_size, self._rule.largest_batch)

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        values, markers, targets = self._rule.draw(generator, batch_size, self.length)
        inputs = torch.stack((values, markers), dim=-1)  # (batch, time, 2)
        return Batch(inputs, targets, self.read_last(batch_size, inputs.size(1), 1))

    def credit(self, batch: Batch) -> Tensor:
        """Return the credit (batch, time): half on each marked value."""
        return (batch.inputs[..., 1] == 1).float() / 2

    def memory_horizon(self, score: float) -> float | None:
        """Return K_eff, how many last steps the best predictor of this score sees. None for `early`, whose markers are
        not spread uniformly."""
        return self.length * min(1.0, max(0.0, self.skill(score))) if self._rule.uniform else None


def chance_early(length: int) -> float:
    """Return the variance of the answer .5 + (x₁ + x₂)/4 of `early`: (2/3 − p/3)/16 = (1 − p/2)/24.

    Each x has variance 1/3, except the value of a marked first pair, which is 0. That pair is marked with probability
    p = 1/a + (1 − 1/a)/b: first among a = min(10, T) pairs, or else second among b = max(1, ⌊T/2⌋ − 1).
    """
    first, second = _early_pairs(length)
    marked = 1 / first + (1 - 1 / first) / second
    return (1 - marked / 2) / 24


class _Rule(NamedTuple):
    """How one value of `marks` draws (values, markers, targets), and what follows from it."""

    draw: Callable[[Generator, int, int], tuple[Tensor, Tensor, Tensor]]
    predict: Predict
    chance: Callable[[int], float]
    uniform: bool
    largest_batch: int


def _halves(generator: Generator, batch_size: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    first = torch.randint(length // 2, (batch_size, 1), generator=generator)
    second = torch.randint(length // 2, length, (batch_size, 1), generator=generator)
    return _marked_sum(generator, torch.cat((first, second), dim=1), length)


def _anywhere(generator: Generator, batch_size: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    first = torch.randint(length, (batch_size, 1), generator=generator)
    second = torch.randint(length - 1, (batch_size, 1), generator=generator)
    return _marked_sum(generator, torch.cat((first, second + (second >= first)), dim=1), length)


def _marked_sum(generator: Generator, marked: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Values U[0, 1] and markers (batch, time), and the sums (batch,) of the values at `marked` (batch, 2)."""
    values = torch.rand(len(marked), length, generator=generator)
    markers = torch.zeros(len(marked), length).scatter_(1, marked, 1.0)
    return values, markers, values.gather(1, marked).sum(1)


def _early(generator: Generator, batch_size: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    steps = length + int(torch.randint(length // 10 + 1, (), generator=generator))
    pairs_first, pairs_second = _early_pairs(length)
    first = torch.randint(pairs_first, (batch_size, 1), generator=generator)
    second = torch.randint(pairs_second, (batch_size, 1), generator=generator)
    marked = torch.cat((first, second + (second >= first)), dim=1)
    values = torch.empty(batch_size, steps).uniform_(-1, 1, generator=generator)
    markers = torch.zeros(batch_size, steps)
    markers[:, 0] = markers[:, -1] = -1
    markers.scatter_(1, marked, 1.0)
    values[:, 0] *= markers[:, 0] != 1
    return values, markers, 0.5 + values.gather(1, marked).sum(1) / 4


def _early_pairs(length: int) -> tuple[int, int]:
    """Among how many pairs the first and the second marker of `early` are placed."""
    return min(10, length), max(1, length // 2 - 1)


def _seen(x: Tensor, window: int | None) -> tuple[Tensor, Tensor]:
    """Over the last `window` steps of x (batch, time, 2): the sum of the marked values and their number (batch,)."""
    start = 0 if window is None else max(0, x.size(1) - window)
    marked = (x[:, start:, 1] == 1).to(x.dtype)
    return (x[:, start:, 0] * marked).sum(1), marked.sum(1)


def _predict_sum(x: Tensor, window: int | None) -> Tensor:
    # A marked value out of sight is U[0, 1] whatever is in sight: its mean is ½, its variance 1/12 the error.
    total, number = _seen(x, window)
    return (total + (2 - number) / 2)[:, None, None]


def _predict_early(x: Tensor, window: int | None) -> Tensor:
    # A marked value out of sight has mean 0.
    return (0.5 + _seen(x, window)[0] / 4)[:, None, None]


def _chance_uniform(length: int) -> float:
    return 1 / 6


_RULES = {
    "halves": _Rule(_halves, _predict_sum, _chance_uniform, uniform=True, largest_batch=1024),
    "anywhere": _Rule(_anywhere, _predict_sum, _chance_uniform, uniform=True, largest_batch=1024),
    "early": _Rule(_early, _predict_early, chance_early, uniform=False, largest_batch=16),
}
