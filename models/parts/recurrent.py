"""Stacks of recurrent layers, in one direction or in both: at once, in stretches, and step by step.

    u⁰_t = x_t        h^l = layer_l(u^{l−1})        u^l_t = [u^{l−1}_t +] [LN](h^l_t)

with what stands in brackets where the layout asks for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from models.base import Carried, Recurrence, States
from models.parts.around import Dilated, Learned, Ticking
from models.parts.layer import Layer, State


@dataclass(frozen=True)
class Layout:
    """How a stack is built, whatever its layers are.

    layers: their number. bidirectional: a second layer beside each reads from right to left. residual: each layer from
    the second on adds its output to what it reads. norm: outputs pass a layer norm. learned: the states before the
    first step are trained. dropout: the share of the numbers between layers that is set to 0 in training. hierarchy:
    k, layer l (from 0) moves at every k^l-th step. dilation: for each layer d, whose step reads the state d steps
    before.
    """

    layers: int = 1
    bidirectional: bool = False
    residual: bool = False
    norm: bool = False
    learned: bool = False
    dropout: float = 0.0
    hierarchy: int = 1
    dilation: tuple[int, ...] = ()

    def check(self, look_ahead: bool) -> list[str]:
        """Refuse what cannot be built; returns what is worth a warning.

        look_ahead: whether the task allows reading to the right of an answer.

        Raises:
            ValueError: an option out of its range, or one that this stack has no place for.
        """
        if self.layers < 1:
            raise ValueError(f"option layers: expected at least 1, got {self.layers}")
        if self.bidirectional and not look_ahead:
            raise ValueError(
                "option bidirectional: expected false, got true. This task forbids reading to the right of an answer; "
                "drop the option, or choose a task that allows it."
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"option dropout: expected at least 0 and below 1, got {self.dropout:g}")
        if self.hierarchy < 1:
            raise ValueError(f"option hierarchy: expected at least 1, got {self.hierarchy}")
        between = {"residual": self.residual, "dropout": self.dropout > 0, "hierarchy": self.hierarchy > 1}
        for option, asked in between.items():
            if asked and self.layers < 2:
                raise ValueError(f"option {option}: it lies between layers, and there is one. Give layers=2 or more.")
        if self.dilation and (len(self.dilation) != self.layers or min(self.dilation) < 1):
            raise ValueError(
                f"option dilation: expected one number from 1 on for each of {self.layers} layers, got "
                f"{'+'.join(map(str, self.dilation))}. Give layers={len(self.dilation)} as well, or as many numbers."
            )
        apart = math.gcd(*self.dilation) if self.dilation else 1
        return [] if apart == 1 else [f"dilation: an answer sees inputs at multiples of {apart} steps before it only"]

    def around(self, layer: Layer, depth: int, width: int) -> Layer:
        """Layer number `depth` (from 0) of inputs (…, width), with what the layout puts around it."""
        if self.dilation and self.dilation[depth] > 1:
            layer = Dilated(layer, self.dilation[depth])
        if depth and self.hierarchy > 1:
            layer = Ticking(layer, self.hierarchy**depth)
        return Learned(layer, width) if self.learned else layer


class Stack(nn.Module, Recurrence):
    """Layers one upon another, each in one direction or in both (their outputs side by side).

    layer: (input width, hidden) -> Layer. features: the size of the last layer's output. In one direction a stack is a
    recurrence (`carries` gives it); in both it has no single step, and its state cannot be carried on.
    """

    def __init__(
        self, layer: Callable[[int, int], Layer], width: int, hidden: int, layout: Layout | None = None
    ) -> None:
        super().__init__()
        layout = Layout() if layout is None else layout
        self.directions = 2 if layout.bidirectional else 1
        self.hidden = hidden
        self.features = self.directions * hidden
        self.residual = layout.residual
        self.layers = nn.ModuleList()
        for depth in range(layout.layers):
            inputs = width if depth == 0 else self.features
            made = (layout.around(layer(inputs, hidden), depth, inputs) for _ in range(self.directions))
            self.layers.append(nn.ModuleList(made))
        self.norms = nn.ModuleList(nn.LayerNorm(self.features) for _ in range(layout.layers if layout.norm else 0))
        self.dropout = nn.Dropout(layout.dropout)

    @property
    def cells(self) -> list[list[Layer]]:
        """The layers, each in its one or two directions."""
        return [[cast("Layer", cell) for cell in cast("nn.ModuleList", layer)] for layer in self.layers]

    @property
    def timeless(self) -> bool:
        """Whether every layer is timeless."""
        return all(cell.timeless for cells in self.cells for cell in cells)

    @property
    def carries(self) -> Recurrence | None:
        """The stack as a recurrence; None where it runs in both directions."""
        return self if self.directions == 1 else None

    def forward(self, x: Tensor, present: Tensor | None = None, span: slice | None = None) -> Tensor:
        """Run all layers: x (batch, time, width) -> (batch, time, features).

        present: (batch, time), false on right padding; needed where both directions are read. Outputs on padding mean
        nothing. span: the steps that are read, None: all. Where the sequence runs in stretches, the
        outputs are those of `span` only.
        """
        if self.directions == 1:
            return self.over(x, span)
        order = None if present is None else _reversal(present)
        for depth, (ahead, back) in enumerate(self.cells):
            outputs = ahead.run(x)[0], _reorder(back.run(_reorder(x, order))[0], order)
            x = self._above(depth, x, torch.cat(outputs, dim=-1))
        return x

    def _above(self, depth: int, below: Tensor, outputs: Tensor) -> Tensor:
        """u^l of layer l = depth + 1: what it reads and its outputs, (…, features) -> what the next layer reads."""
        above = cast("Tensor", self.norms[depth](outputs)) if self.norms else outputs
        if self.residual and depth:
            above = below + above
        return cast("Tensor", self.dropout(above)) if depth < len(self.layers) - 1 else above

    @property
    def state_size(self) -> int:
        """Numbers in the state of one sequence, of all layers and directions."""
        x = next(self.parameters()).new_empty(1, 1, 0)
        return sum(part.numel() for cells in self.cells for cell in cells for part in cell.zero_state(x))

    # -- as a recurrence, in one direction ----------------------------------------------------------------------------

    def zero_state(self, x: Tensor) -> States:
        return [directions[0].zero_state(x) for directions in self.cells]

    def run(self, x: Tensor, state: States | None = None, start: int = 0) -> tuple[Tensor, States]:
        after: States = []
        for depth, (cell,) in enumerate(self.cells):
            outputs, last = cell.run(x, None if state is None else state[depth], start)
            x = self._above(depth, x, outputs)
            after.append(last)
        return x, after

    def step(self, x_t: Tensor, state: States, t: int) -> States:
        """Take step number t of every layer: x_t (batch, width), the state before -> the state after.

        Raises:
            ValueError: the stack runs in both directions.
        """
        if self.directions == 2:
            raise ValueError("a bidirectional stack has no single step: its two states move in opposite directions")
        after: States = []
        for depth, ((cell,), before) in enumerate(zip(self.cells, state, strict=True)):
            # contiguous, because torch adds the bias to other inputs separately, with another rounding
            after.append(cell.step(cell.drive(x_t[:, None].contiguous(), t)[:, 0], before))
            x_t = self._above(depth, x_t, after[-1][0])
        return after

    # -- its inside ---------------------------------------------------------------------------------------------------

    def states(
        self, x: Tensor, present: Tensor | None = None, carried: Carried | None = None
    ) -> tuple[Tensor, dict[str, list[Tensor]]]:
        """Run step by step: outputs (batch, time, features), and every shown state by name.

        Each state is one graph tensor (batch, hidden) per step. Names: `hidden`, `cell`; with the layer's number where
        there are several (`hidden.0`), and `.reverse` from right to left. carried: what the steps before x left, of a
        stack in one direction; None: x begins the sequence.
        """
        series: dict[str, list[Tensor]] = {}
        for depth, directions in enumerate(self.cells):
            outputs = []
            for cell, suffix in zip(directions, self._suffixes(depth), strict=False):
                if present is not None and cell is not directions[0]:
                    states = _unroll_reversed(cell, x, present)
                elif carried is None:
                    states = cell.unroll(x)
                else:
                    states = cell.unroll(x, carried.state[depth], carried.start)
                for name, values in zip(cell.parts, zip(*states, strict=True), strict=True):
                    if cell.shown is None or name in cell.shown:
                        series[name + suffix] = list(values)
                outputs.append(torch.stack([output for output, *_ in states], dim=1))
            x = self._above(depth, x, torch.cat(outputs, dim=-1))
        return x, series

    def gates(self, x: Tensor, present: Tensor | None = None) -> dict[str, Tensor]:
        """Return gate activations in [0, 1], (batch, time, units) by name; suffixes as in `states`."""
        order = _reversal(present) if present is not None and self.directions == 2 else None
        gates: dict[str, Tensor] = {}
        for depth, directions in enumerate(self.cells):
            outputs = []
            for cell, suffix in zip(directions, self._suffixes(depth), strict=False):
                way = None if cell is directions[0] else order
                inputs = _reorder(x, way)
                states = cell.run(inputs)[0]
                before = torch.cat([cell.zero_state(inputs)[0][:, None], states[:, :-1]], dim=1)
                gates |= {name + suffix: _reorder(g, way) for name, g in cell.gates(inputs, before, 0).items()}
                outputs.append(_reorder(states, way))
            x = self._above(depth, x, torch.cat(outputs, dim=-1))
        return gates

    def _suffixes(self, depth: int) -> tuple[str, str]:
        """The suffixes of the names of layer `depth`, for either direction."""
        number = f".{depth}" if len(self.layers) > 1 else ""
        return number, f"{number}.reverse"


def _unroll_reversed(cell: Layer, x: Tensor, present: Tensor) -> list[State]:
    """`unroll` from right to left, in the order of the inputs: step number 0 is a sequence's last token, and the state
    stays zero over right padding."""
    order = _reversal(present)
    drives = _reorder(cell.drive(_reorder(x, order), 0), order).unbind(1)
    state = cell.zero_state(x)
    states: list[State] = []
    for drive, there in zip(reversed(drives), reversed(present.unbind(1)), strict=True):
        stepped = cell.step(drive, state)
        state = tuple(_where(there, new, old) for new, old in zip(stepped, state, strict=True))
        states.append(state)
    return states[::-1]


def _where(there: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`new` in the sequences where `there` (batch,) is true, `old` in the others: (batch, …)."""
    return torch.where(there.view(-1, *[1] * (new.dim() - 1)), new, old)


def _reversal(present: Tensor) -> Tensor:
    """Indices (batch, time) that read each sequence from its last token to its first; on right padding any index."""
    time = torch.arange(present.size(1), device=present.device)
    return (present.sum(1, keepdim=True) - 1 - time).clamp(min=0)


def _reorder(x: Tensor, order: Tensor | None) -> Tensor:
    """x (batch, time, features) in the given order of steps; None leaves it."""
    return x if order is None else x.take_along_dim(order[:, :, None], dim=1)
