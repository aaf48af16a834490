"""Hand-written kernels: all steps of a layer at once, exactly, where torch's own are slow."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

PIECE = 250  # steps that run at once where no gradient is taken


def in_pieces(run: Callable[[Tensor, Tensor | None], Tensor], x: Tensor, before: Tensor | None) -> Tensor:
    """Return the states that `run` gives of x (time, batch, width), some steps at a time where no gradient is taken.

    Arrays of few steps stay in the processor's cache: 1.3 times as fast at 1,000 steps.
    """
    if torch.is_grad_enabled() or len(x) <= PIECE:
        return run(x, before)
    states = []
    for part in x.split(PIECE):
        states.append(run(part, before))
        before = states[-1][-1]
    return torch.cat(states)
