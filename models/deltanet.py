"""The delta rule: a matrix stores values by their keys; each write corrects what it answers for its key."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.parts.blocked import Blocked
from models.parts.blocks import Memory, linear
from models.parts.kernels.delta import delta
from models.parts.layer import State
from tasks.base import Spec


class DeltaNet(Blocked):
    """DeltaNet (Yang et al. 2024, arXiv:2406.06484) inside `models.parts.blocks`; with `gate`, gated DeltaNet (Yang,
    Kautz & Hatamizadeh 2024, arXiv:2412.06464).

        S_t = α_t S_{t−1} (I − β_t k_t k_tᵀ) + β_t v_t k_tᵀ,    S_0 = 0
        k_t = W_k y_t / ‖W_k y_t‖    v_t = W_v y_t    q_t = W_q y_t / ‖W_q y_t‖    β_t = `beta` · σ(w_β · y_t + b_β)
        α_t = e^{g_t},    g_t = 0, or with `gate` −e^a softplus(w_g · y_t + b_g)
        output(y_t, S_t) = W_o concat_j S_t^j q_t^j + b_o

    for each of `heads` heads j. Because ‖k‖ = 1, the eigenvalue along k is 1 − β: within (0, 1) at `beta` = 1, down to
    −1 at `beta` = 2, which counting modulo two needs (Grazzi et al. 2024, arXiv:2411.12537). y_t, norm, feed-forward
    and residual: equations in `models.parts.blocks`. `pictures` names `write` (β / beta), and `forget` (α) with `gate`.

    Names: rows of `inputs` (3d, d) are W_q, W_k, W_v; of `strength` (heads, d) w_β; of `decay` (heads, d) w_g; W_o =
    readout; m = d / heads. State: heads · m² numbers per residual block. Body: d (width + 1) + 2d + blocks · (4d² + 5d
    + (d + 1) heads + 2df + f + d) with f = `second_width`; the gate adds (d + 2) heads per block.

    Initialisation: every matrix Xavier uniform (W_q, W_k and W_v each for itself), biases 0; e^a uniform in [1, 16],
    b_g such that softplus(b_g) is log-uniform in [.001, .1]. Departures: no convolution and no activation before q, k
    and v, no norm and no gate after S q; the residual block is the transformer's. All steps run as a loop
    (`models.parts.kernels.delta`), not in chunks.

    blocks: number of residual blocks. heads: number per block; must divide d. beta: the largest β. gate: whether S also
    decays.

    Raises:
        ValueError: no block or head, beta outside (0, 2], heads that do not divide d, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 1e-2

    def __init__(
        self, spec: Spec, *, blocks: int = 2, heads: int = 4, beta: float = 1.0, gate: bool = False, **common: Any
    ) -> None:
        if heads < 1:
            raise ValueError(f"option heads: expected at least 1, got {heads}")
        if not 0 < beta <= 2:
            raise ValueError(f"option beta: expected above 0 and at most 2 (beyond, the state grows), got {beta}")
        super().__init__(spec, lambda hidden: Delta(hidden, heads, beta, gate), blocks, multiple=heads, **common)


class Delta(Memory):
    """The memory of the equations above; its state is S, head by head and row by row."""

    def __init__(self, size: int, heads: int, beta: float, gate: bool) -> None:
        super().__init__(size * (size // heads))
        self.heads, self.beta = heads, beta
        self.inputs = linear(size, 3 * size, blocks=3, bias=False)
        self.strength = linear(size, heads)
        self.decay = linear(size, heads) if gate else None
        self.readout = linear(size, size)
        if self.decay is not None:
            self.rate_log = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
            start = torch.exp(torch.empty(heads).uniform_(math.log(1e-3), math.log(0.1)))
            self.decay.bias.data.copy_(start + torch.log(-torch.expm1(-start)))  # the inverse of softplus

    def drive(self, x: Tensor, start: int) -> Tensor:
        return torch.cat([part.flatten(-2) for part in self._parts(x)], dim=-1)

    def step(self, drive: Tensor, state: State) -> State:
        (before,) = state
        key, write, keep, strength = drive.split(self._sizes, dim=-1)
        k, w = key.unflatten(-1, (self.heads, -1)), write.unflatten(-1, (self.heads, -1))
        s = before.unflatten(-1, (self.heads, k.size(-1), -1))
        seen = (s @ k[..., None]).squeeze(-1)
        added = w - (keep * strength)[..., None] * seen
        return ((keep[..., None, None] * s + added[..., None] * k[..., None, :]).flatten(-3),)

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        key, write, keep, strength = (part.flatten(1, 2) for part in self._parts(x.transpose(0, 1)))
        size = key.size(-1)
        initial = None if state is None else state[0].reshape(-1, size, size)
        states = delta(key, write, keep.squeeze(-1), strength.squeeze(-1), initial)
        flat = states.view(x.size(1), x.size(0), self.hidden)
        return flat.transpose(0, 1), (flat[-1],)

    def output(self, y: Tensor, states: Tensor) -> Tensor:
        query = F.normalize(self.inputs(y).chunk(3, dim=-1)[0].unflatten(-1, (self.heads, -1)), dim=-1)
        seen = states.unflatten(-1, (self.heads, query.size(-1), -1)) @ query[..., None]
        projected: Tensor = self.readout(seen.flatten(-3))
        return projected

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        _, _, keep, strength = self._parts(x)
        shown = {"write": strength.squeeze(-1) / self.beta}
        return shown if self.decay is None else shown | {"forget": keep.squeeze(-1)}

    @property
    def _sizes(self) -> list[int]:
        """Sizes of k, w, α and β in `drive`."""
        return [self.inputs.in_features, self.inputs.in_features, self.heads, self.heads]

    def _parts(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """y (…, d) -> k and w = β v (…, heads, m), α and β (…, heads, 1)."""
        _, key, value = (part.unflatten(-1, (self.heads, -1)) for part in self.inputs(y).chunk(3, dim=-1))
        strength = self.beta * torch.sigmoid(self.strength(y))[..., None]
        keep = torch.ones_like(strength)
        if self.decay is not None:
            keep = torch.exp(-self.rate_log.exp() * F.softplus(self.decay(y)))[..., None]
        return F.normalize(key, dim=-1), strength * value, keep, strength
