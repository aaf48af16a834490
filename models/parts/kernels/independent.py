"""All steps of a layer whose units do not see each other, h_t = ReLU(b_t + u ⊙ h_{t−1}), by one loop in place.

Its gradient runs from the last step to the first: g_t = (∂ℓ/∂h_t + u ⊙ g_{t+1}) where h_t > 0, else 0.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def independent(drive: Tensor, recurrent: Tensor, initial: Tensor | None) -> Tensor:
    """Return all states h_t (time, batch, n).

    drive: b_t (time, batch, n). recurrent: u (n,). initial: h_0 (batch, n); None: zero.
    """
    steps: Tensor = _Steps.apply(drive, recurrent, initial)
    return steps


class _Steps(torch.autograd.Function):
    """`independent` and its gradient."""

    @staticmethod
    def forward(ctx: Any, drive: Tensor, recurrent: Tensor, initial: Tensor | None) -> Tensor:
        states = drive.clone(memory_format=torch.contiguous_format)
        each = states.unbind(0)
        if initial is not None:
            each[0].addcmul_(recurrent, initial)
        each[0].relu_()
        for before, now in pairwise(each):
            now.addcmul_(recurrent, before).relu_()
        ctx.save_for_backward(recurrent, states, initial)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        recurrent, states, initial = ctx.saved_tensors
        alive = (states > 0).to(grad.dtype)
        total = grad * alive
        each, slopes = total.unbind(0)[::-1], alive.mul_(recurrent).unbind(0)[::-1]
        for (after, now), slope in zip(pairwise(each), slopes[1:], strict=True):
            now.addcmul_(slope, after)
        of_recurrent = (total[1:] * states[:-1]).sum((0, 1))
        if initial is None:
            return total, of_recurrent, None
        return total, of_recurrent + (total[0] * initial).sum(0), recurrent * total[0]
