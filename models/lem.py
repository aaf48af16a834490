"""Long expressive memory: two states, each with a step size of its own."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from models.parts.layer import Layer, State
from models.parts.stacked import Stacked
from tasks.base import Spec


class LEM(Stacked):
    """Long expressive memory (Rusch, Mishra, Erichson & Mahoney 2022, arXiv:2110.04744), a discretised system of
    differential equations with many time scales.

        Δ_t = δ σ(W_1 h_{t−1} + V_1 x_t + b_1)        Δ̄_t = δ σ(W_2 h_{t−1} + V_2 x_t + b_2)
        c_t = (1 − Δ_t) ⊙ c_{t−1} + Δ_t ⊙ tanh(W_c h_{t−1} + V_c x_t + b_c)
        h_t = (1 − Δ̄_t) ⊙ h_{t−1} + Δ̄_t ⊙ tanh(W_h c_t + V_h x_t + b_h),    h_0 = c_0 = 0

    The paper writes y for h and z for c. Features are the states h_t (n each) at the read positions. `pictures` names
    `cell_step` (Δ) and `hidden_step` (Δ̄), each divided by δ.

    Names: rows of `inputs` (4n, width) are V_1, V_2, V_c, V_h; of `recurrent` (3n, n) W_1, W_2, W_c; W_h = cell_weight;
    δ = `step`. Body: 4n (width + n + 1).

    Initialisation: every W and V uniform in ±1/√n, biases 0. Departures: the paper draws the biases as well.

    step: δ, the largest step. Options of every stack of layers: `models.parts.stacked`.

    Raises:
        ValueError: an option out of its range, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 1e-2

    def __init__(self, spec: Spec, *, step: float = 1.0, **common: Any) -> None:
        if not 0 < step <= 1:
            raise ValueError(f"option step: expected above 0 and at most 1, got {step}")
        super().__init__(spec, partial(TwoScales, largest=step), **common)


class TwoScales(Layer):
    """One layer of the equations above."""

    parts = ("hidden", "cell")
    timeless = True

    def __init__(self, width: int, hidden: int, largest: float) -> None:
        super().__init__(hidden)
        self.largest = largest
        self.inputs = nn.Linear(width, 4 * hidden)
        self.recurrent = nn.Linear(hidden, 3 * hidden, bias=False)
        self.cell_weight = nn.Linear(hidden, hidden, bias=False)
        for weight in (self.inputs.weight, self.recurrent.weight, self.cell_weight.weight):
            nn.init.uniform_(weight, -(hidden**-0.5), hidden**-0.5)
        nn.init.zeros_(self.inputs.bias)

    def drive(self, x: Tensor, start: int) -> Tensor:
        driven: Tensor = self.inputs(x)
        return driven

    def step(self, drive: Tensor, state: State) -> State:
        hidden, cell = state
        n = self.hidden
        summed = drive[:, : 3 * n] + self.recurrent(hidden)
        of_cell, of_hidden = (self.largest * torch.sigmoid(summed[:, : 2 * n])).chunk(2, dim=-1)
        cell = torch.lerp(cell, torch.tanh(summed[:, 2 * n :]), of_cell)
        moved = torch.tanh(drive[:, 3 * n :] + self.cell_weight(cell))
        return torch.lerp(hidden, moved, of_hidden), cell

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        n = self.hidden
        both = torch.sigmoid(self.drive(x, start)[..., : 2 * n] + self.recurrent(before)[..., : 2 * n])
        return {"cell_step": both[..., :n], "hidden_step": both[..., n:]}
