"""What a task is: where its data come from, and all that a model may know of it.

A task is a LightningDataModule. It hands a model its `Spec` and yields `Batch`es; it never meets a model, and a
model never meets a task. Batch = (inputs, targets, read):

    inputs   (batch, time, features) real numbers, or (batch, time, columns) token ids
    read     (batch, time) booleans: the positions at which an answer is read
    targets  one row per True of `read`, row by row, so that `outputs[read]` pairs with `targets`

What a task recalls, which half it scores, how far it looks ahead and where a sequence is padded are all just the mask.
"""

from __future__ import annotations

import hashlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, final

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset
from torch.utils.weak import WeakTensorKeyDictionary
from torchmetrics import Metric

Split = Literal["validation", "test"]


class Batch(NamedTuple):
    """Some sequences of equal length (see the module's docstring for the shapes)."""

    inputs: Tensor
    targets: Tensor
    read: Tensor


@final
class Block(list[Batch]):
    """Several training batches, one per optimisation step, handed to the model at once (less overhead per step)."""


@dataclass(frozen=True)
class Features:
    """Real-valued inputs: `size` numbers per step, of which number `value` is the value and the others mark it."""

    size: int
    value: int = 0


class Replacement(NamedTuple):
    """A batch with one token of each sequence replaced by another legal one: where (batch,), and the inputs."""

    positions: Tensor
    inputs: Tensor


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


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A random generator of its own for each (seed, purpose): equal arguments give equal streams, others do not."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))


class Task(LightningDataModule, ABC):
    """A task of one length. Subclasses state rule, worked example, source, meaning of `length`, score and chance.

    Class attributes, read by the catalog from the source text (so they are literals):
      version: bumped when its numbers may change.
      minimum_length: the smallest length that makes sense.
      tokens_per_step: None, or the number of tokens a training step reads at every length (equal text per step).
      fallback: None, or the corpus used when the task's `corpus` cannot be had.
      context_tolerance: by how much a score may differ and still count as equal (see `effective_context`).

    Attributes of a task object:
      spec, chance (score of the trivial baseline), best (score at skill 1), solved_threshold (None: never solved),
      floors (named reference scores shown in tables), data (None for a synthetic task), reach (steps of the longest
      true dependency; None: as far back as a sequence goes).
    """

    version: ClassVar[int]
    minimum_length: ClassVar[int] = 1
    tokens_per_step: ClassVar[int | None] = None
    fallback: ClassVar[str | None] = None
    context_tolerance: ClassVar[float] = 0.01

    spec: Spec
    chance: float
    best: float
    solved_threshold: float | None
    data: Data | None = None
    reach: int | None = None

    def __init__(self, length: int, *, seed: int = 0, batch_size: int = 32, folder: Path | None = None) -> None:
        """length: see the task. seed: of the training stream. folder: where corpora lie (None: the cache)."""
        super().__init__()
        if length < self.minimum_length:
            raise ValueError(f"{type(self).__name__}: length must be at least {self.minimum_length}, got {length}")
        self.length = length
        self.seed = seed
        self.batch_size = batch_size
        self.folder = folder
        self.block = 1
        self.steps: int | None = None
        self.first_step = 0
        self.floors: dict[str, float] = {}

    @abstractmethod
    def training_batch(self, step: int) -> Batch:
        """The batch of optimisation step `step`: a function of (seed, step) only, so a run can resume anywhere."""

    @abstractmethod
    def held_out(self, split: Split) -> Dataset[Batch]:
        """The validation or test set, batch by batch, in a fixed order: a function of (task, options, length) only."""

    def credit(self, batch: Batch) -> Tensor | None:
        """True credit (batch, time): how much the last answer of each sequence truly depends on each input;
        non-negative, any scale per row. None where no exact answer exists."""
        return None

    def counterfactuals(self, batch: Batch) -> list[Replacement] | None:
        """For tasks of tokens with true credit: each candidate token replaced in turn. None where there are none."""
        return None

    def answer_steps(self, batch: Batch) -> Tensor:
        """The step (batch,) whose answer the gradient probe follows back: the last read one of each sequence."""
        return batch.read.size(1) - 1 - batch.read.flip(1).int().argmax(1)

    def probe_batch(self, sequences: int) -> Batch:
        """The first `sequences` validation sequences, for the gradient probe."""
        batches = itertools.islice(self.val_dataloader(), sequences)
        return first_sequences(batches, sequences)

    def memory_horizon(self, score: float) -> float | None:
        """How many steps back a model with this score remembers, where the score tells; else None."""
        return None

    def context_use(self, model: torch.nn.Module) -> list[tuple[int, float]] | None:
        """The score of a trained model on fixed test positions, its inputs cut to the last c steps, as (c, score) for
        c = 1, 2, 5, 10, 20, 50 … up to the length. For tasks of real text; None elsewhere."""
        return None

    def sample(self, model: torch.nn.Module) -> str | None:
        """A readable sample of what `model` has learned, or None where the task has none to show."""
        return None

    def skill(self, score: float) -> float:
        """0 = the trivial baseline, 1 = perfect (or the best known floor); linear between."""
        return (score - self.chance) / (self.best - self.chance)

    def solved(self, score: float) -> bool:
        """Whether `score` passes the task's threshold."""
        if self.solved_threshold is None:
            return False
        if self.spec.objective.higher_is_better:
            return score >= self.solved_threshold
        return score <= self.solved_threshold

    def train_dataloader(self) -> DataLoader[Batch | Block]:
        """Plain batches, or blocks of `self.block` batches where that is above 1: those of the steps from
        `self.first_step` to `self.steps`, or endless."""
        return _loader(_Stream(self))

    def val_dataloader(self) -> DataLoader[Batch]:
        return _loader(self.held_out("validation"))

    def test_dataloader(self) -> DataLoader[Batch]:
        return _loader(self.held_out("test"))

    def transfer_batch_to_device(
        self, batch: Batch | Block, device: torch.device, dataloader_idx: int
    ) -> Batch | Block:
        """As Lightning would, but of a mask that moves, the original stays known (see `original`)."""
        if isinstance(batch, Block):
            return Block(_moved(part, device) for part in batch)
        return _moved(batch, device)


_originals: MutableMapping[Tensor, Tensor] = WeakTensorKeyDictionary()  # of masks on a GPU, as long as those exist


def original(mask: Tensor) -> Tensor:
    """The mask that this one was copied from when its batch moved to a GPU, or else this one. What hangs on a mask's
    values is asked of the original: the host would have to wait for the GPU until it knows the copy's."""
    return mask if mask.device.type == "cpu" else _originals.get(mask, mask)


def _moved(batch: Batch, device: torch.device) -> Batch:
    early = device.type == "cuda"  # the host goes on while the copy is under way; elsewhere that is not safe
    moved = Batch(*(part.to(device, non_blocking=early) for part in batch))
    if moved.read is not batch.read:
        _originals[moved.read] = batch.read
    return moved


def first_sequences(batches: Iterable[Batch], sequences: int) -> Batch:
    """The first `sequences` of the batches' sequences, of the first one's length, as one batch."""
    kept: list[Batch] = []
    for batch in batches:
        missing = sequences - sum(len(part.read) for part in kept)
        if missing <= 0:
            break
        if kept and kept[0].read.size(1) != batch.read.size(1):
            continue
        read = batch.read[:missing]
        kept.append(Batch(batch.inputs[:missing], batch.targets[: int(read.sum())], read))
    return Batch(*(torch.cat(parts) for parts in zip(*kept, strict=True)))


def effective_context(points: Sequence[tuple[int, float]], tolerance: float) -> int | None:
    """The least context whose score lies within `tolerance` of that of the longest; points as `Task.context_use` gives
    them, shortest first. None where there are none."""
    return next((context for context, score in points if abs(score - points[-1][1]) <= tolerance), None)


class _Stream(IterableDataset[Batch | Block]):
    """Training batches of a task, in the order of steps."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __iter__(self) -> Iterator[Batch | Block]:
        task = self.task
        steps = itertools.count(task.first_step) if task.steps is None else range(task.first_step, task.steps)
        if task.block == 1:
            yield from map(task.training_batch, steps)
            return
        batches = map(task.training_batch, steps)
        while block := Block(itertools.islice(batches, task.block)):
            yield block


def _loader(batches: Dataset[Any]) -> DataLoader[Any]:
    # A generator of its own: without one, every pass would draw a seed from the global generator.
    return DataLoader(batches, batch_size=None, generator=torch.Generator())
