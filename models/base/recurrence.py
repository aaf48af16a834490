"""A state carried from step to step, and long sequences in stretches.

Long sequences run in stretches, the state carried on, so that memory holds the intermediate values of one stretch and
only the outputs of the others. Without gradients all long sequences run so. In training this is truncated
back-propagation (`--bptt K`; Williams & Peng 1990, Neural Computation 2(4)): the gradient is cut between stretches of K
steps, counted from the last step that is read. The last answer's gradient reaches K steps, an earlier one's at most as
many; credit beyond that is not learned. Each stretch is run again when its gradient is taken (Chen et al. 2016,
arXiv:1604.06174). A stretch before the first read is run once, without gradients, because none would reach it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

# Steps that run at once where no gradient is taken: few enough for small arrays; default lengths run whole.
STRETCH = 1000

States = list[tuple[Tensor, ...]]  # for each layer the parts of its state, (batch, …) each


class Carried(NamedTuple):
    """What earlier steps leave behind: `state`, and the number `start` of the step that comes next."""

    state: States
    start: int


class Recurrence(ABC):
    """A state that is carried from step to step, in one direction.

    Steps are numbered from 0, at the first step of the sequence. A stretch is told the number of its first step,
    because a layer with a clock depends on it. `run` and a loop of `step` agree, from any step on.

    stretch: training cuts the gradient every so many steps; None: never.
    """

    stretch: int | None = None

    @property
    def timeless(self) -> bool:
        """Whether a step is the same whatever its number. Default: False."""
        return False

    @abstractmethod
    def zero_state(self, x: Tensor) -> States:
        """Return the state before the first step, for inputs x (batch, time, width)."""

    @abstractmethod
    def run(self, x: Tensor, state: States | None = None, start: int = 0) -> tuple[Tensor, States]:
        """Run all steps by the quickest exact path: x (batch, time, width) -> features (batch, time, features), and the
        state after the last step.

        state: before the first step of x; None: the zero state. start: the number of the first step of x.
        """

    @abstractmethod
    def step(self, x_t: Tensor, state: States, t: int) -> States:
        """Take step number t: x_t (batch, width), the state before -> the state after."""

    def at_once(self, x: Tensor, span: slice | None) -> Tensor:
        """Return the features of x (batch, time, width) without a cut, of all steps or of those of `span` alone."""
        return self.run(x)[0]

    @final
    def after(self, x: Tensor) -> Carried:
        """Return the state after x (batch, time, width), from the zero state, without a graph and in bounded memory."""
        state, start = self.zero_state(x), 0
        with torch.no_grad():
            while start < x.size(1):
                part = x[:, start : start + STRETCH]
                state = self.run(part, state, start)[1]
                start += part.size(1)
        return Carried(state, start)

    @final
    def over(self, x: Tensor, span: slice | None = None) -> Tensor:
        """Return features (batch, …, features) of x (batch, time, width), in stretches where x is longer than one.

        span: the steps that are read, None: all. In stretches the features are those of `span` only, else as `at_once`
        gives them.
        """
        stretch = self.stretch if torch.is_grad_enabled() else STRETCH
        if stretch is None or x.size(1) <= stretch:
            return self.at_once(x, span)
        return self._in_stretches(x, slice(0, x.size(1)) if span is None else span, stretch)

    def _in_stretches(self, x: Tensor, span: slice, stretch: int) -> Tensor:
        """Features (batch, span, features) at the steps of `span`; the last stretch is whole, the first may not be."""
        first = span.stop % stretch
        sizes = [first] * (first > 0) + [stretch] * (span.stop // stretch)
        state = self.zero_state(x)
        features: list[Tensor] = []
        end = 0
        for part in x[:, : span.stop].split(sizes, dim=1):  # indexing stretches would cost O(time²) in backward
            begin, end = end, end + part.size(1)
            if end <= span.start:
                with torch.no_grad():
                    state = self.run(part, state, begin)[1]
                continue
            if torch.is_grad_enabled():
                piece, state = checkpoint(self.run, part, state, begin, use_reentrant=False)
                features.append(piece)
            else:  # into one array, because the memory of many pieces that live to the end is not reused later
                piece, state = self.run(part, state, begin)
                if not features:
                    features.append(piece.new_empty(x.size(0), span.stop - begin, piece.size(-1)))
                features[0][:, begin - span.stop :][:, : end - begin] = piece
            state = [tuple(part.detach() for part in layer) for layer in state]
        whole = features[0] if len(features) == 1 else torch.cat(features, dim=1)
        return whole[:, span.start - span.stop :]
