"""Minimal long short-term memory: gates that never see the state, and that sum to 1."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.parts.blocked import Blocked
from models.parts.blocks import Linear, linear, positive
from tasks.base import Spec


class MinLSTM(Blocked):
    """minLSTM (Feng et al. 2024, arXiv:2410.01201, the length-independent form) inside `models.parts.blocks`.

        f_t = σ(W_f y_t + b_f)        f′_t = f_t / (f_t + i_t)
        i_t = σ(W_i y_t + b_i)        i′_t = i_t / (f_t + i_t)
        h_t = f′_t ⊙ h_{t−1} + i′_t ⊙ g(W y_t + b),    h_0 = 0
        output(h_t) = W_o h_t + b_o

    g as in `models.mingru`; y_t, norm, feed-forward and residual: equations in `models.parts.blocks`. `pictures` names
    `forget` (f′) and `input` (i′).

    Names: rows of `inputs` (3d, d) are W_f, W_i, W; W_o = readout. State: d numbers per residual block. Body: d (width
    + 1) + 2d + blocks · (4d² + 8d + 2df + f + d) with f = `second_width`.

    Initialisation: every matrix Xavier uniform (W_f, W_i and W each for itself), biases 0, but b_f = `forget_bias`.
    Departures: as in `models.mingru`. f′ is computed as σ(ln f − ln i), which holds where f and i round to 0.

    blocks: number of residual blocks. forget_bias: b_f at the start.

    Raises:
        ValueError: no block, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 1e-2

    def __init__(self, spec: Spec, *, blocks: int = 2, forget_bias: float = 0.0, **common: Any) -> None:
        super().__init__(spec, lambda hidden: Shared(hidden, forget_bias), blocks, **common)


class Shared(Linear):
    """The memory of the equations above."""

    def __init__(self, hidden: int, forget_bias: float) -> None:
        super().__init__(hidden)
        self.inputs = linear(hidden, 3 * hidden, blocks=3)
        self.readout = linear(hidden, hidden)
        nn.init.constant_(self.inputs.bias.detach()[:hidden], forget_bias)

    def coefficients(self, y: Tensor) -> tuple[Tensor, Tensor]:
        f, i, v = self.inputs(y).chunk(3, dim=-1)
        balance = F.logsigmoid(f) - F.logsigmoid(i)
        return torch.sigmoid(balance), torch.sigmoid(-balance) * positive(v)

    def output(self, y: Tensor, states: Tensor) -> Tensor:
        projected: Tensor = self.readout(states)
        return projected

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        forget, _ = self.coefficients(x)
        return {"forget": forget, "input": 1 - forget}
