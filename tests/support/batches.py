"""Batches whose inputs do not matter, for objectives and metrics."""

from __future__ import annotations

import torch
from torch import Tensor

from tasks.base import Batch


def a_batch(targets: Tensor, mask: Tensor | None = None) -> Batch:
    """A batch with these targets, read where the mask (batch, time) is true; None: one sequence, read everywhere."""
    mask = torch.ones(1, len(targets), dtype=torch.bool) if mask is None else mask
    return Batch(torch.zeros(*mask.shape, 1), targets, mask)


def same_batch(first: Batch, second: Batch) -> bool:
    """Whether two batches hold the same numbers."""
    lengths = [torch.zeros(0) if batch.lengths is None else batch.lengths for batch in (first, second)]
    parts = ((first.inputs, second.inputs), (first.targets, second.targets), (first.reads.mask, second.reads.mask))
    return all(torch.equal(a, b) for a, b in (*parts, (lengths[0], lengths[1])))
