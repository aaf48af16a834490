"""A model with a clock: some units move at every step, others at every second, fourth or eighth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.parts.layer import Layer, State
from models.parts.stacked import Stacked
from tasks.base import Spec

PERIODS = (1, 2, 4, 8)


class Clockwork(Stacked):
    """h_t = tanh(W x_t + U h_{t−1} + b) in the units whose period divides t, h_{t−1} in the others.

    After Koutník et al. 2014 (arXiv:1402.3511), but with a whole U.
    """

    version = 1

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, Ticking, len(PERIODS), **common)


class Ticking(Layer):
    """One layer of the equation above."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__(hidden)
        self.inputs = nn.Linear(width, hidden)
        self.recurrent = nn.Linear(hidden, hidden, bias=False)
        nn.init.orthogonal_(self.recurrent.weight)
        self.register_buffer("periods", torch.tensor(PERIODS).repeat_interleave(hidden // len(PERIODS)))

    def moves(self, x: Tensor, start: int) -> Tensor:
        """Which units move at each step of x (batch, time, width), as 0 and 1: (batch, time, hidden)."""
        steps = torch.arange(start, start + x.size(1), device=x.device)
        return (steps[:, None] % self.periods == 0).to(x.dtype).expand(x.size(0), -1, -1)  # type: ignore[operator]

    def drive(self, x: Tensor, start: int) -> Tensor:
        return torch.cat([self.inputs(x), self.moves(x, start)], dim=-1)

    def step(self, drive: Tensor, state: State) -> State:
        (before,) = state
        inputs, moves = drive.chunk(2, dim=-1)
        return (torch.where(moves > 0, torch.tanh(inputs + self.recurrent(before)), before),)

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        return {"clock": self.moves(x, start)}


class Stopped(Ticking):
    """Wrong: its quick path starts the clock anew wherever a sequence is cut."""

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        return super().run(x, state, 0)


class Losing(Ticking):
    """Wrong: its quick path begins at zero whatever the state."""

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        return super().run(x, None, start)
