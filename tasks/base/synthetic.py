"""Synthetic tasks: an endless training stream and two fixed held-out sets, drawn when asked for, never stored."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, final

import torch
from torch import Generator
from torch.utils.data import Dataset

from tasks.base.batch import Batch, Reads
from tasks.base.task import Split, Task, generator

HELD_OUT_SEQUENCES = 1024
STEPS_PER_BATCH = 32_768
SMALLEST_BATCH = 8

Value = TypeVar("Value")


class SyntheticTask(Task, ABC):
    """A task whose sequences are drawn from a generator. Subclasses implement `draw`.

    Training batch s depends on (seed, s) only. Each held-out set has 1,024 sequences (or the first of them,
    `held_out_sequences`) and depends on (task, options, length) only; options change what is made of the random
    numbers, never the numbers.

    held_out_batch_size: sequences per held-out batch, a divisor of 1,024; about 32,768 steps, at least 8 sequences, so
    that memory stays bounded at any length.
    """

    def __init__(self, length: int, **common: Any) -> None:
        super().__init__(length, **common)
        self.held_out_batch_size = _held_out_batch_size(length)
        self._reads: dict[tuple[int, int, int], Reads] = {}

    @abstractmethod
    def draw(self, generator: Generator, batch_size: int) -> Batch:
        """Draw `batch_size` fresh sequences of equal length, a function of the generator's state only."""

    def training_batch(self, step: int) -> Batch:
        return self.draw(generator(self.seed, "train", step), self.batch_size)

    def held_out(self, split: Split) -> Dataset[Batch]:
        return _HeldOut(self, split)

    def first_draw(self, split: Literal["training"] | Split) -> tuple[Generator, int]:
        """Return what `draw` is given for the first batch of a split: a generator, and how many sequences."""
        if split == "training":
            return generator(self.seed, "train", 0), self.batch_size
        return generator(0, split, type(self).__name__, self.length, 0), self.held_out_batch_size

    @final
    def read_last(self, batch_size: int, steps: int, count: int) -> Reads:
        """Return the reads of the last `count` steps of each sequence; made once for each shape."""
        key = (batch_size, steps, count)
        if key not in self._reads:
            row = torch.arange(steps) >= steps - count
            self._reads[key] = Reads(row.expand(batch_size, steps))  # one row of memory, however many sequences
        return self._reads[key]


class _HeldOut(Dataset[Batch]):
    """A held-out set of a synthetic task, batch by batch."""

    def __init__(self, task: SyntheticTask, split: Split) -> None:
        self.task = task
        self.split = split
        self.sequences = task.held_out_sequences or HELD_OUT_SEQUENCES

    def __len__(self) -> int:
        return -(-self.sequences // self.task.held_out_batch_size)

    def __getitem__(self, index: int) -> Batch:
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of a {self.split} set of {len(self)} batches")
        task = self.task
        # Seed 0 whatever the task's seed: every training seed is judged on the same sequences.
        stream = generator(0, self.split, type(task).__name__, task.length, index)
        batch = task.draw(stream, task.held_out_batch_size)
        return batch if len(batch) <= self.sequences else batch.select(slice(self.sequences))


def choose(task: str, option: str, value: str, values: Mapping[str, Value]) -> Value:
    """Look up what `values` holds for an option's value.

    Raises:
        ValueError: no such value; the message names task, option, the values that may be given and the nearest one.
    """
    if value in values:
        return values[value]
    near = difflib.get_close_matches(str(value), values, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{task}: option {option!r} expects {' or '.join(values)}, got {value!r}.{hint}")


def _held_out_batch_size(length: int) -> int:
    """The largest power of two (a divisor of 1,024) of at most 32,768 steps, but at least 8."""
    fitting = max(1, STEPS_PER_BATCH // length)
    return min(HELD_OUT_SEQUENCES, max(SMALLEST_BATCH, 1 << (fitting.bit_length() - 1)))
