"""The gated recurrent unit, in both of its two common forms."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.parts.recurrent import Layer, Stack, State, check_choice, check_layout, initialise
from models.parts.stacked import Stacked
from tasks.base import Spec

RESET = ("after", "before")


class GRU(Stacked):
    """Gated recurrent unit (Cho et al. 2014, arXiv:1406.1078; Chung et al. 2014, arXiv:1412.3555; 2018 recitation).

    `reset=before`, the recitation's and Chung's equations: the reset gate acts before the recurrent product.

        r_t = σ(W_r x_t + U_r h_{t−1} + b_r)
        z_t = σ(W_z x_t + U_z h_{t−1} + b_z)
        h̃_t = tanh(W x_t + U (r_t ⊙ h_{t−1}) + b)
        h_t = (1 − z_t) ⊙ h_{t−1} + z_t ⊙ h̃_t,    h_0 = 0

    `reset=after`, the default and what fused kernels compute (torch.nn.GRU, cuDNN): the reset gate acts after the
    recurrent product, which has a bias of its own, and z's role is swapped.

        r_t, z_t as above
        h̃_t = tanh(W x_t + b + r_t ⊙ (U h_{t−1} + b′))
        h_t = z_t ⊙ h_{t−1} + (1 − z_t) ⊙ h̃_t

    Features are the states h_t (n each) at the read positions. `gates` names `reset` (r_t) and `update`, always in the
    recitation's role: the share of the new candidate (z_t in the first form, 1 − z_t in the second).

    Names: rows of weight_ih (3n, width) are W_r, W_z, W; of weight_hh (3n, n) U_r, U_z, U; bias_ih + bias_hh give
    b_r, b_z and, before, b; after, bias_ih gives b and bias_hh gives b′. Body: 3n (width + n + 2) in both forms.

    Initialisation: each U orthogonal, each W Xavier uniform, biases 0, so z_t starts near ½ and its role is a matter of
    sign only. Departures: the recitation leaves biases out.

    reset: the form. layers: each reads the states of the one below. bidirectional: a second network reads from right to
    left; only where the task allows looking ahead. `reset=before` has no fused kernel and runs step by step.

    Raises:
        ValueError: an option out of its range (see `check_layout`, `check_choice`), or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 1e-2

    def __init__(
        self,
        spec: Spec,
        *,
        reset: Literal["after", "before"] = "after",
        layers: int = 1,
        bidirectional: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(spec, **common)
        check_layout(layers, bidirectional, spec.look_ahead)
        check_choice("reset", reset, RESET)
        layer = ResetAfter if reset == "after" else ResetBefore
        self.assemble(
            lambda hidden: Stack(layer, self.width, hidden, layers, bidirectional), lambda body: body.features
        )

    def gates(self, x: Tensor) -> dict[str, Tensor]:
        return self.body.gates(x, self.present(x))

    def state_size(self, length: int) -> int:
        """n per layer and direction, at every length."""
        return len(self.body.layers) * self.body.features


class ResetAfter(Layer):
    """One layer of the fused form."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__(nn.GRU(width, hidden, batch_first=True))
        initialise(self.kernel)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            states: Tensor = self.kernel(x)[0]
            return states
        return self._all_steps(x, None).transpose(0, 1)

    def carry_on(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        (before,) = state
        if x.device.type != "cpu":
            states, last = self.kernel(x, before[None])
            return states, (last[0],)
        steps = self._all_steps(x, before)
        return steps.transpose(0, 1), (steps[-1],)

    def _all_steps(self, x: Tensor, before: Tensor | None) -> Tensor:
        """Hidden states (time, batch, hidden). before: the one before the first step, None: zero."""
        kernel = self.kernel
        weights = (kernel.weight_ih_l0, kernel.weight_hh_l0, kernel.bias_ih_l0, kernel.bias_hh_l0)
        steps: Tensor = _AllSteps.apply(x.transpose(0, 1), *weights, before)
        return steps

    def drive(self, x: Tensor) -> Tensor:
        return F.linear(x, self.kernel.weight_ih_l0, self.kernel.bias_ih_l0)

    def step(self, drive: Tensor, state: State) -> State:
        (before,) = state
        n = self.hidden
        recurrent = F.linear(before, self.kernel.weight_hh_l0, self.kernel.bias_hh_l0)
        r, z = torch.sigmoid(drive[:, : 2 * n] + recurrent[:, : 2 * n]).chunk(2, dim=-1)
        candidate = torch.tanh(drive[:, 2 * n :] + r * recurrent[:, 2 * n :])
        return (torch.lerp(candidate, before, z),)

    def gates(self, x: Tensor, before: Tensor) -> dict[str, Tensor]:
        both = self.drive(x) + F.linear(before, self.kernel.weight_hh_l0, self.kernel.bias_hh_l0)
        r, z = torch.sigmoid(both[..., : 2 * self.hidden]).chunk(2, dim=-1)
        return {"reset": r, "update": 1 - z}


class ResetBefore(Layer):
    """One layer of the recitation's form."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__(nn.GRU(width, hidden, batch_first=True))  # holds the weights; its forward is the other form
        initialise(self.kernel)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([state[0] for state in self.unroll(x)], dim=1)

    def drive(self, x: Tensor) -> Tensor:
        return F.linear(x, self.kernel.weight_ih_l0, self.kernel.bias_ih_l0 + self.kernel.bias_hh_l0)

    def step(self, drive: Tensor, state: State) -> State:
        weight = self.kernel.weight_hh_l0
        (before,) = state
        n = self.hidden
        r, z = torch.sigmoid(torch.addmm(drive[:, : 2 * n], before, weight[: 2 * n].t())).chunk(2, dim=-1)
        candidate = torch.tanh(torch.addmm(drive[:, 2 * n :], r * before, weight[2 * n :].t()))
        return (torch.lerp(before, candidate, z),)

    def gates(self, x: Tensor, before: Tensor) -> dict[str, Tensor]:
        weight = self.kernel.weight_hh_l0
        both = self.drive(x)[..., : 2 * self.hidden] + F.linear(before, weight[: 2 * self.hidden])
        r, z = torch.sigmoid(both).chunk(2, dim=-1)
        return {"reset": r, "update": z}


class _AllSteps(torch.autograd.Function):
    """All steps of the fused form on a CPU: (time, batch, width) -> (time, batch, hidden). initial: h_0, None: zero.

    As in `models.rnn`: few small calls per step, the weights' gradient in one matrix product over all steps. torch's
    own CPU loop, which records some thirty operations per step, is 1.4 to 2.5 times slower at 100 to 1,000 steps.
    Slopes of the gates depend on the forward pass only, so backward prepares them for all steps at once.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, w: Tensor, u: Tensor, bias: Tensor, recurrent_bias: Tensor, initial: Tensor | None
    ) -> Tensor:
        n = u.size(1)
        drive = F.linear(x, w, bias)
        gates = drive + recurrent_bias  # becomes r, z and q = U h + b′, block by block
        gates[..., 2 * n :] = recurrent_bias[2 * n :]
        candidate, h = torch.empty_like(drive[..., :n]), torch.empty_like(drive[..., :n])
        across = u.t().contiguous()
        before = h.new_zeros(h.shape[1:]) if initial is None else initial
        views = (gates, gates[..., : 2 * n], *gates.chunk(3, dim=-1), drive[..., 2 * n :], candidate, h)
        for all_t, rz_t, r_t, z_t, q_t, drive_t, candidate_t, h_t in zip(*(v.unbind(0) for v in views), strict=True):
            all_t.addmm_(before, across)
            rz_t.sigmoid_()
            torch.addcmul(drive_t, r_t, q_t, out=candidate_t).tanh_()
            torch.lerp(candidate_t, before, z_t, out=h_t)
            before = h_t
        ctx.save_for_backward(x, w, u, gates, candidate, h, initial)
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        x, w, u, gates, candidate, h, initial = ctx.saved_tensors
        r, z, q = gates.chunk(3, dim=-1)
        before = F.pad(h[:-1], (0, 0, 0, 0, 1, 0))
        if initial is not None:
            before[0] = initial
        inner = (1 - z) * (1 - candidate * candidate)  # ∂h_t/∂(argument of tanh)
        # ∂h_t/∂(arguments of r, z) and ∂h_t/∂q; times the total gradient of h_t, step by step from the last
        delta = torch.stack([inner * q * r * (1 - r), (before - candidate) * z * (1 - z), inner * r], dim=2)
        total = grad.clone(memory_format=torch.contiguous_format)
        views = (delta, delta.flatten(2), total, total.unsqueeze(2), z)
        deltas, rows, totals, wide, zs = (view.unbind(0) for view in views)
        for t in range(len(totals) - 1, -1, -1):
            deltas[t].mul_(wide[t])
            if t > 0:
                totals[t - 1].addcmul_(totals[t], zs[t]).addmm_(rows[t], u)
        d_initial = None if initial is None else torch.addmm(totals[0] * zs[0], rows[0], u)
        flat = delta.view(-1, u.size(0))
        du = (before.flatten(0, 1).t() @ flat).t()
        recurrent_bias = flat.sum(0)
        torch.mul(total, inner, out=delta[:, :, 2])  # inputs reach the candidate without passing r
        dx = (flat @ w).view(x.shape) if ctx.needs_input_grad[0] else None
        dw = (x.flatten(0, 1).t() @ flat).t()
        return dx, dw, du, flat.sum(0), recurrent_bias, d_initial
