"""Stacks of recurrent layers, in one direction or in both: at once, in stretches, and step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from models.base import Carried, Recurrence, States
from models.parts.layer import Layer, State


class Stack(nn.Module, Recurrence):
    """Layers one upon another, each in one direction or in both (their outputs side by side).

    layer: (input width, hidden) -> Layer. features: the size of the last layer's output. In one direction a stack is a
    recurrence (`carries` gives it); in both it has no single step, and its state cannot be carried on.
    """

    def __init__(
        self, layer: Callable[[int, int], Layer], width: int, hidden: int, layers: int = 1, bidirectional: bool = False
    ) -> None:
        super().__init__()
        self.directions = 2 if bidirectional else 1
        self.hidden = hidden
        self.features = self.directions * hidden
        self.layers = nn.ModuleList()
        for depth in range(layers):
            inputs = width if depth == 0 else self.features
            self.layers.append(nn.ModuleList(layer(inputs, hidden) for _ in range(self.directions)))

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
        for ahead, back in self.cells:
            outputs = ahead.run(x)[0], _reorder(back.run(_reorder(x, order))[0], order)
            x = torch.cat(outputs, dim=-1)
        return x

    # -- as a recurrence, in one direction ----------------------------------------------------------------------------

    def zero_state(self, x: Tensor) -> States:
        return [directions[0].zero_state(x) for directions in self.cells]

    def run(self, x: Tensor, state: States | None = None, start: int = 0) -> tuple[Tensor, States]:
        after: States = []
        for depth, (cell,) in enumerate(self.cells):
            x, last = cell.run(x, None if state is None else state[depth], start)
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
        for (cell,), before in zip(self.cells, state, strict=True):
            # contiguous, because torch adds the bias to other inputs separately, with another rounding
            after.append(cell.step(cell.drive(x_t[:, None].contiguous(), t)[:, 0], before))
            x_t = after[-1][0]
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
            x = torch.cat(outputs, dim=-1)
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
            x = torch.cat(outputs, dim=-1)
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
