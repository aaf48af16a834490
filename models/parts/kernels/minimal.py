"""All steps of a minimal gated recurrent unit on a CPU (equations in `models.mingru`), a few thousand rows at a time.

The gates need one matrix product and a dozen elementwise calls. Over all rows at once each call reads and writes main
memory; over no more rows than fit the processor's cache the calls take half the time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.parts.scan import chunks

ROWS = 1000  # a few times ROWS · 2n numbers are held at once


def minimal(y: Tensor, weight: Tensor, bias: Tensor, initial: Tensor | None) -> Tensor:
    """Return states (time, batch, n) of y (time, batch, d).

    weight (2n, d), bias (2n,): of z, then of g's argument. initial: h_0 (batch, n); None: zero.
    """
    steps: Tensor = _Steps.apply(y, weight, bias, initial)
    return steps


class _Steps(torch.autograd.Function):
    """`minimal` and its gradient."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, bias: Tensor, initial: Tensor | None) -> Tensor:
        n = len(weight) // 2
        rows = y.reshape(-1, y.size(-1))
        keep, value, states = (y.new_empty(*y.shape[:2], n) for _ in range(3))
        parts = (each.view(-1, n).split(ROWS) for each in (keep, value, states))
        for part, a, g, h in zip(rows.split(ROWS), *parts, strict=True):
            z, v = torch.addmm(bias, part, weight.t()).chunk(2, dim=1)
            torch.neg(z, out=a).sigmoid_()
            torch.sigmoid(v, out=g).clamp_(max=0.5).add_(v.clamp_(min=0))
            torch.addcmul(g, a, g, value=-1, out=h)
        if initial is not None:
            states[0].addcmul_(keep[0], initial)
        chunks(keep, states)
        ctx.save_for_backward(rows, weight, keep, value, states, initial)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        rows, weight, keep, value, states, initial = ctx.saved_tensors
        n = keep.size(-1)
        total = grad.clone(memory_format=torch.contiguous_format)
        chunks(torch.cat([keep[1:], torch.zeros_like(keep[:1])]), total, back=True)
        begin = torch.zeros_like(states[:1]) if initial is None else initial[None]
        before = torch.cat([begin, states[:-1]])
        of_rows, of_weight = torch.empty_like(rows), torch.zeros_like(weight.t())
        of_bias = torch.zeros_like(weight[:, 0])
        flat = (each.view(-1, n).split(ROWS) for each in (keep, value, before, total))
        for part, into, a, g, h, dh in zip(rows.split(ROWS), of_rows.split(ROWS), *flat, strict=True):
            both = part.new_empty(len(part), 2 * n)
            rest = 1 - a
            torch.mul((g - h).mul_(dh), a, out=both[:, :n]).mul_(rest)
            slope = torch.where(g < 0.5, g - g * g, 1.0)
            torch.mul(rest.mul_(dh), slope, out=both[:, n:])
            torch.mm(both, weight, out=into)
            of_weight.addmm_(part.t(), both)
            of_bias += both.sum(0)
        of_initial = None if initial is None else keep[0] * total[0]
        return of_rows.view(*keep.shape[:2], -1), of_weight.t(), of_bias, of_initial
