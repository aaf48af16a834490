"""The Elman network, the plain recurrent baseline."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.parts.recurrent import Fill, Layer, Stack, State, check_choice, check_layout, initialise
from models.parts.stacked import Stacked
from tasks.base import Spec


class Activation(NamedTuple):
    """φ in three forms: `plain`; `in_place`, given the argument times `scale`; and its slope, told from its value."""

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
IN_TORCH = ("tanh", "relu")
RECURRENT = ("orthogonal", "uniform", "identity")
INPUT = ("uniform", "xavier")


class RNN(Stacked):
    """Elman network (Elman 1990, "Finding structure in time"; Jumadinova's, Hanna's, Milosavljević's lectures).

        h_t = φ(W x_t + U h_{t−1} + b),    h_0 = 0

    Features are the states h_t (n each) at the read positions.

    Names: W = weight_ih (n, width), U = weight_hh (n, n), b = bias_ih + bias_hh (Hanna swaps the letters U and W and
    writes s for h; Milosavljević writes W_xh, W_hh and θ). Body: n (width + n + 2).

    Initialisation: U orthogonal, W uniform in ±1/√n, b = 0. `input_init=xavier` draws W wider where n is large, which
    drives tanh into saturation and the memory out of U. `recurrent_init=uniform` draws U from ±1/√n, torch's default;
    `identity` with `activation=relu` is the network of Le, Jaitly & Hinton 2015 (arXiv:1504.00941). Each is multiplied
    by `recurrent_scale`, which then is the spectral radius of an orthogonal or identity U.

    Departures: the bias is kept as two vectors that sum, as in torch's kernels; no feedback of the output.

    activation: φ. layers: each reads the states of the one below. bidirectional: a second network reads from right to
    left; only where the task allows looking ahead.

    Raises:
        ValueError: an option out of its range (see `check_layout`, `check_choice`), or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 3e-3

    def __init__(
        self,
        spec: Spec,
        *,
        layers: int = 1,
        activation: Literal["tanh", "relu", "sigmoid", "identity"] = "tanh",
        recurrent_init: Literal["orthogonal", "uniform", "identity"] = "orthogonal",
        recurrent_scale: float = 1.0,
        input_init: Literal["uniform", "xavier"] = "uniform",
        bidirectional: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(spec, **common)
        check_layout(layers, bidirectional, spec.look_ahead)
        check_choice("activation", activation, tuple(ACTIVATIONS))
        check_choice("recurrent_init", recurrent_init, RECURRENT)
        check_choice("input_init", input_init, INPUT)
        layer = partial(
            Elman,
            activation=activation,
            recurrent_init=recurrent_init,
            recurrent_scale=recurrent_scale,
            input_init=input_init,
        )
        self.assemble(
            lambda hidden: Stack(layer, self.width, hidden, layers, bidirectional), lambda body: body.features
        )

    def state_size(self, length: int) -> int:
        """n per layer and direction, at every length."""
        return len(self.body.layers) * self.body.features


class Elman(Layer):
    """One layer of the equation above."""

    def __init__(
        self, width: int, hidden: int, activation: str, recurrent_init: str, recurrent_scale: float, input_init: str
    ) -> None:
        nonlinearity = activation if activation in IN_TORCH else "tanh"  # elsewhere the module only holds the weights
        super().__init__(nn.RNN(width, hidden, nonlinearity=nonlinearity, batch_first=True))
        self.activation = activation
        bound = hidden**-0.5

        def uniform(block: Tensor) -> object:
            return block.uniform_(-bound, bound)

        recurrent: dict[str, Fill] = {"orthogonal": nn.init.orthogonal_, "uniform": uniform, "identity": nn.init.eye_}
        inputs: dict[str, Fill] = {"uniform": uniform, "xavier": nn.init.xavier_uniform_}
        initialise(self.kernel, recurrent[recurrent_init], inputs[input_init])
        with torch.no_grad():
            self.kernel.weight_hh_l0.mul_(recurrent_scale)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" and self.activation in IN_TORCH:
            states: Tensor = self.kernel(x)[0]
            return states
        return self._all_steps(x, None).transpose(0, 1)

    def carry_on(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        (before,) = state
        if x.device.type != "cpu" and self.activation in IN_TORCH:
            states, last = self.kernel(x, before[None])
            return states, (last[0],)
        steps = self._all_steps(x, before)
        return steps.transpose(0, 1), (steps[-1],)

    def _all_steps(self, x: Tensor, before: Tensor | None) -> Tensor:
        """Hidden states (time, batch, hidden). before: the one before the first step, None: zero."""
        bias = self.kernel.bias_ih_l0 + self.kernel.bias_hh_l0
        weights = (self.kernel.weight_ih_l0, self.kernel.weight_hh_l0, bias)
        steps: Tensor = _AllSteps.apply(x.transpose(0, 1), *weights, before, self.activation)
        return steps

    def drive(self, x: Tensor) -> Tensor:
        return F.linear(x, self.kernel.weight_ih_l0, self.kernel.bias_ih_l0 + self.kernel.bias_hh_l0)

    def step(self, drive: Tensor, state: State) -> State:
        return (ACTIVATIONS[self.activation].plain(drive + F.linear(state[0], self.kernel.weight_hh_l0)),)


class _AllSteps(torch.autograd.Function):
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
