"""An Elman layer with the changes that the field made in it to remember for longer, each of which is its own option.

    r_{t−1} = h_{t−1}, or with feedback V_o h_{t−1}
    v_t = φ(W x_t + U r_{t−1} + V h_{t−d} + b)                  V: with skip d only
    h_t = keep · h_{t−1} + move · v_t,    h_t = 0 for t < 0     keep, move: s, 1 with carry s; 1 − a, a with leak a

With periods, module i takes h_t at the steps t with t mod P_i = 0 and keeps h_{t−1} at the others, and its rows of U
hold zeros where a module with a smaller period would be read.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal as kept_orthogonal

from models.parts.kernels.elman import ACTIVATIONS
from models.parts.layer import Fill, Layer, State


@dataclass(frozen=True)
class Changes:
    """What is changed. carry, leak, skip, periods: s, a, d, P. feedback: the size of V_o h; None: h itself. orthogonal:
    U over its scale is kept orthogonal."""

    carry: float = 0.0
    leak: float = 1.0
    skip: int | None = None
    feedback: int | None = None
    periods: tuple[int, ...] | None = None
    orthogonal: bool = False

    def check(self, recurrent_init: str, longest: int | None) -> None:
        """Refuse what cannot be built. recurrent_init: its name. longest: steps of the longest sequence, where known.

        Raises:
            ValueError: a number out of its range, or two changes that contradict each other.
        """
        if not 0 < self.leak <= 1:
            raise ValueError(f"option leak: expected above 0 and at most 1, got {self.leak:g}")
        if self.skip is not None and not 2 <= self.skip < (longest or self.skip + 1):
            below = f" and below the {longest} steps of the longest sequence" if longest else ""
            raise ValueError(f"option skip: expected at least 2{below}, got {self.skip}")
        if self.periods is not None and (min(self.periods) < 1 or len(set(self.periods)) < len(self.periods)):
            shown = "+".join(map(str, self.periods))
            raise ValueError(f"option periods: expected different numbers from 1 on, got {shown}")
        carry, leak, feedback, periods = self.carry != 0, self.leak < 1, self.feedback is not None, bool(self.periods)
        for both, one, other, reason in (
            (carry and leak, "carry", "leak", "both set the share of h_{t−1} that is kept"),
            (periods and feedback, "periods", "feedback", "the fed-back output would join the modules"),
            (periods and self.orthogonal, "periods", "recurrent_weights", "a matrix with zeros is not orthogonal"),
            (feedback and self.orthogonal, "feedback", "recurrent_weights", "U is not square"),
            (feedback and recurrent_init == "identity", "feedback", "recurrent_init", "U is not square"),
            (self.orthogonal and recurrent_init != "orthogonal", "recurrent_weights", "recurrent_init", "U starts so"),
        ):
            if both:
                raise ValueError(f"option {one}: it cannot go with {other} as given: {reason}. Drop one of them.")


class Changed(Layer):
    """One layer of the equations above, step by step.

    activation: name of φ. recurrent_init, recurrent_scale: of U and V.
    """

    period: Tensor
    slower: Tensor

    def __init__(
        self,
        width: int,
        hidden: int,
        activation: str,
        recurrent_init: Fill,
        recurrent_scale: float,
        input_init: Fill,
        changes: Changes,
    ) -> None:
        super().__init__(hidden)
        self.activation, self.scale = activation, recurrent_scale
        self.keep, self.move = changes.carry or 1 - changes.leak, changes.leak
        self.delay = changes.skip or 1
        self.timeless = changes.periods is None
        self.shown = ("hidden",)
        self.parts = ("hidden", *(f"hidden.{age} before" for age in range(1, self.delay)))
        self.inputs = nn.Linear(width, hidden)
        self.recurrent = nn.Linear(changes.feedback or hidden, hidden, bias=False)
        self.delayed = nn.Linear(hidden, hidden, bias=False) if changes.skip else None
        self.output = nn.Linear(hidden, changes.feedback, bias=False) if changes.feedback else None
        with torch.no_grad():
            input_init(self.inputs.weight)
            nn.init.zeros_(self.inputs.bias)
            for linear in (self.recurrent, self.delayed):
                if linear is not None:
                    recurrent_init(linear.weight)
            if self.output is not None:
                nn.init.orthogonal_(self.output.weight)
        if changes.periods is not None:
            each = torch.tensor(changes.periods).repeat_interleave(hidden // len(changes.periods))
            self.register_buffer("period", each, persistent=False)
            self.register_buffer("slower", each[None, :] >= each[:, None], persistent=False)
        if changes.orthogonal:
            kept_orthogonal(self.recurrent, orthogonal_map="matrix_exp")

    @property
    def weight(self) -> Tensor:
        """U."""
        weight: Tensor = self.scale * self.recurrent.weight
        return weight if self.timeless else weight * self.slower

    def drive(self, x: Tensor, start: int) -> Tensor:
        driven: Tensor = self.inputs(x)
        if self.timeless:
            return driven
        steps = torch.arange(start, start + x.size(1), device=x.device)
        moves = (steps[:, None] % self.period == 0).to(driven.dtype)
        return torch.cat([driven, moves.expand_as(driven)], dim=-1)

    def step(self, drive: Tensor, state: State) -> State:
        return self._step(drive, state, self.weight)

    def _step(self, drive: Tensor, state: State, weight: Tensor) -> State:
        before = state[0]
        read = before if self.output is None else self.output(before)
        summed = drive[:, : self.hidden] + F.linear(read, weight)
        if self.delayed is not None:
            summed = summed + self.scale * self.delayed(state[-1])
        after = self.move * ACTIVATIONS[self.activation].plain(summed)
        if self.keep:
            after = self.keep * before + after
        if not self.timeless:
            after = torch.where(drive[:, self.hidden :] > 0, after, before)
        return (after, *state[: self.delay - 1])

    def unroll(self, x: Tensor, state: State | None = None, start: int = 0) -> list[State]:
        state, weight = self.zero_state(x) if state is None else state, self.weight  # U once: it may be computed
        states: list[State] = []
        for drive in self.drive(x, start).unbind(1):
            state = self._step(drive, state, weight)
            states.append(state)
        return states
