"""Batches of sequences, and what of them is read."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary


class Batch(NamedTuple):
    """Some sequences of equal length (see the module's docstring for the shapes)."""

    inputs: Tensor
    targets: Tensor
    read: Tensor


@final
class Block(list[Batch]):
    """Several training batches, one per optimisation step, handed to the model at once (less overhead per step)."""


class Replacement(NamedTuple):
    """A batch with one token of each sequence replaced by another legal one: where (batch,), and the inputs."""

    positions: Tensor
    inputs: Tensor


_originals: MutableMapping[Tensor, Tensor] = WeakTensorKeyDictionary()  # of masks on a GPU, as long as those exist


def original(mask: Tensor) -> Tensor:
    """The mask that this one was copied from when its batch moved to a GPU, or else this one. What hangs on a mask's
    values is asked of the original: the host would have to wait for the GPU until it knows the copy's."""
    return mask if mask.device.type == "cpu" else _originals.get(mask, mask)


def moved(batch: Batch, device: torch.device) -> Batch:
    """`batch` on a device."""
    early = device.type == "cuda"  # the host goes on while the copy is under way; elsewhere that is not safe
    there = Batch(*(part.to(device, non_blocking=early) for part in batch))
    if there.read is not batch.read:
        _originals[there.read] = batch.read
    return there


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
