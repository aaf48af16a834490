"""The scan: a linear recurrence over all steps, exact forward and backward, from any initial state.

    h_t = a_t ⊙ h_{t−1} + b_t

Real or complex, time first. Its gradient is a scan from the last step to the first,

    g_t = ∂ℓ/∂h_t + conj(a_{t+1}) ⊙ g_{t+1},    ∂ℓ/∂b_t = g_t,    ∂ℓ/∂a_t = g_t ⊙ conj(h_{t−1})

so both directions run in one of two forms. `loop`: one fused call per step, T steps of little work; on a CPU the
quickest (`tests/performance/scan.py`). `doubling`: ⌈log₂ T⌉ passes over all steps (Hillis & Steele 1986), each of much
parallel work; for a GPU. Neither divides nor takes a logarithm, so that a decay of 0 or a product of a hundred thousand
decays costs no digits: the error of h_t is that of the sum it is.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def scan(decay: Tensor, drive: Tensor, initial: Tensor | None = None) -> Tensor:
    """All states h_t (time, batch, n).

    drive: b_t (time, batch, n). decay: a_t of the same shape, or (n,), the same at every step. initial: h_0 (batch, n);
    None: zero.
    """
    steps: Tensor = _Scan.apply(decay, drive, initial)
    return steps


def loop(decay: Tensor, drive: Tensor, initial: Tensor | None) -> Tensor:
    """The scan step by step, in place."""
    states = drive.clone(memory_format=torch.contiguous_format)
    each = states.unbind(0)
    decays = [decay] * len(each) if decay.dim() == 1 else list(decay.unbind(0))
    if initial is not None:
        each[0].addcmul_(decays[0].expand_as(initial), initial)
    for (before, now), a in zip(pairwise(each), decays[1:], strict=True):
        now.addcmul_(a, before)
    return states


def loop_back(decay: Tensor, grad: Tensor) -> Tensor:
    """The scan of its gradient step by step, from the last to the first: g_t = grad_t + decay_{t+1} ⊙ g_{t+1}."""
    total = grad.clone(memory_format=torch.contiguous_format)
    each = total.unbind(0)[::-1]
    decays = [decay] * len(each) if decay.dim() == 1 else list(decay.unbind(0))[::-1]
    for (after, now), a in zip(pairwise(each), decays[:-1], strict=True):
        now.addcmul_(a, after)
    return total


def doubling(decay: Tensor, drive: Tensor, initial: Tensor | None) -> Tensor:
    """The scan in ⌈log₂ T⌉ passes: after each, h_t sums twice as many of the last steps."""
    states = drive.clone(memory_format=torch.contiguous_format)
    if initial is not None:
        states[0] += (decay if decay.dim() == 1 else decay[0]) * initial
    if decay.dim() > 1:
        decay = decay.clone()
    shift = 1
    while shift < len(states):
        if decay.dim() == 1:
            states[shift:] += decay * states[:-shift]
            decay = decay * decay
        else:  # products are tensors of their own: in place, a pass would read what it has written
            states[shift:] += decay[shift:] * states[:-shift]
            decay[shift:] = decay[shift:] * decay[:-shift]
        shift *= 2
    return states


def doubling_back(decay: Tensor, grad: Tensor) -> Tensor:
    """The scan of its gradient in ⌈log₂ T⌉ passes; the decay of the step after, of which the last step has none."""
    later = decay if decay.dim() == 1 else torch.cat([decay[1:], torch.zeros_like(decay[:1])]).flip(0)
    return doubling(later, grad.flip(0), None).flip(0)


class _Scan(torch.autograd.Function):
    """`scan`, and its gradient as a scan in reverse."""

    @staticmethod
    def forward(ctx: Any, decay: Tensor, drive: Tensor, initial: Tensor | None) -> Tensor:
        states = _form(drive)(decay, drive, initial)
        ctx.save_for_backward(decay, states, initial)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        decay, states, initial = ctx.saved_tensors
        conjugate = decay.conj().resolve_conj()
        total = _back(grad)(conjugate, grad)
        before = states[:-1].conj()
        if decay.dim() == 1:
            of_decay = (total[1:] * before).sum((0, 1))
        else:
            of_decay = torch.empty_like(decay)
            torch.mul(total[1:], before, out=of_decay[1:])
            of_decay[0] = 0
        of_initial = None
        if initial is not None:
            of_initial = (conjugate if decay.dim() == 1 else conjugate[0]) * total[0]
            first = total[0] * initial.conj()
            if decay.dim() == 1:
                of_decay += first.sum(0)
            else:
                of_decay[0] = first
        return of_decay, total, of_initial


def _form(values: Tensor) -> Any:
    """The form that is quickest where `values` lie."""
    return loop if values.device.type == "cpu" else doubling


def _back(values: Tensor) -> Any:
    """That of its gradient."""
    return loop_back if values.device.type == "cpu" else doubling_back
