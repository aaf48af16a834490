"""Layers around a layer: other delays, a slower clock, a learned beginning. Each works for any recurrent layer."""

from __future__ import annotations

from abc import ABC
from itertools import chain

import torch
from torch import Tensor, nn

from models.parts.layer import Layer, State


class Around(Layer, ABC):
    """A layer that does what its `inner` layer does; subclasses say what differs."""

    def __init__(self, inner: Layer) -> None:
        super().__init__(inner.hidden)
        self.inner = inner
        self.parts, self.shown, self.timeless = inner.parts, inner.shown, inner.timeless

    def drive(self, x: Tensor, start: int) -> Tensor:
        return self.inner.drive(x, start)

    def step(self, drive: Tensor, state: State) -> State:
        return self.inner.step(drive, state)

    def zero_state(self, x: Tensor) -> State:
        return self.inner.zero_state(x)

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        return self.inner.run(x, self.zero_state(x) if state is None else state, start)

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        return self.inner.gates(x, before, start)


class Learned(Around):
    """The state before the first step is trained; it starts at zero."""

    def __init__(self, inner: Layer, width: int) -> None:
        super().__init__(inner)
        zeros = inner.zero_state(torch.zeros(1, 1, width))
        self.initial = nn.ParameterList(nn.Parameter(part[0]) for part in zeros)

    def zero_state(self, x: Tensor) -> State:
        return tuple(part.expand(x.size(0), *part.shape) for part in self.initial)


class Dilated(Around):
    """h_t = f(x_t, h_{t−d}) in the place of f(x_t, h_{t−1}) (Chang et al. 2017, arXiv:1710.02224).

    Its state holds those of the last d steps, the newest first. Steps that are d apart see each other and no others, so
    d sequences run side by side.
    """

    def __init__(self, inner: Layer, dilation: int) -> None:
        super().__init__(inner)
        self.dilation = dilation
        older = chain.from_iterable([f"{name}.{age} before" for name in inner.parts] for age in range(1, dilation))
        self.parts = (*inner.parts, *older)
        self.shown = inner.parts if inner.shown is None else inner.shown

    def step(self, drive: Tensor, state: State) -> State:
        size = len(self.inner.parts)
        return (*self.inner.step(drive, state[-size:]), *state[:-size])

    def zero_state(self, x: Tensor) -> State:
        return self.inner.zero_state(x) * self.dilation

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        size, d = len(self.inner.parts), self.dilation
        state = self.zero_state(x) if state is None else state
        ages = [state[age : age + size] for age in range(0, size * d, size)][::-1]  # the oldest first: it is next
        rounds, rest = divmod(x.size(1), d)
        outputs = []
        for begin, steps, side in ((0, rounds, d), (rounds * d, 1, rest)):  # whole rounds, then what is left of one
            if not steps or not side:
                continue
            # (batch, steps · side, width) -> (batch · side, steps, width)
            beside = x[:, begin : begin + steps * side].unflatten(1, (steps, side)).transpose(1, 2).flatten(0, 1)
            before = tuple(torch.stack(parts, dim=1).flatten(0, 1) for parts in zip(*ages[:side], strict=True))
            states, last = self.inner.run(beside, before, start)
            outputs.append(states.unflatten(0, (-1, side)).transpose(1, 2).flatten(1, 2))
            new = zip(*(part.unflatten(0, (-1, side)).unbind(1) for part in last), strict=True)
            ages = [*ages[side:], *new]
        return torch.cat(outputs, dim=1), tuple(chain.from_iterable(ages[::-1]))

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        size = len(self.inner.parts)
        first = torch.stack(self.zero_state(x)[::size][::-1], dim=1)  # the outputs at steps −d … −1
        return self.inner.gates(x, torch.cat([first, before[:, 1:]], dim=1)[:, : x.size(1)], start)


class Ticking(Around):
    """A layer that moves at steps t with t mod period = 0, and holds still between them."""

    def __init__(self, inner: Layer, period: int) -> None:
        super().__init__(inner)
        self.period = period
        self.timeless = False

    def drive(self, x: Tensor, start: int) -> Tensor:
        return torch.cat([self.inner.drive(x, start), self._ticks(x, start)], dim=-1)

    def step(self, drive: Tensor, state: State) -> State:
        moved = self.inner.step(drive[:, :-1], state)
        return tuple(torch.where(drive[:, -1:] > 0, new, old) for new, old in zip(moved, state, strict=True))

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        state = self.zero_state(x) if state is None else state
        first = -start % self.period
        held = state[0][:, None].expand(-1, min(first, x.size(1)), -1)
        ticks = x[:, first :: self.period]
        if not ticks.size(1):
            return held, state
        states, last = self.inner.run(ticks, state, start)
        return torch.cat([held, states.repeat_interleave(self.period, dim=1)], dim=1)[:, : x.size(1)], last

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        ticks = self._ticks(x, start)
        return {name: values * ticks for name, values in self.inner.gates(x, before, start).items()}

    def _ticks(self, x: Tensor, start: int) -> Tensor:
        """1 at the steps of x (batch, time, width) at which the layer moves, else 0: (batch, time, 1)."""
        steps = torch.arange(start, start + x.size(1), device=x.device)
        return (steps % self.period == 0).to(x.dtype)[None, :, None].expand(x.size(0), -1, -1)
