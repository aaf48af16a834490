"""Passes through one model, to be compared, and batches with other inputs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from bench.probes.undisturbed import Kept, seed_everything
from models.base import SequenceModel
from tasks.base import Batch, Features, Inputs, Mixed, Reads

FINE, COARSE = 1e-9, 1e-4  # of the largest answer: what rounding leaves in float64, and in anything narrower
HALF = {torch.float16, torch.bfloat16}
NARROW = {torch.float32} | HALF


class Passes:
    """Passes through one model in one mode, each from the same state and with the same random numbers.

    wide: whether the model runs in float64. under: the context of each pass. draws, overwrites: whether the last pass
    drew random numbers of torch, and whether it changed its inputs.
    """

    def __init__(
        self,
        model: SequenceModel,
        kept: Kept,
        *,
        wide: bool,
        under: Callable[[], AbstractContextManager[Any]] = torch.no_grad,
    ) -> None:
        self.model, self.kept, self.wide, self.under = model, kept, wide, under
        self.draws = self.overwrites = False

    def answers(self, batch: Batch) -> Tensor:
        """Return outputs (reads, outputs), computed from the state that was kept."""
        self.kept.restore()
        return self.next_answers(batch)

    def next_answers(self, batch: Batch, seed: int = 0) -> Tensor:
        """Return outputs (reads, outputs), computed from the state that the last pass left."""
        seed_everything(seed)
        before, inputs = torch.get_rng_state(), batch.inputs.clone()
        with self.under():
            outputs: Tensor = self.model(batch)
        self.draws = not torch.equal(before, torch.get_rng_state())
        self.overwrites = not torch.equal(inputs, batch.inputs)
        return outputs.detach().clone()

    def differ(self, first: Tensor, second: Tensor, batch: Batch) -> bool:
        """Return whether two answers differ by more than rounding. batch: one that gives such answers."""
        if not self.wide:
            return not close(first, second, COARSE)
        if close(first, second, FINE):
            return False
        return not close(first, second, COARSE) or not self.widths(batch) & NARROW

    def widths(self, batch: Batch) -> set[torch.dtype]:
        """Return the types of numbers that are met inside the model."""
        with _Widths() as widths:
            self.answers(batch)
        return widths.met


class _Widths(TorchFunctionMode):
    """Notes the types of the numbers that functions of torch return."""

    def __init__(self) -> None:
        super().__init__()
        self.met: set[torch.dtype] = set()

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        returned = function(*arguments, **(keywords or {}))
        if isinstance(returned, Tensor):
            self.met.add(returned.dtype)
        return returned


def close(first: Tensor, second: Tensor, tolerance: float) -> bool:
    """Return whether two tensors agree within a fraction of the largest finite number of the first."""
    if first.shape != second.shape:
        return False
    finite = first[first.isfinite()]
    largest = float(finite.abs().max()) if len(finite) else 0.0
    return torch.allclose(first, second, rtol=0.0, atol=tolerance * largest, equal_nan=True)


def changed(batch: Batch, inputs: Inputs, sequences: Tensor, start: int | Tensor) -> Batch:
    """Return a batch with other inputs in some sequences (batch,) from step `start` on, one for all or (batch,): those
    of the next sequence one step earlier, and where these are the same, 0.5 more or the next id."""
    old = batch.inputs
    new = old.roll((1, 1), (0, 1))
    real, sizes = _columns(inputs)
    same = new == old
    if real:
        new[..., :real] += 0.5 * same[..., :real]
    for column, size in enumerate(sizes, start=real):
        new[..., column] = torch.where(same[..., column], (old[..., column] + 1) % size, new[..., column])
    late = torch.arange(batch.steps) >= torch.as_tensor(start).view(-1, 1)
    chosen = (sequences[:, None] & late)[..., None].to(old.device)
    return Batch(torch.where(chosen, new, old), batch.targets, Reads(batch.reads.mask), batch.lengths)


def _columns(inputs: Inputs) -> tuple[int, list[int]]:
    """Return how many real numbers each step has, and how many ids each column after them."""
    if isinstance(inputs, Features):
        return inputs.size, []
    tokens = inputs.tokens if isinstance(inputs, Mixed) else inputs
    sizes = [column.size for column in tokens.columns]
    return inputs.features.size if isinstance(inputs, Mixed) else 0, [tokens.symbols or sizes[0], *sizes[1:]]
