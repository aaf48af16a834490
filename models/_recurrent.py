"""Mechanics shared by the recurrent models: initialisation, stacks of layers, both directions, the step-by-step unroll.

A model file writes one `Layer`: its equations for one step (`step`), for all steps by the quickest exact path
(`forward`) and its gates. Both paths read the same weights and are tested to agree, gradients included: training takes
the quick one, the gradient probe the step-by-step one, because only there every h_t is a node of the graph.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Fill = Callable[[Tensor], object]  # fills a weight block in place
State = tuple[Tensor, ...]  # what a layer carries from step to step: the hidden state first; an lstm's cell second


class Layer(nn.Module, ABC):
    """One recurrent layer in one direction. Its weights live in a torch module (`kernel`), under torch's names.

    kernel: nn.RNN, nn.GRU or nn.LSTM with one layer, `batch_first` and gate blocks stacked along the rows.
    carried: names of the state's parts.
    """

    carried: ClassVar[tuple[str, ...]] = ("hidden",)
    kernel: Any

    def __init__(self, kernel: nn.RNNBase) -> None:
        super().__init__()
        self.kernel = kernel
        self.hidden: int = kernel.hidden_size

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """x (batch, time, width) -> hidden states (batch, time, hidden), by the quickest exact path."""

    @abstractmethod
    def drive(self, x: Tensor) -> Tensor:
        """What the inputs add to the gates, before any state: x (…, width) -> (…, gates · hidden)."""

    @abstractmethod
    def step(self, drive: Tensor, state: State) -> State:
        """One step: drive (batch, gates · hidden), state (batch, hidden) each -> the next state."""

    def gates(self, x: Tensor, before: Tensor) -> dict[str, Tensor]:
        """Gate activations in [0, 1] by name, each (batch, time, hidden), given the inputs and the hidden states one
        step before. A layer without gates has none."""
        return {}

    def zero_state(self, x: Tensor) -> State:
        """The state before the first step, for inputs x (batch, …)."""
        return tuple(x.new_zeros(x.size(0), self.hidden) for _ in self.carried)

    def unroll(self, x: Tensor) -> list[State]:
        """The state after each step, each a node of the graph."""
        state = self.zero_state(x)
        states: list[State] = []
        for drive in self.drive(x).unbind(1):  # indexing drive[:, t] instead would cost O(time²) in backward
            state = self.step(drive, state)
            states.append(state)
        return states

    def unroll_reversed(self, x: Tensor, present: Tensor) -> list[State]:
        """The same from right to left, in the order of the inputs; the state stays zero over right padding."""
        state = self.zero_state(x)
        states: list[State] = []
        for drive, there in zip(reversed(self.drive(x).unbind(1)), reversed(present.unbind(1)), strict=True):
            stepped = self.step(drive, state)
            state = tuple(torch.where(there[:, None], new, old) for new, old in zip(stepped, state, strict=True))
            states.append(state)
        return states[::-1]


class Stack(nn.Module):
    """Layers one upon another, each in one direction or in both (their states side by side).

    layer: (input width, hidden) -> Layer. features: the size of the last layer's output.
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

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """x (batch, time, width) -> (batch, time, features).

        present: (batch, time), false on right padding; needed where both directions are read. Outputs on padding are
        not meant to be read.
        """
        order = _reversal(present) if present is not None and self.directions == 2 else None
        for ahead, *back in self.cells:
            outputs = [ahead(x)] + [_reorder(cell(_reorder(x, order)), order) for cell in back]
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
        return x

    def unrolled(self, x: Tensor, present: Tensor | None = None) -> tuple[Tensor, dict[str, list[Tensor]]]:
        """The same outputs, step by step, and every state: name -> one graph tensor (batch, hidden) per step.

        Names: `hidden`, `cell`; with the layer's number where there are several (`hidden.0`), and `.reverse` from right
        to left.
        """
        series: dict[str, list[Tensor]] = {}
        for depth, directions in enumerate(self.cells):
            outputs = []
            for cell, suffix in zip(directions, self._suffixes(depth), strict=False):
                reverse = present is not None and cell is not directions[0]
                states = cell.unroll_reversed(x, present) if reverse and present is not None else cell.unroll(x)
                for name, values in zip(cell.carried, zip(*states, strict=True), strict=True):
                    series[name + suffix] = list(values)
                outputs.append(torch.stack([state[0] for state in states], dim=1))
            x = torch.cat(outputs, dim=-1)
        return x, series

    def zero_state(self, x: Tensor) -> list[State]:
        """The state of every layer before the first step."""
        return [directions[0].zero_state(x) for directions in self.cells]

    def step(self, x: Tensor, state: Sequence[State]) -> list[State]:
        """One step of a stack with one direction: x (batch, width), one state per layer -> the next ones (for
        Jacobians between neighbouring steps).

        Raises:
            ValueError: the stack runs in both directions.
        """
        if self.directions == 2:
            raise ValueError("a bidirectional stack has no single step: its two states move in opposite directions")
        after: list[State] = []
        for (cell,), before in zip(self.cells, state, strict=True):
            after.append(cell.step(cell.drive(x), before))
            x = after[-1][0]
        return after

    def stepper(self) -> tuple[Callable[..., list[State]], Callable[[Tensor], list[State]]] | None:
        """`step` and `zero_state`; None where both directions are read."""
        return None if self.directions == 2 else (self.step, self.zero_state)

    def gates(self, x: Tensor, present: Tensor | None = None) -> dict[str, Tensor]:
        """Gate activations (batch, time, hidden) by name; suffixes as in `unrolled`."""
        order = _reversal(present) if present is not None and self.directions == 2 else None
        gates: dict[str, Tensor] = {}
        for depth, directions in enumerate(self.cells):
            outputs = []
            for cell, suffix in zip(directions, self._suffixes(depth), strict=False):
                way = None if cell is directions[0] else order
                inputs = _reorder(x, way)
                states = cell(inputs)
                before = F.pad(states[:, :-1], (0, 0, 1, 0))
                gates |= {name + suffix: _reorder(g, way) for name, g in cell.gates(inputs, before).items()}
                outputs.append(_reorder(states, way))
            x = torch.cat(outputs, dim=-1)
        return gates

    def _suffixes(self, depth: int) -> tuple[str, str]:
        """Of the names of layer `depth`, in either direction."""
        number = f".{depth}" if len(self.layers) > 1 else ""
        return number, f"{number}.reverse"


def initialise(
    kernel: Any,
    recurrent: Fill = nn.init.orthogonal_,
    inputs: Fill = nn.init.xavier_uniform_,
) -> None:
    """Initialise a kernel gate block by gate block: `recurrent` on each (hidden, hidden) block, `inputs` on each
    (hidden, width) block, biases 0."""
    with torch.no_grad():
        for weight, fill in ((kernel.weight_hh_l0, recurrent), (kernel.weight_ih_l0, inputs)):
            for block in weight.split(kernel.hidden_size):
                fill(block)
        for bias in (kernel.bias_ih_l0, kernel.bias_hh_l0):
            nn.init.zeros_(bias)


def check_layout(layers: int, bidirectional: bool, look_ahead: bool) -> None:
    """Refuse what cannot be built.

    Raises:
        ValueError: fewer than one layer; both directions where the task forbids looking ahead.
    """
    if layers < 1:
        raise ValueError(f"option layers: expected at least 1, got {layers}")
    if bidirectional and not look_ahead:
        raise ValueError(
            "option bidirectional: expected false, got true. This task forbids reading to the right of an answer; "
            "drop the option, or choose a task that allows it."
        )


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value outside `choices`.

    Raises:
        ValueError: names the option, what was expected and got, and the nearest valid value.
    """
    if value not in choices:
        near = difflib.get_close_matches(value, choices, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"option {option}: expected one of {', '.join(choices)}, got {value!r}.{hint}")


def _reversal(present: Tensor) -> Tensor:
    """Indices (batch, time) that read each sequence from its last token to its first; on right padding any index."""
    time = torch.arange(present.size(1), device=present.device)
    return (present.sum(1, keepdim=True) - 1 - time).clamp(min=0)


def _reorder(x: Tensor, order: Tensor | None) -> Tensor:
    """x (batch, time, features) in the given order of steps; None leaves it."""
    return x if order is None else x.take_along_dim(order[:, :, None], dim=1)
