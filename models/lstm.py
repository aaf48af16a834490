"""Long short-term memory, with a forget gate."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.parts.blocks import linear
from models.parts.layer import KernelLayer, Layer, State, check_chrono, initialise, remembering
from models.parts.stacked import Stacked
from tasks.base import Spec


class LSTM(Stacked):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000; docs/sources.md).

        i_t = σ(W_i x_t + U_i h_{t−1} + b_i)        f_t = σ(W_f x_t + U_f h_{t−1} + b_f)
        c̃_t = tanh(W_c x_t + U_c h_{t−1} + b_c)     o_t = σ(W_o x_t + U_o h_{t−1} + b_o)
        c_t = f_t ⊙ c_{t−1} + i_t ⊙ c̃_t             h_t = o_t ⊙ tanh(c_t),    h_0 = c_0 = 0

    Features are the states h_t (n each) at the read positions. `pictures` names `input` (i), `forget` (f) and
    `output` (o).

    Names: rows of weight_ih (4n, width) are W_i, W_f, W_c, W_o; of weight_hh (4n, n) U_i, U_f, U_c, U_o; biases
    bias_ih + bias_hh. The lectures write W·[h_{t−1}, x_t] for W x_t + U h_{t−1}, C for c; Jumadinova g for c̃.
    Body: 4n (width + n + 2).

    Initialisation: each U orthogonal, each W Xavier uniform, biases 0, but the forget gate's is `forget_bias` in total
    (bias_ih + bias_hh; 1 after Jozefowicz et al. 2015). Departures: no peepholes.

    chrono: M, in the place of `forget_bias`: b_f is drawn from log U[1, M − 1] and b_i = −b_f, so that units remember
    for 1 to M steps (Tallec & Ollivier 2018, arXiv:1804.11188). candidate_only: JANET (van der Westhuizen & Lasenby
    2018, arXiv:1804.04849), which keeps the forget gate and the candidate alone; its body is 2n (width + n + 1):

        h_t = f_t ⊙ h_{t−1} + (1 − f_t) ⊙ c̃_t

    Options of every stack of layers: `models.parts.stacked`.

    Raises:
        ValueError: an option out of its range, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 1e-2

    def __init__(
        self,
        spec: Spec,
        *,
        forget_bias: float = 1.0,
        chrono: int | None = None,
        candidate_only: bool = False,
        **common: Any,
    ) -> None:
        check_chrono(chrono)
        if chrono is not None and forget_bias != 1:
            raise ValueError(
                f"option chrono: it draws the forget gate's biases, so expected no forget_bias beside it, got "
                f"{forget_bias:g}. Drop one of them."
            )
        layer = CandidateOnly if candidate_only else MemoryCell
        super().__init__(spec, partial(layer, forget_bias=forget_bias, chrono=chrono), **common)


class MemoryCell(KernelLayer):
    """One layer of the equations above."""

    parts = ("hidden", "cell")

    def __init__(self, width: int, hidden: int, forget_bias: float, chrono: int | None = None) -> None:
        super().__init__(nn.LSTM(width, hidden, batch_first=True))
        initialise(self.kernel)
        bias = self.kernel.bias_ih_l0.data
        bias[hidden : 2 * hidden] = forget_bias
        if chrono is not None:
            bias[hidden : 2 * hidden] = remembering(hidden, chrono)
            bias[:hidden] = -bias[hidden : 2 * hidden]

    def drive(self, x: Tensor, start: int) -> Tensor:
        return F.linear(x, self.kernel.weight_ih_l0, self.kernel.bias_ih_l0 + self.kernel.bias_hh_l0)

    def step(self, drive: Tensor, state: State) -> State:
        hidden, cell = state
        i, f, o, candidate = self._gates(drive, hidden)
        cell = f * cell + i * candidate
        return o * torch.tanh(cell), cell

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        return self.run_kernel(x, state)

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        i, f, o, _ = self._gates(self.drive(x, start), before)
        return {"input": i, "forget": f, "output": o}

    def _gates(self, drive: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """i, f, o and c̃, (…, n) each."""
        i, f, c, o = (drive + F.linear(before, self.kernel.weight_hh_l0)).chunk(4, dim=-1)
        return torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o), torch.tanh(c)


class CandidateOnly(Layer):
    """One layer of JANET's equation."""

    timeless = True

    def __init__(self, width: int, hidden: int, forget_bias: float, chrono: int | None) -> None:
        super().__init__(hidden)
        self.inputs = linear(width, 2 * hidden, blocks=2)  # rows: W_f, W_c
        self.recurrent = nn.Linear(hidden, 2 * hidden, bias=False)
        for rows in self.recurrent.weight.detach().chunk(2):
            nn.init.orthogonal_(rows)
        self.inputs.bias.data[:hidden] = forget_bias if chrono is None else remembering(hidden, chrono)

    def drive(self, x: Tensor, start: int) -> Tensor:
        driven: Tensor = self.inputs(x)
        return driven

    def step(self, drive: Tensor, state: State) -> State:
        (before,) = state
        f, c = (drive + self.recurrent(before)).chunk(2, dim=-1)
        return (torch.lerp(torch.tanh(c), before, torch.sigmoid(f)),)

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        return {"forget": torch.sigmoid((self.drive(x, start) + self.recurrent(before))[..., : self.hidden])}
