"""All steps of the delta rule on a state that is a matrix (equations in `models.deltanet`).

    S_t = a_t S_{t−1} + (w_t − a_t β_t S_{t−1} k_t) k_tᵀ,    w_t = β_t v_t

Its gradient runs from the last step to the first, by the same rule transposed,

    G_t = ∂ℓ/∂S_t + a_{t+1} (G_{t+1} − β_{t+1} (G_{t+1} k_{t+1}) k_{t+1}ᵀ)

and those of k, w, a and β follow from G_t and S_{t−1} of all steps at once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def delta(key: Tensor, write: Tensor, keep: Tensor, strength: Tensor, initial: Tensor | None) -> Tensor:
    """Return all states S_t (time, rows, v, k).

    key: k_t (time, rows, k). write: w_t (time, rows, v). keep: a_t, strength: β_t (time, rows). initial: S_0 (rows, v,
    k); None: zero.
    """
    steps: Tensor = _Steps.apply(key, write, keep, strength, initial)
    return steps


class _Steps(torch.autograd.Function):
    """`delta` as a loop of two small products per step, forward and backward, without a graph of T steps."""

    @staticmethod
    def forward(ctx: Any, key: Tensor, write: Tensor, keep: Tensor, strength: Tensor, initial: Tensor | None) -> Tensor:
        columns, rows = key[..., None], key[:, :, None]
        states = write[..., None] * rows
        before = torch.zeros_like(states[0]) if initial is None else initial
        decay, read = keep[..., None, None], (keep * strength)[..., None, None] * rows
        each = zip(states.unbind(0), decay.unbind(0), columns.unbind(0), read.unbind(0), strict=True)
        for state, a, k, erased in each:
            state.addcmul_(a.expand_as(before), before)
            state.baddbmm_(before @ k, erased, alpha=-1)
            before = state
        ctx.save_for_backward(key, write, keep, strength, states, initial)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        key, write, keep, strength, states, initial = ctx.saved_tensors
        columns, rows = key[..., None], key[:, :, None]
        decay, read = keep[..., None, None], (keep * strength)[..., None, None] * rows
        total = grad.clone(memory_format=torch.contiguous_format)
        whole = total.unbind(0)
        after = list(zip(decay.unbind(0), columns.unbind(0), read.unbind(0), strict=True))
        for t in range(len(whole) - 2, -1, -1):
            a, k, erased = after[t + 1]
            whole[t].addcmul_(a.expand_as(whole[t]), whole[t + 1])
            whole[t].baddbmm_(whole[t + 1] @ k, erased, alpha=-1)
        first = torch.zeros_like(states[:1]) if initial is None else initial[None]
        before = torch.cat([first, states[:-1]])
        seen, of_write = (before @ columns).squeeze(-1), (total @ columns).squeeze(-1)  # S_{t−1} k_t and G_t k_t
        both = (of_write * seen).sum(-1)
        of_keep = (total * before).sum((-1, -2)) - strength * both
        erasing = (keep * strength)[..., None]
        added = write - erasing * seen
        of_key = (added[:, :, None] @ total - erasing[..., None] * (of_write[:, :, None] @ before)).squeeze(2)
        of_initial = None
        if initial is not None:
            a, k, erased = after[0]
            of_initial = a * whole[0] - (whole[0] @ k) @ erased
        return of_key, of_write, of_keep, -keep * both, of_initial
