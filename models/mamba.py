"""A selective state space: a linear recurrence whose decay and inputs depend on what is read."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.parts.blocked import Blocked
from models.parts.blocks import Linear, linear
from tasks.base import Spec


class Mamba(Blocked):
    """Selective state space, S6 (Gu & Dao 2023, arXiv:2312.00752) inside `models.parts.blocks`.

        Δ_t = softplus(W_Δ y_t + b_Δ)        B_t = W_B y_t        C_t = W_C y_t
        h_t[c, j] = exp(Δ_t[c] A[c, j]) h_{t−1}[c, j] + Δ_t[c] B_t[j] y_t[c],    h_0 = 0,    A = −e^{ln −A}
        output(y_t, h_t) = W_o (Σ_j C_t[j] h_t[·, j] + D ⊙ y_t) + b_o

    for d channels c and N numbers j each. y_t, norm, feed-forward and residual: equations in `models.parts.blocks`.
    `pictures` names `forget`, exp(Δ A).

    Names: N = `state`; W_Δ = step_size, rows of `inputs` (2N, d) are W_B, W_C; W_o = readout, D = skip. State: dN
    numbers per residual block. Body: d (width + 1) + 2d + blocks · (2d² + 3dN + 7d + 2df + f + d) with f =
    `second_width`.

    Initialisation: A[c, j] = −j for j = 1 … N; b_Δ such that softplus(b_Δ) is log-uniform in [.001, .1]; D = 1; every
    matrix Xavier uniform, but W_Δ a tenth of it, so that Δ starts where b_Δ puts it; other biases 0. Departures: the
    residual block is the transformer's: no expansion, no convolution before it and no gate beside it; W_Δ has full
    rank; N = 4 where the paper has 16, because the probes decompose a matrix of the state's size.

    blocks: number of residual blocks. state: N.

    Raises:
        ValueError: no block, no state, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 1e-2

    def __init__(self, spec: Spec, *, blocks: int = 2, state: int = 4, **common: Any) -> None:
        if state < 1:
            raise ValueError(f"option state: expected at least 1, got {state}")
        super().__init__(spec, lambda hidden: Selective(hidden, state), blocks, **common)


class Selective(Linear):
    """The memory of the equations above; its state is h row by row."""

    def __init__(self, channels: int, state: int) -> None:
        super().__init__(channels * state)
        self.state = state
        self.step_size = linear(channels, channels)
        self.inputs = linear(channels, 2 * state, blocks=2, bias=False)
        self.decay_log = nn.Parameter(torch.arange(1.0, state + 1).log().repeat(channels, 1))
        self.skip = nn.Parameter(torch.ones(channels))
        self.readout = linear(channels, channels)
        with torch.no_grad():
            self.step_size.weight.mul_(0.1)
            start = torch.exp(torch.empty(channels).uniform_(math.log(1e-3), math.log(0.1)))
            self.step_size.bias.copy_(start + torch.log(-torch.expm1(-start)))  # the inverse of softplus

    def coefficients(self, y: Tensor) -> tuple[Tensor, Tensor]:
        size = F.softplus(self.step_size(y))
        added = (size * y)[..., None] * self.inputs(y)[..., None, : self.state]
        return self._decay(size), added.flatten(-2)

    def output(self, y: Tensor, states: Tensor) -> Tensor:
        seen = states.unflatten(-1, (-1, self.state)) @ self.inputs(y)[..., self.state :, None]
        projected: Tensor = self.readout(seen.squeeze(-1) + self.skip * y)
        return projected

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        return {"forget": self._decay(F.softplus(self.step_size(x)))}

    def _decay(self, size: Tensor) -> Tensor:
        """Δ (…, d) -> exp(Δ A) (…, dN)."""
        return torch.exp(-size[..., None] * self.decay_log.exp()).flatten(-2)
