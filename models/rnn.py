"""The Elman network, the plain recurrent baseline."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.parts.kernels.elman import ACTIVATIONS, elman
from models.parts.layer import Fill, KernelLayer, State, check_choice, check_layout, initialise
from models.parts.recurrent import Stack
from models.parts.stacked import Stacked
from tasks.base import Spec

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
        """Return n per layer and direction, at every length."""
        return len(self.body.layers) * self.body.features


class Elman(KernelLayer):
    """One layer of the equation above."""

    def __init__(
        self, width: int, hidden: int, activation: str, recurrent_init: str, recurrent_scale: float, input_init: str
    ) -> None:
        nonlinearity = activation if activation in IN_TORCH else "tanh"  # for others the module only holds the weights
        super().__init__(nn.RNN(width, hidden, nonlinearity=nonlinearity, batch_first=True))
        self.activation = activation
        bound = hidden**-0.5

        def uniform(weight: Tensor) -> object:
            return weight.uniform_(-bound, bound)

        recurrent: dict[str, Fill] = {"orthogonal": nn.init.orthogonal_, "uniform": uniform, "identity": nn.init.eye_}
        inputs: dict[str, Fill] = {"uniform": uniform, "xavier": nn.init.xavier_uniform_}
        initialise(self.kernel, recurrent[recurrent_init], inputs[input_init])
        with torch.no_grad():
            self.kernel.weight_hh_l0.mul_(recurrent_scale)

    def drive(self, x: Tensor, start: int) -> Tensor:
        return F.linear(x, self.kernel.weight_ih_l0, self.bias)

    def step(self, drive: Tensor, state: State) -> State:
        (before,) = state
        return (ACTIVATIONS[self.activation].plain(drive + F.linear(before, self.kernel.weight_hh_l0)),)

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        if x.device.type != "cpu" and self.activation in IN_TORCH:
            return self.run_kernel(x, state)
        before = None if state is None else state[0]
        kernel = self.kernel
        states, last = elman(x, kernel.weight_ih_l0, kernel.weight_hh_l0, self.bias, before, self.activation)
        return states, (last,)

    @property
    def bias(self) -> Tensor:
        """b, the sum of torch's two."""
        total: Tensor = self.kernel.bias_ih_l0 + self.kernel.bias_hh_l0
        return total
