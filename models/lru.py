"""The linear recurrent unit: no activation, complex eigenvalues inside the unit circle."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from models.parts.blocked import Blocked
from models.parts.blocks import Memory
from models.parts.layer import State
from models.parts.scan import scan
from tasks.base import Spec


class LRU(Blocked):
    """Linear recurrent unit (Orvieto et al. 2023, arXiv:2303.06349) inside `models.parts.blocks`; "no activation" in
    Milosavljević's lecture.

        h_t = λ ⊙ h_{t−1} + γ ⊙ (B y_t),    h_0 = 0,    λ = exp(−e^ν + i e^θ),    γ = e^{ln γ}
        output(y_t, h_t) = Re(C h_t) + D ⊙ y_t

    h, λ, B and C are complex; |λ| < 1 whatever ν is. y_t, norm, feed-forward and residual: equations in
    `models.parts.blocks`. There are no gates.

    Names: complex numbers are pairs of reals, side by side: h is (Re h_1, Im h_1, Re h_2, …), 2d numbers per residual
    block; rows of `inputs` (2d, d) are Re B_1, Im B_1, …; columns of `readout` (d, 2d) are Re C_1, −Im C_1, …; D =
    skip. Body: d (width + 1) + 2d + blocks · (4d² + 8d + 2df + f + d) with f = `second_width`.

    Initialisation: |λ| uniform on the ring between `smallest` and `largest`, by area; its phase uniform in
    [0, `phase` · π]; γ = √(1 − |λ|²), trained from there; B Normal with variance 1/(2d), C with 1/d (of each part),
    D Normal. Departures: the residual block is the transformer's, without a gated linear unit and dropout.

    blocks: number of residual blocks. smallest, largest: bounds of |λ| at the start, within [0, 1). phase: of λ's, in
    units of π.

    Raises:
        ValueError: no block, bounds out of their range, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 3e-3

    def __init__(
        self,
        spec: Spec,
        *,
        blocks: int = 2,
        smallest: float = 0.0,
        largest: float = 0.99,
        phase: float = 2.0,
        **common: Any,
    ) -> None:
        if not 0 <= smallest <= largest < 1:
            raise ValueError(
                f"options smallest and largest: expected 0 <= smallest <= largest < 1, got {smallest} and {largest}"
            )
        if not 0 < phase <= 2:
            raise ValueError(f"option phase: expected above 0 and at most 2 (the whole circle), got {phase}")
        super().__init__(spec, lambda hidden: Rotating(hidden, smallest, largest, phase), blocks, **common)


class Rotating(Memory):
    """The memory of the equations above."""

    def __init__(self, units: int, smallest: float, largest: float, phase: float) -> None:
        super().__init__(2 * units)
        ring = smallest**2 + (largest**2 - smallest**2) * torch.rand(units)
        # |λ|² no nearer to 1 than float32 resolves, and not 0, where ν would be infinite
        size = ring.clamp(1e-12, 1 - 1e-6)
        self.nu = nn.Parameter((-0.5 * size.log()).log())
        self.theta = nn.Parameter((phase * math.pi * (1 - torch.rand(units))).log())
        self.gamma_log = nn.Parameter((1 - size).sqrt().log())
        self.inputs = nn.Linear(units, 2 * units, bias=False)
        self.readout = nn.Linear(2 * units, units, bias=False)
        self.skip = nn.Parameter(torch.randn(units))
        nn.init.normal_(self.inputs.weight, std=(2 * units) ** -0.5)
        nn.init.normal_(self.readout.weight, std=units**-0.5)

    def eigenvalues(self) -> tuple[Tensor, Tensor]:
        """Return Re λ and Im λ, (d,) each."""
        size, angle = torch.exp(-self.nu.exp()), self.theta.exp()
        return size * angle.cos(), size * angle.sin()

    def drive(self, x: Tensor, start: int) -> Tensor:
        driven: Tensor = self.inputs(x) * self.gamma_log.exp().repeat_interleave(2)
        return driven

    def step(self, drive: Tensor, state: State) -> State:
        real, imaginary = self.eigenvalues()
        re, im = state[0].unflatten(-1, (-1, 2)).unbind(-1)
        turned = torch.stack([real * re - imaginary * im, imaginary * re + real * im], dim=-1)
        return (turned.flatten(-2) + drive,)

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        initial = None if state is None else _complex(state[0])
        states = scan(torch.complex(*self.eigenvalues()), _complex(self.drive(x.transpose(0, 1), start)), initial)
        real = torch.view_as_real(states).flatten(-2)
        return real.transpose(0, 1), (real[-1],)

    def output(self, y: Tensor, states: Tensor) -> Tensor:
        projected: Tensor = self.readout(states) + self.skip * y
        return projected


def _complex(pairs: Tensor) -> Tensor:
    """(…, 2n) reals -> (…, n) complex numbers."""
    return torch.view_as_complex(pairs.unflatten(-1, (-1, 2)).contiguous())
