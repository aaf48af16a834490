"""The gated recurrent unit, in both of its two common forms."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.parts.kernels.gated import gated
from models.parts.layer import KernelLayer, State, check_choice, check_chrono, initialise, remembering
from models.parts.stacked import Stacked
from tasks.base import Spec

RESET = ("after", "before")


class GRU(Stacked):
    """Gated recurrent unit (Cho et al. 2014, arXiv:1406.1078; Chung et al. 2014, arXiv:1412.3555; 2018 recitation).

    `reset=before`, the recitation's and Chung's equations: the reset gate acts before the recurrent product.

        r_t = σ(W_r x_t + U_r h_{t−1} + b_r)
        z_t = σ(W_z x_t + U_z h_{t−1} + b_z)
        h̃_t = tanh(W x_t + U (r_t ⊙ h_{t−1}) + b)
        h_t = (1 − z_t) ⊙ h_{t−1} + z_t ⊙ h̃_t,    h_0 = 0

    `reset=after`, the default and what fused kernels compute (torch.nn.GRU, cuDNN): the reset gate acts after the
    recurrent product, which has a bias of its own, and z and 1 − z change places.

        r_t, z_t as above
        h̃_t = tanh(W x_t + b + r_t ⊙ (U h_{t−1} + b′))
        h_t = z_t ⊙ h_{t−1} + (1 − z_t) ⊙ h̃_t

    Features are the states h_t (n each) at the read positions. `pictures` names `reset` (r_t) and `update`, always in
    the recitation's role: the share of the new candidate (z_t in the first form, 1 − z_t in the second).

    Names: rows of weight_ih (3n, width) are W_r, W_z, W; of weight_hh (3n, n) U_r, U_z, U; bias_ih + bias_hh give
    b_r, b_z and, before, b; after, bias_ih gives b and bias_hh gives b′. Body: 3n (width + n + 2) in both forms.

    Initialisation: each U orthogonal, each W Xavier uniform, biases 0, so z_t starts near ½ and the two roles of z
    differ in sign only. Departures: the recitation leaves biases out.

    reset: the form; `before` has no fused kernel and runs step by step. chrono: M, the bias of the weight on h_{t−1} is
    drawn from log U[1, M − 1], so that units remember for 1 to M steps (Tallec & Ollivier 2018, arXiv:1804.11188): b_z
    after, −b_z before. Options of every stack of layers: `models.parts.stacked`.

    Raises:
        ValueError: an option out of its range, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 1e-2

    def __init__(
        self,
        spec: Spec,
        *,
        reset: Literal["after", "before"] = "after",
        chrono: int | None = None,
        **common: Any,
    ) -> None:
        check_choice("reset", reset, RESET)
        check_chrono(chrono)
        super().__init__(spec, partial(ResetAfter if reset == "after" else ResetBefore, chrono=chrono), **common)


class ResetAfter(KernelLayer):
    """One layer of the fused form."""

    def __init__(self, width: int, hidden: int, chrono: int | None = None) -> None:
        super().__init__(nn.GRU(width, hidden, batch_first=True))
        initialise(self.kernel)
        if chrono is not None:
            self.kernel.bias_ih_l0.data[hidden : 2 * hidden] = remembering(hidden, chrono)

    def drive(self, x: Tensor, start: int) -> Tensor:
        return F.linear(x, self.kernel.weight_ih_l0, self.kernel.bias_ih_l0)

    def step(self, drive: Tensor, state: State) -> State:
        (before,) = state
        r, z, recurrent = self._gates(drive, before)
        candidate = torch.tanh(drive[:, 2 * self.hidden :] + r * recurrent)
        return (torch.lerp(candidate, before, z),)

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        if x.device.type != "cpu":
            return self.run_kernel(x, state)
        kernel = self.kernel
        weights = (kernel.weight_ih_l0, kernel.weight_hh_l0, kernel.bias_ih_l0, kernel.bias_hh_l0)
        states, last = gated(x, *weights, None if state is None else state[0])
        return states, (last,)

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        r, z, _ = self._gates(self.drive(x, start), before)
        return {"reset": r, "update": 1 - z}

    def _gates(self, drive: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """r, z and U h + b′, (…, n) each."""
        n = self.hidden
        recurrent = F.linear(before, self.kernel.weight_hh_l0, self.kernel.bias_hh_l0)
        r, z = torch.sigmoid(drive[..., : 2 * n] + recurrent[..., : 2 * n]).chunk(2, dim=-1)
        return r, z, recurrent[..., 2 * n :]


class ResetBefore(KernelLayer):
    """One layer of the recitation's form."""

    def __init__(self, width: int, hidden: int, chrono: int | None = None) -> None:
        super().__init__(nn.GRU(width, hidden, batch_first=True))  # only holds the weights; it computes the other form
        initialise(self.kernel)
        if chrono is not None:
            self.kernel.bias_ih_l0.data[hidden : 2 * hidden] = -remembering(hidden, chrono)

    def drive(self, x: Tensor, start: int) -> Tensor:
        return F.linear(x, self.kernel.weight_ih_l0, self.kernel.bias_ih_l0 + self.kernel.bias_hh_l0)

    def step(self, drive: Tensor, state: State) -> State:
        (before,) = state
        n = self.hidden
        r, z = self._gates(drive, before)
        candidate = torch.tanh(torch.addmm(drive[:, 2 * n :], r * before, self.kernel.weight_hh_l0[2 * n :].t()))
        return (torch.lerp(before, candidate, z),)

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        r, z = self._gates(self.drive(x, start).flatten(0, 1), before.flatten(0, 1))
        return {"reset": r.view_as(before), "update": z.view_as(before)}

    def _gates(self, drive: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """r and z: drive (rows, 3n), before (rows, n) -> (rows, n) each."""
        n = self.hidden
        weight = self.kernel.weight_hh_l0
        r, z = torch.sigmoid(torch.addmm(drive[:, : 2 * n], before, weight[: 2 * n].t())).chunk(2, dim=-1)
        return r, z
