"""What a model may know of a task: inputs, outputs, objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor
from torchmetrics import Metric


@dataclass(frozen=True)
class Features:
    """Real-valued inputs: `size` numbers per step, of which number `value` is the value and the others mark it."""

    size: int
    value: int = 0


@dataclass(frozen=True)
class Column:
    """One column of token ids in 0 … size−1, embedded in `width` dimensions."""

    size: int
    width: int


@dataclass(frozen=True)
class Tokens:
    """Inputs of token ids, one or several columns per step; their embeddings are concatenated.

    A position whose every id is 0 is padding (only tasks that pad reserve that combination). symbols: how many ids of
    the first column ever occur, 0 … symbols−1; None: all of them may.
    """

    columns: tuple[Column, ...]
    symbols: int | None = None


class Evaluation(NamedTuple):
    """What one pass over a held-out set gives.

    score: Σ numerators / Σ denominators over all scored units, in the objective's unit.
    n: the number of scored units (sequences, characters or gold spans: `Objective.counted`).
    blocks: (numerator, denominator) of at most 64 equal runs of consecutive units, for a test-sampling interval.
    extras: further named figures (recall per position, all-position cross-entropy …).
    """

    score: float
    n: int
    blocks: tuple[tuple[float, float], ...]
    extras: dict[str, float]


class Objective(ABC):
    """Loss, metric, unit and direction of one kind of target. Subclasses are final."""

    metric_name: str
    unit: str
    counted: str
    higher_is_better: bool

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The scalar to minimise. outputs (reads, output size), targets (reads, …)."""

    @abstractmethod
    def metric(self) -> Metric:
        """A fresh metric: `update(outputs, targets, read)` per batch, `compute()` gives an `Evaluation`."""

    @abstractmethod
    def answer(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The answer's scalar s per read position (reads,), whose gradient is followed back in time:
        ŷ for a regression, z_y − logsumexp_{j≠y} z_j for classes."""


# A task's exact solution: predict(x, window) is what the best predictor answers that knows the rule and the number of
# the present step, and sees the last `window` steps only (the present one is the first of them; None: all).
#   x (batch, time, size): real features as they are, or the first column of token ids one-hot (size: the symbols)
#   -> (batch, time, outputs), or where one answer is read at the last step (batch, 1, outputs)
# It is differentiable in x, and constant in what lies before the window.
Predict = Callable[[Tensor, int | None], Tensor]


@dataclass(frozen=True)
class Spec:
    """All that a model may know of a task.

    outputs: size of the output at each read position. reads: `last` (one answer, at the last step) or `each`
    (answers at several positions, aligned with the inputs). look_ahead: whether a model may read to the right.
    predict: the task's solution, for controls only (None where none is known).
    """

    inputs: Features | Tokens
    outputs: int
    reads: Literal["last", "each"]
    objective: Objective
    look_ahead: bool = False
    predict: Predict | None = None


@dataclass(frozen=True)
class Data:
    """Which data a task read: name, sha256 of the content."""

    name: str
    sha256: str
