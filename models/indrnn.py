"""The independently recurrent network: each unit sees only its own previous state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.parts.blocked import Blocked
from models.parts.blocks import Memory, linear
from models.parts.kernels.independent import independent
from models.parts.layer import State
from tasks.base import Spec


class IndRNN(Blocked):
    """Independently recurrent neural network (Li et al. 2018, arXiv:1803.04831) inside `models.parts.blocks`.

        h_t = ReLU(W y_t + u ⊙ h_{t−1} + b),    h_0 = 0
        output(h_t) = W_o h_t + b_o
        |u| ≤ growth^{1/T}

    so that over T steps a unit's gradient grows `growth` times at most. y_t, norm, feed-forward and residual: equations
    in `models.parts.blocks`. There are no gates.

    Names: W, b = inputs; u = recurrent; W_o = readout. T = `steps`, or the task's (`Spec.steps`). State: d numbers per
    residual block. Body: d (width + 1) + 2d + blocks · (2d² + 7d + 2df + f + d) with f = `second_width`.

    Initialisation: u uniform between 0 and its bound; in the last residual block between growth^{−1/T} and the bound,
    because there the paper wants units that remember; every matrix Xavier uniform, biases 0. After each optimisation
    step u is cut to its bound again. Departures: residual blocks with a norm before and a feed-forward network behind,
    where the paper stacks bare layers or has residual ones of its own.

    blocks: number of residual blocks. growth: the paper's γ. steps: T of the bound; None: the task's longest sequence.

    Raises:
        ValueError: no block, growth below 1, no T, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 3e-3

    def __init__(
        self, spec: Spec, *, blocks: int = 2, growth: float = 2.0, steps: int | None = None, **common: Any
    ) -> None:
        steps = spec.steps if steps is None else steps
        if steps is None or steps < 1:
            raise ValueError(
                f"option steps: expected at least 1, got {steps}. Its bound depends on the longest sequence; this task "
                f"does not state any, so give one."
            )
        if growth < 1:
            raise ValueError(f"option growth: expected at least 1, got {growth}")
        super().__init__(spec, lambda hidden: Independent(hidden, growth ** (1 / steps)), blocks, **common)
        last = self.body.each[-1].memory
        assert isinstance(last, Independent)
        nn.init.uniform_(last.recurrent, growth ** (-1 / steps), last.bound)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the recipe's optimiser; each of its steps ends with u within its bound."""
        optimiser = super().configure_optimizers()
        optimiser.register_step_post_hook(lambda *_: self.project())
        return optimiser

    @torch.no_grad()
    def project(self) -> None:
        """Cut u of every residual block to its bound."""
        for block in self.body.each:
            assert isinstance(block.memory, Independent)
            block.memory.recurrent.clamp_(-block.memory.bound, block.memory.bound)


class Independent(Memory):
    """The memory of the equations above."""

    def __init__(self, hidden: int, bound: float) -> None:
        super().__init__(hidden)
        self.bound = bound
        self.inputs = linear(hidden, hidden)
        self.recurrent = nn.Parameter(torch.empty(hidden).uniform_(0, bound))
        self.readout = linear(hidden, hidden)

    def drive(self, x: Tensor, start: int) -> Tensor:
        driven: Tensor = self.inputs(x)
        return driven

    def step(self, drive: Tensor, state: State) -> State:
        return (torch.relu(torch.addcmul(drive, self.recurrent, state[0])),)

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        driven = self.drive(x.transpose(0, 1), start)
        states = independent(driven, self.recurrent, None if state is None else state[0])
        return states.transpose(0, 1), (states[-1],)

    def output(self, y: Tensor, states: Tensor) -> Tensor:
        projected: Tensor = self.readout(states)
        return projected
