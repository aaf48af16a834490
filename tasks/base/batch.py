"""Batches of sequences, and what of them is read."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple, final

import torch
from torch import Tensor


@final
class Reads:
    """Which positions of a batch are read: a value that a task makes once and that travels with its batches.

    mask (batch, time): booleans, true where an answer is read; always on the CPU, so that asking it never waits for a
    GPU. span: the shortest run of steps that holds every read position. rows: the read positions among those of the
    span, sequence by sequence, as indices (reads,); None where all of them are read. counts (batch,): reads of each
    sequence.
    """

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask.cpu()
        with torch.inference_mode(False):  # an evaluation may be the first to ask; training needs plain indices
            steps = self.mask.any(0).nonzero()
            self.span = slice(int(steps[0]), int(steps[-1]) + 1) if len(steps) else slice(0, 0)
            inside = self.mask[:, self.span]
            self.rows = None if bool(inside.all()) else inside.flatten().nonzero().squeeze(1)
            self.counts = self.mask.sum(1)
        self._elsewhere: dict[torch.device, Reads] = {}

    @cached_property
    def sequences(self) -> Tensor:
        """The number (reads,) of the sequence that each read belongs to, on the CPU."""
        return self.mask.nonzero()[:, 0]

    def pick(self, states: Tensor) -> Tensor:
        """Pick the read states, sequence by sequence: (batch, time or span, features) -> (reads, features)."""
        if states.size(1) == self.mask.size(1):
            states = states[:, self.span]
        flat = states.reshape(-1, states.size(-1))
        rows = self.to(states.device).rows
        return flat if rows is None else flat.index_select(0, rows)

    def unpick(self, values: Tensor) -> Tensor:
        """Put values (reads, …) at their positions (batch, time, …); zero where nothing is read."""
        whole = values.new_zeros(*self.mask.shape, *values.shape[1:])
        whole[self.mask.to(values.device)] = values
        return whole

    def to(self, device: torch.device) -> Reads:
        """Return these reads with `rows` on a device; copied once."""
        if self.rows is None or self.rows.device == device:
            return self
        if device not in self._elsewhere:
            there = object.__new__(Reads)
            there.mask, there.span, there.counts, there._elsewhere = self.mask, self.span, self.counts, {}
            with torch.inference_mode(False):
                there.rows = self.rows.to(device, non_blocking=device.type == "cuda")
            self._elsewhere[device] = there
        return self._elsewhere[device]


@final
class Batch:
    """Some sequences of equal length.

    inputs   (batch, time, features) real numbers, (batch, time, columns) token ids, or one behind the other (`Mixed`)
    reads    the positions at which an answer is read: `Reads`, or a boolean mask (batch, time), also given as `read`
    targets  one row per read, sequence by sequence; or, where `lengths` is given, one row per sequence
    lengths  (batch,) how many entries of each sequence's row of `targets` count, where answers are not aligned with
             reads (a transcript); None: they are aligned
    """

    __slots__ = ("inputs", "lengths", "reads", "targets")

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        reads: Reads | Tensor | None = None,
        lengths: Tensor | None = None,
        *,
        read: Reads | Tensor | None = None,
    ) -> None:
        given = read if reads is None else reads
        if given is None:
            raise TypeError("a Batch needs reads: the positions at which an answer is read, a mask (batch, time)")
        self.inputs = inputs
        self.targets = targets
        self.reads = given if isinstance(given, Reads) else Reads(given)
        self.lengths = lengths

    def __len__(self) -> int:
        """The number of sequences."""
        return len(self.inputs)

    @property
    def steps(self) -> int:
        """The number of steps of each sequence."""
        return self.inputs.size(1)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device; the mask of its reads stays on the CPU."""
        early = device.type == "cuda"  # the host goes on while the copy is under way; elsewhere that is not safe
        inputs, targets = (part.to(device, non_blocking=early) for part in (self.inputs, self.targets))
        lengths = None if self.lengths is None else self.lengths.to(device, non_blocking=early)
        return Batch(inputs, targets, self.reads.to(device), lengths)

    def double(self) -> Batch:
        """Return the batch with its real numbers in float64; ids stay ids."""
        inputs, targets = (p.double() if p.is_floating_point() else p for p in (self.inputs, self.targets))
        return Batch(inputs, targets, self.reads, self.lengths)

    def select(self, chosen: Tensor | slice) -> Batch:
        """Return some of the sequences. chosen: booleans (batch,), or a slice."""
        mask = self.reads.mask
        if self.lengths is not None:
            return Batch(self.inputs[chosen], self.targets[chosen], mask[chosen], self.lengths[chosen])
        kept = torch.zeros(len(mask), dtype=torch.bool)
        kept[chosen] = True
        return Batch(self.inputs[chosen], self.targets[kept[self.reads.sequences]], mask[chosen])

    def answered(self, steps: Tensor) -> Batch:
        """Return the batch with one answer read of each sequence, at `steps` (batch,).

        Where answers are not aligned with reads the batch stays as it is, because an answer needs all reads."""
        if self.lengths is not None:
            return self
        mask = self.reads.mask
        order = mask.flatten().cumsum(0).view_as(mask) - 1
        at = steps.cpu()[:, None]
        rows = order.gather(1, at).squeeze(1)
        return Batch(self.inputs, self.targets[rows], torch.zeros_like(mask).scatter(1, at, True))


@final
class Block(list[Batch]):
    """Several training batches, one per optimisation step, handed to the model at once (less overhead per step)."""


class Replacement(NamedTuple):
    """A batch with one token of each sequence replaced by another legal one: where (batch,), and the inputs."""

    positions: Tensor
    inputs: Tensor


def first_sequences(batches: Iterable[Batch], sequences: int) -> Batch:
    """Return the first `sequences` sequences that are as long as the first batch's, as one batch."""
    kept: list[Batch] = []
    for batch in batches:
        missing = sequences - sum(map(len, kept))
        if missing <= 0:
            break
        if kept and kept[0].steps != batch.steps:
            continue
        kept.append(batch.select(slice(missing)))
    return joined(kept)


def joined(batches: list[Batch]) -> Batch:
    """Join batches of equally long sequences into one."""
    lengths = [batch.lengths for batch in batches if batch.lengths is not None]
    return Batch(
        torch.cat([batch.inputs for batch in batches]),
        torch.cat([batch.targets for batch in batches]),
        torch.cat([batch.reads.mask for batch in batches]),
        torch.cat(lengths) if lengths else None,
    )
