"""The scan: a linear recurrence over all steps, exact forward and backward, from any initial state.

    h_t = a_t ⊙ h_{t−1} + b_t

Real or complex, time first. Its gradient is a scan from the last step to the first,

    g_t = ∂ℓ/∂h_t + conj(a_{t+1}) ⊙ g_{t+1},    ∂ℓ/∂b_t = g_t,    ∂ℓ/∂a_t = g_t ⊙ conj(h_{t−1})

so both directions run in one of two forms. `chunks`: √T chunks of √T steps; one loop over the steps of a chunk runs all
chunks together, each from zero, a second loop carries the state from chunk to chunk, and one product adds what was
carried; the quickest on a CPU (`tests/performance/scan.py`). `doubling`: ⌈log₂ T⌉ passes over all steps (Hillis &
Steele 1986), each of much parallel work; for a GPU. Neither divides nor takes a logarithm, so a decay of 0 or a product
of a hundred thousand decays costs no digits: h_t has the rounding error of a plain sum.
"""

from __future__ import annotations

from itertools import pairwise
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def scan(decay: Tensor, drive: Tensor, initial: Tensor | None = None) -> Tensor:
    """Return all states h_t (time, batch, n).

    drive: b_t (time, batch, n). decay: a_t of the same shape, or (n,), the same at every step. initial: h_0 (batch, n);
    None: zero.
    """
    steps: Tensor = _Scan.apply(decay, drive, initial)
    return steps


def chunks(decay: Tensor, states: Tensor, back: bool = False) -> None:
    """Add decay_t ⊙ (the state before) to each of `states` (time, batch, n) in turn, in place, from the second on.

    decay: (time, batch, n), or (n,). back: go from the last step to the first.
    """
    time, size = len(states), isqrt(len(states))
    beyond = time % size  # steps outside the whole chunks, taken at the end
    whole = slice(beyond, None) if back else slice(0, time - beyond)
    _whole_chunks(decay if decay.dim() == 1 else decay[whole], states[whole], size, back)
    rest = range(beyond - 1, -1, -1) if back else range(time - beyond, time)
    for t in rest:
        states[t].addcmul_(decay if decay.dim() == 1 else decay[t], states[t + 1 if back else t - 1])


def _whole_chunks(decay: Tensor, states: Tensor, size: int, back: bool) -> None:
    """`chunks` where `size` divides the steps."""
    order = -1 if back else 1
    inside = states.unflatten(0, (-1, size))  # (chunk, step, batch, n)
    if decay.dim() == 1:
        decays = [decay] * size
        products = decay.expand(1, size, 1, -1).clone()
    else:
        decays = list(decay.unflatten(0, (-1, size)).unbind(1))[::order]
        products = decay.unflatten(0, (-1, size)).clone()
    steps = inside.unbind(1)[::order]
    for (before, now), a in zip(pairwise(steps), decays[1:], strict=True):
        now.addcmul_(a, before)
    through = products.unbind(1)[::order]
    for before, now in pairwise(through):
        now.mul_(before)
    carried = torch.zeros_like(steps[-1])  # into each chunk
    ends, passing = steps[-1].unbind(0)[::order], through[-1].expand_as(carried).unbind(0)[::order]
    into = carried.unbind(0)[::order]
    for (before, now), end, passed in zip(pairwise(into), ends, passing, strict=False):
        torch.addcmul(end, passed, before, out=now)
    inside.addcmul_(products, carried[:, None])


def doubling(decay: Tensor, states: Tensor, back: bool = False) -> None:
    """Do what `chunks` does in ⌈log₂ T⌉ passes: after each, a state sums twice as many of the last steps."""
    if back:
        turned = states.flip(0)
        doubling(decay if decay.dim() == 1 else decay.flip(0), turned)
        states.copy_(turned.flip(0))
        return
    if decay.dim() > 1:
        decay = decay.clone()
    shift = 1
    while shift < len(states):
        if decay.dim() == 1:
            states[shift:] += decay * states[:-shift]
            decay = decay * decay
        else:  # products are separate tensors, because in place a pass would read what it has written
            states[shift:] += decay[shift:] * states[:-shift]
            decay[shift:] = decay[shift:] * decay[:-shift]
        shift *= 2


class _Scan(torch.autograd.Function):
    """`scan`, and its gradient as a scan in reverse."""

    @staticmethod
    def forward(ctx: Any, decay: Tensor, drive: Tensor, initial: Tensor | None) -> Tensor:
        states = drive.clone(memory_format=torch.contiguous_format)
        if initial is not None:
            states[0].addcmul_((decay if decay.dim() == 1 else decay[0]).expand_as(initial), initial)
        _form(drive)(decay, states)
        ctx.save_for_backward(decay, states, initial)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        decay, states, initial = ctx.saved_tensors
        conjugate = decay.conj().resolve_conj()
        later, first = (conjugate, conjugate) if decay.dim() == 1 else (_later(conjugate), conjugate[0])
        total = grad.clone(memory_format=torch.contiguous_format)
        _form(grad)(later, total, back=True)
        before = states[:-1].conj()
        from_initial = torch.zeros_like(total[0]) if initial is None else total[0] * initial.conj()
        if decay.dim() == 1:
            of_decay = (total[1:] * before).sum((0, 1)) + from_initial.sum(0)
        else:
            of_decay = torch.empty_like(total)
            torch.mul(total[1:], before, out=of_decay[1:])
            of_decay[0] = from_initial
        return of_decay, total, None if initial is None else first * total[0]


def _later(decay: Tensor) -> Tensor:
    """The decay of the step after; the last step has none."""
    return torch.cat([decay[1:], torch.zeros_like(decay[:1])])


def _form(values: Tensor) -> Any:
    """The quicker form on the device of `values`."""
    return chunks if values.device.type == "cpu" else doubling
