"""The Elman network, the plain recurrent baseline, and what the field changed in it to remember for longer."""

from __future__ import annotations

from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from models.parts.changed import Changed, Changes
from models.parts.kernels.elman import ACTIVATIONS, elman
from models.parts.layer import Fill, KernelLayer, Layer, State, check_choice, initialise, uniform
from models.parts.stacked import Stacked
from tasks.base import Spec

IN_TORCH = ("tanh", "relu")
RECURRENT: dict[str, Fill] = {
    "orthogonal": nn.init.orthogonal_,
    "uniform": uniform,
    "identity": nn.init.eye_,
    "zero": nn.init.zeros_,
}
INPUT: dict[str, Fill] = {"uniform": uniform, "xavier": nn.init.xavier_uniform_}


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

    What the field changed (equations of a step in `models.parts.changed`, where b is one vector: one n less):
      carry: s, h_t = s h_{t−1} + φ(…), self-connections held at s (Mikolov et al. 2015, arXiv:1412.7753). U then starts
        at zero, unless `recurrent_init` is given: with an orthogonal U it explodes at once.
      leak: a, h_t = (1 − a) h_{t−1} + a φ(…), leaky units (Jaeger et al. 2007, Neural Networks 20).
      skip: d, a connection V h_{t−d} inside φ (Lin et al. 1996, IEEE Transactions on Neural Networks 7); V starts as U.
      feedback: `output` feeds back o_{t−1} = V_o h_{t−1}, as many numbers as the task's outputs, in the place of
        h_{t−1} (Jordan 1986).
      recurrent_weights: `orthogonal` keeps U orthogonal (times `recurrent_scale`) through training, as the exponential
        of a skew matrix (Lezcano-Casado & Martínez-Rubio 2019, arXiv:1901.08428).
      periods: P_1+P_2+…, the clockwork network (Koutník et al. 2014, arXiv:1402.3511): n divides into as many modules;
        module i moves at t mod P_i = 0, and reads itself and slower modules.

    activation: φ. Options of every stack of layers: `models.parts.stacked`.

    Raises:
        ValueError: an option out of its range or beside one that it cannot go with, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 3e-3

    def __init__(
        self,
        spec: Spec,
        *,
        activation: Literal["tanh", "relu", "sigmoid", "identity"] = "tanh",
        recurrent_init: Literal["orthogonal", "uniform", "identity", "zero"] | None = None,
        recurrent_scale: float = 1.0,
        input_init: Literal["uniform", "xavier"] = "uniform",
        recurrent_weights: Literal["free", "orthogonal"] = "free",
        carry: float = 0.0,
        leak: float = 1.0,
        skip: int | None = None,
        feedback: Literal["state", "output"] = "state",
        periods: tuple[int, ...] | None = None,
        **common: Any,
    ) -> None:
        check_choice("activation", activation, tuple(ACTIVATIONS))
        check_choice("recurrent_weights", recurrent_weights, ("free", "orthogonal"))
        check_choice("feedback", feedback, ("state", "output"))
        check_choice("input_init", input_init, tuple(INPUT))
        start = ("zero" if carry else "orthogonal") if recurrent_init is None else recurrent_init
        check_choice("recurrent_init", start, tuple(RECURRENT))
        changes = Changes(
            carry,
            leak,
            skip,
            spec.outputs if feedback == "output" else None,
            periods,
            recurrent_weights == "orthogonal",
        )
        changes.check(start, spec.steps)
        given = (activation, RECURRENT[start], recurrent_scale, INPUT[input_init])

        def layer(width: int, hidden: int) -> Layer:
            if changes == Changes():
                return Elman(width, hidden, *given)
            return Changed(width, hidden, *given, changes)

        super().__init__(spec, layer, len(periods) if periods else 1, **common)


class Elman(KernelLayer):
    """One layer of the first equation."""

    def __init__(
        self,
        width: int,
        hidden: int,
        activation: str,
        recurrent_init: Fill,
        recurrent_scale: float,
        input_init: Fill,
    ) -> None:
        nonlinearity = activation if activation in IN_TORCH else "tanh"  # for others the module only holds the weights
        super().__init__(nn.RNN(width, hidden, nonlinearity=nonlinearity, batch_first=True))
        self.activation = activation
        initialise(self.kernel, recurrent_init, input_init)
        self.kernel.weight_hh_l0.data.mul_(recurrent_scale)

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
