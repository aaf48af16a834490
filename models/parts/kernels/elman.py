"""All steps of an Elman layer on a CPU, h_t = φ(W x_t + U h_{t−1} + b), and the functions φ."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.parts.kernels import in_pieces


class Activation(NamedTuple):
    """φ in three forms: `plain`; `in_place`, given the argument times `scale`; and `slope`, computed from its value."""

    plain: Callable[[Tensor], Tensor]
    in_place: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    scale: float = 1.0


MINUS_ONE = torch.tensor(-1.0)
ACTIVATIONS = {
    # tanh a = 2 σ(2a) − 1: torch's tanh costs five sigmoids on a CPU
    "tanh": Activation(
        torch.tanh, lambda a: torch.add(MINUS_ONE, a.sigmoid_(), alpha=2, out=a), lambda h: 1 - h * h, scale=2.0
    ),
    "relu": Activation(torch.relu, torch.relu_, lambda h: (h > 0).to(h.dtype)),
    "sigmoid": Activation(torch.sigmoid, torch.sigmoid_, lambda h: h * (1 - h)),
    "identity": Activation(lambda a: a, lambda a: a, torch.ones_like),
}


def elman(
    x: Tensor, w: Tensor, u: Tensor, bias: Tensor, before: Tensor | None, activation: str
) -> tuple[Tensor, Tensor]:
    """Return states (batch, time, hidden), and the last (batch, hidden), of x (batch, time, width).

    before: the state before the first step (batch, hidden); None: zero. activation: the name of φ.
    """
    steps = in_pieces(lambda x, before: _Steps.apply(x, w, u, bias, before, activation), x.transpose(0, 1), before)
    return steps.transpose(0, 1), steps[-1]


class _Steps(torch.autograd.Function):
    """All steps of a layer on a CPU: (time, batch, width) -> (time, batch, hidden). before: h_0, None: zero.

    Two small calls per step and direction, and the weights' gradient in one matrix product over all steps; torch's own
    CPU loop adds it up step by step (1.2 to 2 times slower at 100 to 1,000 steps).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, w: Tensor, u: Tensor, bias: Tensor, before: Tensor | None, activation: str
    ) -> Tensor:
        _, apply, _, scale = ACTIVATIONS[activation]
        h = F.linear(x, scale * w, scale * bias)
        across = scale * u.t().contiguous()
        steps = h.unbind(0)
        apply(steps[0] if before is None else steps[0].addmm_(before, across))
        for last, now in pairwise(steps):
            apply(now.addmm_(last, across))
        ctx.save_for_backward(x, w, u, h, before)
        ctx.activation = activation
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor | None, None]:
        x, w, u, h, before = ctx.saved_tensors
        delta = ACTIVATIONS[ctx.activation].slope(h)  # becomes ∂/∂(argument of φ), from the last step back
        steps, grads = delta.unbind(0), grad.unbind(0)
        steps[-1].mul_(grads[-1])
        total = torch.empty_like(steps[-1])
        for t in range(len(steps) - 2, -1, -1):
            torch.addmm(grads[t], steps[t + 1], u, out=total)
            steps[t].mul_(total)
        rows = delta.flatten(0, 1)
        dx = (rows @ w).view(x.shape) if ctx.needs_input_grad[0] else None
        # (inputs' · rows)' rather than rows' · inputs: the same numbers, up to six times quicker for narrow inputs
        dw = (x.flatten(0, 1).t() @ rows).t()
        du = (h[:-1].flatten(0, 1).t() @ delta[1:].flatten(0, 1)).t()
        if before is None:
            return dx, dw, du, rows.sum(0), None, None
        return dx, dw, du + steps[0].t() @ before, rows.sum(0), steps[0] @ u, None
