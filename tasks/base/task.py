"""What a task is: where its data come from, and all that a model may know of it.

A task is a LightningDataModule. It hands a model its `Spec` and yields `Batch`es; it never meets a model, and a
model never meets a task. What a task recalls, which half it scores, how far it looks ahead and where a sequence is
padded are all just the reads of its batches (`Batch`).
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator, Sequence, Sized
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from tasks.base.batch import Batch, Block, Replacement, first_sequences
from tasks.base.spec import Data, Spec
from tasks.base.written import Example, Notation, written

Split = Literal["validation", "test"]
LENGTHS_KEPT = 64  # a stream with drawn lengths keeps the tasks of so many other lengths


class UnscorableError(ValueError):
    """Data in which a split holds nothing to score; the message names the split. A cell of theirs is `invalid`."""


def generator(seed: int, *purpose: object) -> torch.Generator:
    """Return a random generator for each (seed, purpose): equal arguments give equal streams, others do not."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))


STATED = {
    "spec": "all that a model may know of it: Spec(inputs=…, outputs=…, objective=…)",
    "chance": "the score of the trivial baseline",
    "best": "the score at skill 1",
    "solved_threshold": "the score from which it is solved, or None: never",
}


FORMS = {
    "draw": "draw(generator, batch_size) -> Batch",
    "held_out": "held_out(split) -> a list or Dataset of Batch",
    "training_batch": "training_batch(step) -> Batch",
}


class _Stating(ABCMeta):
    """Checks that a task states all it must once it is built, and keeps its options for `Task.at`."""

    def __call__(cls, *lengths: Any, **options: Any) -> Any:
        if lacking := sorted(getattr(cls, "__abstractmethods__", ())):
            forms = ", ".join(FORMS.get(name, name) for name in lacking)
            raise TypeError(f"{cls.__name__} lacks {forms}: implement what each task must")
        task = super().__call__(*lengths, **options)
        missing = [f"self.{name} ({what})" for name, what in STATED.items() if getattr(task, name, STATED) is STATED]
        if missing:
            raise ValueError(f"{cls.__name__} does not state {', '.join(missing)}: set it in __init__")
        task._options = {name: value for name, value in options.items() if name != "length"}
        return task

    @property
    def __signature__(cls) -> inspect.Signature:
        """What the class itself takes, because `inspect.signature` would show `__call__` of the metaclass."""
        whole = inspect.signature(cls.__init__)  # type: ignore[misc]  # of this very class
        return whole.replace(parameters=list(whole.parameters.values())[1:])


class Task(LightningDataModule, metaclass=_Stating):
    """A task of one length. Subclasses state rule, worked example, source, meaning of `length`, score and chance.

    Class attributes, read by the catalog from the source text (so they are literals):
      version: bumped when its numbers may change.
      minimum_length: the smallest length that makes sense.
      tokens_per_step: None, or the number of tokens a training step reads at every length (equal text per step).
      fallback: None, or the corpus used when the task's `corpus` cannot be had.
      own_data: None, or the option that takes a user's file where the task reads no data without one. Its default is
        the name of what then takes their place, of the same kind (`tasks.corpora.known.EMBEDDED`).
      context_tolerance: by how much a score may differ and still count as equal: the effective context of `context_use`
        is the least one whose score is equal to the best.

    Attributes of a task object:
      spec, chance (score of the trivial baseline), best (score at skill 1), solved_threshold (None: never solved),
      train_lengths (`fixed`, or `uniform`: each training batch has a length of its own, see `training_length`),
      sequences (how many there are to train on; None: each batch is new, see `drawn_at`),
      held_out_sequences (a task that draws its held-out sets draws so many sequences of each, the first ones; None: as
        many as usual),
      carried (what of its rule `at` kept as it is at another length, in words, because a longer sequence then asks for
        no longer memory; else empty),
      notes (lines of every record: what is not in its identity and yet makes its data),
      decided (the rest of a validation pass is not drawn; set and reset by what trains),
      floors (named reference scores shown in tables), data (None for a synthetic task), reach (steps of the longest
      true dependency; None: as far back as a sequence goes), notation (how ids, classes and numbers are written).
    """

    version: ClassVar[int]
    minimum_length: ClassVar[int] = 1
    tokens_per_step: ClassVar[int | None] = None
    fallback: ClassVar[str | None] = None
    own_data: ClassVar[str | None] = None
    context_tolerance: ClassVar[float] = 0.01

    spec: Spec
    chance: float
    best: float
    solved_threshold: float | None
    data: Data | None = None
    reach: int | None = None
    notation: Notation = Notation()
    carried: str = ""
    notes: tuple[str, ...] = ()
    _options: dict[str, Any]

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
        self.train_lengths: Literal["fixed", "uniform"] = "fixed"
        self.sequences: int | None = None
        self.decided = False
        self.held_out_sequences: int | None = None
        self.floors: dict[str, float] = {}

    def at(self, length: int) -> Self:
        """Build the same rule at another length: the same class and options.

        A task overrides this where a part of its rule derives from the length and must be carried over, or where no
        other length can be asked for.

        Raises:
            ValueError: the task has no such length; the message says why.
        """
        return type(self)(length, **self._options)

    def lengths(self) -> Sequence[int]:
        """Return the lengths that this rule has, from the shortest to the task's own, in order.

        All from the minimum on. A task overrides this where it has not all of them, or where options raise the least.
        """
        return range(self.minimum_length, self.length + 1)

    @abstractmethod
    def training_batch(self, step: int) -> Batch:
        """Return the batch of optimisation step `step`, a function of (seed, step) only: a run can resume anywhere."""

    @abstractmethod
    def held_out(self, split: Split) -> Dataset[Batch]:
        """Return the validation or test set in batches of a fixed order: a function of (task, options, length) only."""

    def credit(self, batch: Batch) -> Tensor | None:
        """Return the true credit (batch, time): how much the last answer of each sequence depends on each input;
        non-negative, any scale per row. None where it is not known exactly."""
        return None

    def counterfactuals(self, batch: Batch) -> list[Replacement] | None:
        """Replace each candidate token in turn, for tasks of tokens with true credit. None where there are none."""
        return None

    def answer_steps(self, batch: Batch) -> Tensor:
        """Return the step (batch,) whose answer the gradient probe follows back: each sequence's last read."""
        return batch.steps - 1 - batch.reads.mask.flip(1).int().argmax(1)

    def probe_batch(self, sequences: int) -> Batch:
        """Return the first `sequences` validation sequences, for the gradient probe."""
        batches = itertools.islice(self.val_dataloader(), sequences)
        return first_sequences(batches, sequences)

    def written(self, batch: Batch) -> Example:
        """Write the first sequence of a batch for people to read, in the task's own `notation`."""
        return written(self.spec.inputs, self.notation, batch)

    def frames(self, split: Literal["training"] | Split) -> Tensor | None:
        """Return the class (time,) of every frame of the first sequence of a split, where batches hold transcripts
        alone and the task knows more; None elsewhere."""
        return None

    def memory_horizon(self, score: float) -> float | None:
        """Return how many steps back a model with this score remembers, where the score tells; else None."""
        return None

    def context_use(self, model: torch.nn.Module) -> list[tuple[int, float]] | None:
        """Score a trained model on fixed test positions, its inputs cut to the last c steps, as (c, score).

        c = 1, 2, 5, 10, 20, 50 … up to the length. For tasks of real text; None elsewhere.
        """
        return None

    def sample(self, model: Any) -> str | None:
        """Return a readable sample of what `model` has learned, or None where the task has none to show."""
        return None

    def skill(self, score: float) -> float:
        """Return the skill of a score: 0 = the trivial baseline, 1 = perfect or best known floor, linear between."""
        return (score - self.chance) / (self.best - self.chance)

    def solved(self, score: float) -> bool:
        """Tell whether `score` passes the task's threshold."""
        if self.solved_threshold is None:
            return False
        if self.spec.objective.higher_is_better:
            return score >= self.solved_threshold
        return score <= self.solved_threshold

    def train_dataloader(self) -> DataLoader[Batch | Block]:
        """Return the batches of the steps from `self.first_step` to `self.steps` (None: endless), one by one, or in
        `Block`s of `self.block` batches where that is above 1."""
        return _loader(_Stream(self))

    def val_dataloader(self) -> DataLoader[Batch]:
        batches = self._held("validation")
        return _loader(batches, _Undecided(self, len(batches)) if isinstance(batches, Sized) else None)

    def test_dataloader(self) -> DataLoader[Batch]:
        return _loader(self._held("test"))

    def _held(self, split: Split) -> Dataset[Batch]:
        """The held-out batches of a split.

        Raises:
            ValueError: there are none, because the score of another split would then stand for theirs.
        """
        batches = self.held_out(split)
        if isinstance(batches, Sized) and not len(batches):
            raise ValueError(f"{type(self).__name__}: the {split} set is empty; held_out({split!r}) must give batches")
        return batches

    def transfer_batch_to_device(
        self, batch: Batch | Block, device: torch.device, dataloader_idx: int
    ) -> Batch | Block:
        """Return a batch, or every batch of a `Block`, on a device."""
        return Block(part.to(device) for part in batch) if isinstance(batch, Block) else batch.to(device)


def drawn_at(task: Task, step: int) -> int:
    """Return the step whose batch is trained on at `step`: itself, or where a task has so many `sequences` only, one of
    the first steps, each once in an epoch, in another order in each; a function of (seed, step) only."""
    if task.sequences is None:
        return step
    batches = max(1, task.sequences // task.batch_size)
    epoch, place = divmod(step, batches)
    return int(torch.randperm(batches, generator=generator(task.seed, "epoch", epoch))[place])


def training_length(task: Task, step: int) -> int:
    """Return the length of the training batch of `step`: the task's own, or drawn uniformly from `Task.lengths`, a
    function of (seed, step) only."""
    if task.train_lengths == "fixed":
        return task.length
    lengths = task.lengths()
    return lengths[int(torch.randint(len(lengths), (), generator=generator(task.seed, "train length", step)))]


class _Stream(IterableDataset[Batch | Block]):
    """Training batches of a task, in the order of steps."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __iter__(self) -> Iterator[Batch | Block]:
        task = self.task
        of_length = lru_cache(LENGTHS_KEPT)(task.at)

        def batch(step: int) -> Batch:
            step = drawn_at(task, step)
            length = training_length(task, step)
            return (task if length == task.length else of_length(length)).training_batch(step)

        steps = itertools.count(task.first_step) if task.steps is None else range(task.first_step, task.steps)
        if task.block == 1:
            yield from map(batch, steps)
            return
        batches = map(batch, steps)
        while block := Block(itertools.islice(batches, task.block)):
            yield block


class _Undecided(Sampler[int]):
    """The batches of a validation set in their order, until the task is decided."""

    def __init__(self, task: Task, count: int) -> None:
        self.task, self.count = task, count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return itertools.takewhile(lambda _: not self.task.decided, range(self.count))


def _loader(batches: Dataset[Any], order: Sampler[int] | None = None) -> DataLoader[Any]:
    # A generator of its own: without one, every pass would draw a seed from the global generator.
    return DataLoader(batches, batch_size=None, sampler=order, generator=torch.Generator())
