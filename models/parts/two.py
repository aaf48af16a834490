"""One recurrent layer that reads a source and another that goes on from there, as one layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.parts.layer import Layer, State

Marks = Callable[[Tensor], Tensor]  # (batch, time, width) -> booleans (batch, time)


class Two(Layer):
    """An encoder up to the first delimiter, a decoder from there on; the decoder begins with the encoder's last state.

    layer: (input width, hidden) -> Layer, one without a clock. delimited: tells where a delimiter stands. every: the
    decoder also reads the encoder's last output c, behind its input, at each step. shared: one layer does both; where
    the decoder reads c, the encoder reads zeros in its place.

    The state is the layer's, then `context` (c, zero before; only with `every`), then `begun`, 1 from the delimiter on.
    """

    def __init__(
        self,
        layer: Callable[[int, int], Layer],
        width: int,
        hidden: int,
        delimited: Marks,
        *,
        every: bool,
        shared: bool,
    ) -> None:
        super().__init__(hidden)
        wide = width + hidden * every
        self.decoder = layer(wide, hidden)
        self.encoder = self.decoder if shared else layer(width, hidden)
        self.padding = hidden * (every and shared)  # zeros that the encoder reads behind its input
        self.delimited, self.every = delimited, every
        self.shown = self.encoder.parts
        self.parts = (*self.shown, *["context"] * every, "begun")
        self.timeless = True

    def zero_state(self, x: Tensor) -> State:
        held = self.encoder.zero_state(x)
        return (*held, *[torch.zeros_like(held[0])] * self.every, x.new_zeros(x.size(0), 1))

    def drive(self, x: Tensor, start: int) -> Tensor:
        return torch.cat([x, self.delimited(x)[..., None].to(x.dtype)], dim=-1)

    def step(self, drive: Tensor, state: State) -> State:
        x, mark = drive[:, :-1], drive[:, -1:]
        held, more, begun = self._parted(state)
        more = tuple(context + mark * (1 - begun) * held[0] for context in more)
        begun = (begun + mark).clamp(max=1)
        encoded = _stepped(self.encoder, self._padded(x), held)
        decoded = _stepped(self.decoder, torch.cat([x, *more], dim=-1), held)
        return (*(torch.where(begun > 0, d, e) for d, e in zip(decoded, encoded, strict=True)), *more, begun)

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        """Run either layer once where all sequences have their delimiter at one step, else step by step."""
        held, more, begun = self._parted(self.zero_state(x) if state is None else state)
        first = self._first(x, begun)
        if first is None:
            return super().run(x, state, start)
        outputs = []
        if first:
            read, held = self.encoder.run(self._padded(x[:, :first]), held, start)
            outputs.append(read)
        if first < x.size(1):
            rest, more, begun = self._rest(x[:, first:], held, more, begun)
            said, held = self.decoder.run(rest, held, start + first)
            outputs.append(said)
        return torch.cat(outputs, dim=1), (*held, *more, begun)

    def unroll(self, x: Tensor, state: State | None = None, start: int = 0) -> list[State]:
        """As `run`. Step by step a part of the state is chosen from two layers', so that its gradient leaves out what
        it does within its own step (an lstm's cell to its output)."""
        held, more, begun = self._parted(self.zero_state(x) if state is None else state)
        first = self._first(x, begun)
        if first is None:
            return super().unroll(x, state, start)
        states = [(*s, *more, begun) for s in self.encoder.unroll(self._padded(x[:, :first]), held, start)]
        if first < x.size(1):
            held = states[-1][: len(held)] if states else held
            rest, more, begun = self._rest(x[:, first:], held, more, begun)
            states += [(*s, *more, begun) for s in self.decoder.unroll(rest, held, start + first)]
        return states

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        after = self.after(x)[..., None].to(x.dtype)
        starts = after - torch.cat([torch.zeros_like(after[:, :1]), after[:, :-1]], dim=1)
        context = [(starts * before).cumsum(1)] * self.every
        reading = self.encoder.gates(self._padded(x), before, start)
        saying = self.decoder.gates(torch.cat([x, *context], dim=-1), before, start)
        return {name: torch.where(after > 0, saying[name], gate) for name, gate in reading.items()}

    def after(self, x: Tensor) -> Tensor:
        """Tell which steps of whole sequences x (batch, time, width) are the decoder's: booleans (batch, time)."""
        return self._begun(x, x.new_zeros(x.size(0), 1))

    def _first(self, x: Tensor, begun: Tensor) -> int | None:
        """The first step that is the decoder's; None where it is not the same in all sequences."""
        after = self._begun(x, begun)
        return x.size(1) - int(after[0].sum()) if bool((after == after[:1]).all()) else None

    def _rest(self, x: Tensor, held: State, more: State, begun: Tensor) -> tuple[Tensor, State, Tensor]:
        """What the decoder reads of its steps x, and c and begun there. held: the layer's state before."""
        more = tuple(context + (1 - begun) * held[0] for context in more)
        rest = torch.cat([x, *(context[:, None].expand(-1, x.size(1), -1) for context in more)], dim=-1)
        return rest, more, torch.ones_like(begun)

    def _begun(self, x: Tensor, begun: Tensor) -> Tensor:
        """The same, for sequences of which some steps came before."""
        return ((begun > 0) | self.delimited(x)).cummax(1).values

    def _parted(self, state: State) -> tuple[State, State, Tensor]:
        """The layer's own parts; c, where there is one; begun."""
        size = len(self.shown or ())
        return state[:size], state[size:-1], state[-1]

    def _padded(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, (0, self.padding)) if self.padding else x


def _stepped(layer: Layer, x: Tensor, state: State) -> State:
    return layer.step(layer.drive(x[:, None].contiguous(), 0)[:, 0], state)
