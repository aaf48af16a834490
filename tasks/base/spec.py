"""What a model may know of a task: inputs, outputs, objective."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from typing import NamedTuple, SupportsIndex

from torch import Tensor
from torchmetrics import Metric

from tasks.base.batch import Batch


@dataclass(frozen=True)
class Features:
    """Real-valued inputs: `size` numbers per step; the one at index `value` is the value, the others mark it."""

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

    def __post_init__(self) -> None:
        if not (
            isinstance(self.columns, tuple | list) and self.columns and all(isinstance(c, Column) for c in self.columns)
        ):
            raise TypeError(f"Tokens: expected a tuple of columns, (Column(size=…, width=…),), got {self.columns!r}")


@dataclass(frozen=True)
class Mixed:
    """Inputs of both kinds at every step: the real numbers of `features`, then the ids of `tokens`.

    One array holds both, (batch, time, features.size + columns) real numbers; ids are whole numbers in it, exact in
    float32 up to 2^24.
    """

    features: Features
    tokens: Tokens


Inputs = Features | Tokens | Mixed


class Evaluation(NamedTuple):
    """What one pass over a held-out set gives.

    score: Σ numerators / Σ denominators over all scored units, in the objective's unit.
    n: the number of scored units (sequences, characters or gold spans: `Objective.counted`).
    blocks: (numerator, denominator) of at most 64 equal runs of consecutive units; the jackknife of the test-sampling
      interval leaves out one at a time.
    extras: further named figures (recall per position, all-position cross-entropy …).
    """

    score: float
    n: int
    blocks: tuple[tuple[float, float], ...]
    extras: dict[str, float]


class Objective(ABC):
    """Loss, metric, unit and direction of one kind of target. Subclasses are final.

    outputs (reads, output size) are a model's, one row per read of the batch, sequence by sequence; `Batch` says what
    its targets are. free_running: whether a model is scored on its own continuation (`SequenceModel.generate`), each
    answer fed back by `Spec.feed`; training always reads the batch's inputs.
    """

    metric_name: str
    unit: str
    counted: str
    higher_is_better: bool
    free_running: bool = False

    def __init_subclass__(cls, **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        for method in (cls.loss, cls.answer):
            if "targets" in inspect.signature(method).parameters:
                raise TypeError(
                    f"{cls.__name__}.{method.__name__}(outputs, targets) is of an older form. Write "
                    f"loss(outputs, batch), answer(outputs, batch) and a metric with update(outputs, batch): "
                    f"batch.targets holds the targets, batch.reads the positions that are read."
                )

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the scalar to minimise, a mean over what is read."""

    @abstractmethod
    def metric(self) -> Metric:
        """Return a fresh metric: `update(outputs, batch)` per batch, `compute()` gives an `Evaluation`."""

    def fault(self, batch: Batch, outputs: int) -> str:
        """Say what is wrong with a batch's targets for a model of so many outputs; empty: nothing."""
        return ""

    @abstractmethod
    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the answer's scalar s of each sequence (batch,), whose gradient is followed back in time: ŷ for a
        regression, z_y − logsumexp_{j≠y} z_j for classes. The batch reads one position of each sequence
        (`Batch.answered`), or has `lengths`."""


# A task's exact solution: predict(x, window) is what the best predictor answers that knows the rule and the number of
# the present step, and sees the last `window` steps only (the present one is the first of them; None: all).
#   x (batch, time, size): real features as they are, or the first column of token ids one-hot (size: the symbols)
#   -> (batch, time, outputs), or where one answer is read at the last step (batch, 1, outputs)
# It is differentiable in x, and constant in what lies before the window.
Predict = Callable[[Tensor, int | None], Tensor]

# How an answer becomes the next input: feed(answer, following) -> (batch, size) inputs of the next step, from the
# outputs (batch, outputs) at this one and the inputs (batch, size) that the batch has there (None: past its end).
Feed = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Spec:
    """All that a model may know of a task.

    outputs: size of the output at each read position. look_ahead: whether a model may read to the right. feed: how an
    answer becomes the next input, where a model goes on by itself. predict: the task's solution, for controls only.
    prior (outputs,): log frequencies of the classes in the training data. steps: of the longest sequence in a batch.
    delimiter: the id of the first column that ends a sequence's source; what a model says begins there. Each of the
    last five is None where there is none. reads is accepted and ignored: a batch says what is read.
    """

    inputs: Inputs
    outputs: int
    objective: Objective
    look_ahead: bool = False
    feed: Feed | None = None
    predict: Predict | None = None
    prior: Tensor | None = None
    steps: int | None = None
    delimiter: int | None = None
    reads: InitVar[object] = field(default=None, kw_only=True)

    def __post_init__(self, reads: object) -> None:
        if not isinstance(self.inputs, Inputs):
            raise TypeError(f"Spec: inputs: expected Features, Tokens or Mixed, got {type(self.inputs).__name__}")
        if not isinstance(self.objective, Objective):
            raise TypeError(f"Spec: objective: expected an Objective, as Accuracy(), got {_shown(self.objective)}")
        if not isinstance(self.outputs, SupportsIndex) or int(self.outputs) < 1:
            raise ValueError(f"Spec: outputs: expected a whole number of at least 1, got {self.outputs!r}")
        if self.objective.free_running and self.feed is None:
            raise ValueError(
                f"Spec: {type(self.objective).__name__} scores a model's own continuation, so it needs feed, a function"
                f" (answer, following) that makes of outputs (batch, outputs) the inputs (batch, columns) of the next "
                f"step, as answer.argmax(1)[:, None]"
            )


@dataclass(frozen=True)
class Data:
    """Which data a task read: name, and sha256 of the content."""

    name: str
    sha256: str


def _shown(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
