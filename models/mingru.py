"""The minimal gated recurrent unit: gates that never see the state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.parts.blocked import Blocked
from models.parts.blocks import Linear, linear, positive
from models.parts.kernels.minimal import minimal
from models.parts.layer import State
from tasks.base import Spec


class MinGRU(Blocked):
    """minGRU (Feng et al. 2024, arXiv:2410.01201, with its g for scans in logarithms) inside `models.parts.blocks`.

        z_t = σ(W_z y_t + b_z)
        h_t = (1 − z_t) ⊙ h_{t−1} + z_t ⊙ g(W y_t + b),    h_0 = 0
        output(h_t) = W_o h_t + b_o
        g(v) = v + ½ for v ≥ 0, else σ(v)

    y_t, norm, feed-forward and residual: equations in `models.parts.blocks`. `pictures` names `update` (z).

    Names: rows of `inputs` (2d, d) are W_z, W; W_o = readout. State: d numbers per residual block. Body: d (width + 1)
    + 2d + blocks · (3d² + 7d + 2df + f + d) with f = `second_width`.

    Initialisation: every matrix Xavier uniform (W_z and W each for itself), biases 0, but b_z = −`forget_bias`, so that
    1 − z starts near σ(forget_bias). Departures: a norm, a projection and a feed-forward network around it; the state
    begins at 0, not at ½, and is as wide as the residual block, not wider.

    blocks: number of residual blocks. forget_bias: −b_z at the start.

    Raises:
        ValueError: no block, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 1e-2

    def __init__(self, spec: Spec, *, blocks: int = 2, forget_bias: float = 0.0, **common: Any) -> None:
        super().__init__(spec, lambda hidden: Gated(hidden, forget_bias), blocks, **common)


class Gated(Linear):
    """The memory of the equations above."""

    def __init__(self, hidden: int, forget_bias: float) -> None:
        super().__init__(hidden)
        self.inputs = linear(hidden, 2 * hidden, blocks=2)
        self.readout = linear(hidden, hidden)
        nn.init.constant_(self.inputs.bias.detach()[:hidden], -forget_bias)

    def coefficients(self, y: Tensor) -> tuple[Tensor, Tensor]:
        z, v = self.inputs(y).chunk(2, dim=-1)
        keep, added = torch.sigmoid(-z), positive(v)
        return keep, torch.addcmul(added, keep, added, value=-1)

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        if x.device.type != "cpu":
            return super().run(x, state, start)
        before = None if state is None else state[0]
        states = minimal(x.transpose(0, 1), self.inputs.weight, self.inputs.bias, before)
        return states.transpose(0, 1), (states[-1],)

    def output(self, y: Tensor, states: Tensor) -> Tensor:
        projected: Tensor = self.readout(states)
        return projected

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        return {"update": torch.sigmoid(self.inputs(x)[..., : self.hidden])}
