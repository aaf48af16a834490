"""The temporal convolutional network, the alternative without a state."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.base import Carried, SequenceModel, Series
from tasks.base import Reads, Spec


class TCN(SequenceModel):
    """Temporal convolutional network (Bai, Kolter & Koltun 2018, arXiv:1803.01271): levels of two dilated causal
    convolutions, each level added to what it reads.

        (conv_d u)_t = b + Σ_{i<k} w_i u_{t−id},    w = g v / ‖v‖ for each output channel
        u′ = ReLU(R u + ReLU(conv_d(ReLU(conv_d(u)))))    at level l = 0, 1, … with dilation d = 2^l,    u⁰ = x

    R is the identity, and at level 0 a linear map. Weight norm: Salimans & Kingma 2016, arXiv:1602.07868. Features are
    the last level's outputs (n each) at the read positions. An answer depends on the last 1 + 2 (k − 1) (2^levels − 1)
    steps and on nothing else. There is no state: no Jacobian, and `--bptt` refuses it. There are no gates.

    Names: n = hidden, m = `second_width`, the channels between the two convolutions of the last level (n at the
    others), R = match. Body: of each convolution of i to o channels iok + 2o, and n (width + 1) for R. With a parameter
    budget, n is the largest size that fits it with m = n, then m brings the body nearest to it.

    Initialisation: v uniform in ±1/√(channels · k), g = ‖v‖, R Xavier uniform, biases 0. Departures: no dropout.

    kernel: k. levels: their number; None: the least that see the task's longest sequence (`Spec.steps`).

    Raises:
        ValueError: a kernel below 2, no number of levels given or known, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 3e-3
    body: _Body

    def __init__(self, spec: Spec, *, kernel: int = 7, levels: int | None = None, **common: Any) -> None:
        super().__init__(spec, **common)
        if kernel < 2:
            raise ValueError(f"option kernel: expected at least 2, got {kernel}")
        if levels is None and spec.steps is not None:
            levels = next(level for level in range(1, 64) if receptive_field(kernel, level) >= spec.steps)
        if levels is None or levels < 1:
            raise ValueError(
                f"option levels: expected at least 1, got {levels}. By default they cover the longest sequence; where "
                f"a task does not state it, give their number."
            )
        self.assemble_two(
            lambda hidden, second: _Body(self.width, hidden, second, kernel, levels),
            lambda body: body.channels,
            usual=lambda hidden: hidden,
        )

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.body(x)[-1], reads)

    def states(self, x: Tensor, reads: Reads, carried: Carried | None = None) -> tuple[Tensor, Series]:
        """Return features and states: `residual.l`, the output of level l (batch, time, n)."""
        outputs = self.body(x)
        return self.pick(outputs[-1], reads), {f"residual.{level}": each for level, each in enumerate(outputs)}

    def state_size(self, length: int) -> int:
        """Return how many earlier numbers a step reads: (k − 1) d inputs of every convolution, at every length."""
        return sum(conv.reach * conv.direction.size(1) for conv in self.body.modules() if isinstance(conv, Causal))


class _Body(nn.Module):
    """x (batch, time, width) -> the output of every level (batch, time, n)."""

    def __init__(self, width: int, channels: int, last: int, kernel: int, levels: int) -> None:
        super().__init__()
        self.channels = channels
        self.levels = nn.ModuleList(
            Level(
                width if level == 0 else channels, last if level == levels - 1 else channels, channels, kernel, 2**level
            )
            for level in range(levels)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        outputs: list[Tensor] = []
        for level in self.levels:
            outputs.append(level(outputs[-1] if outputs else x))
        return outputs


class Level(nn.Module):
    """Two convolutions, added to what they read: (batch, time, inputs) -> (batch, time, outputs)."""

    def __init__(self, inputs: int, between: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.first = Causal(inputs, between, kernel, dilation)
        self.second = Causal(between, outputs, kernel, dilation)
        self.match = nn.Linear(inputs, outputs) if dilation == 1 else nn.Identity()
        if isinstance(self.match, nn.Linear):
            nn.init.xavier_uniform_(self.match.weight)
            nn.init.zeros_(self.match.bias)

    def forward(self, u: Tensor) -> Tensor:
        moved = F.relu(self.second(F.relu(self.first(u.transpose(1, 2)))))
        return F.relu(self.match(u) + moved.transpose(1, 2))


class Causal(nn.Module):
    """A dilated causal convolution with weight norm: (batch, inputs, time) -> (batch, outputs, time)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.reach = (kernel - 1) * dilation
        bound = (inputs * kernel) ** -0.5
        self.direction = nn.Parameter(torch.empty(outputs, inputs, kernel).uniform_(-bound, bound))
        self.size = nn.Parameter(torch.linalg.vector_norm(self.direction.detach(), dim=(1, 2)))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, u: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(self.direction, dim=(1, 2))
        weight = (self.size / norm)[:, None, None] * self.direction
        return F.conv1d(F.pad(u, (self.reach, 0)), weight, self.bias, dilation=self.dilation)


def receptive_field(kernel: int, levels: int) -> int:
    """Return how many steps an answer depends on, the present one included."""
    return int(1 + 2 * (kernel - 1) * (2**levels - 1))
