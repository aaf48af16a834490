"""All steps of a gated recurrent layer on a CPU, in its fused form (equations in `models.gru`, `reset=after`)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.parts.kernels import in_pieces


def gated(
    x: Tensor, w: Tensor, u: Tensor, bias: Tensor, recurrent_bias: Tensor, before: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return states (batch, time, hidden), and the last (batch, hidden), of x (batch, time, width).

    before: the state before the first step (batch, hidden); None: zero.
    """
    steps = in_pieces(lambda x, before: _Steps.apply(x, w, u, bias, recurrent_bias, before), x.transpose(0, 1), before)
    return steps.transpose(0, 1), steps[-1]


class _Steps(torch.autograd.Function):
    """All steps of the fused form on a CPU: (time, batch, width) -> (time, batch, hidden). initial: h_0, None: zero.

    As in `elman`: few small calls per step, the weights' gradient in one matrix product over all steps. torch's
    own CPU loop, which records some thirty operations per step, is 1.4 to 2.5 times slower at 100 to 1,000 steps.
    The gates' slopes depend on the forward pass only, so `backward` prepares them for all steps at once.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, w: Tensor, u: Tensor, bias: Tensor, recurrent_bias: Tensor, initial: Tensor | None
    ) -> Tensor:
        n = u.size(1)
        drive = F.linear(x, w, bias)
        gates = drive + recurrent_bias  # becomes r, z and q = U h + b′, side by side
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
