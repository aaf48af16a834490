"""Mechanics shared by the recurrent models: initialisation, stacks of layers, both directions, the step-by-step unroll.

A model file writes one `Layer`: its equations for one step (`step`), for all steps by the quickest exact path
(`forward`; `carry_on` from a given state) and its gates. All paths read the same weights and are tested to agree,
gradients included: training takes the quick one, the gradient probe the step-by-step one, because only there every h_t
is a node of the graph.

Long sequences run in stretches, the state carried on, so that memory holds what one stretch needs for its own steps and
nothing but the outputs of the others. Without gradients that is always so. In training it is truncated back-propagation
(`--bptt K`; Williams & Peng 1990, Neural Computation 2(4)): the gradient is cut between stretches of K steps, counted
from the last step that is read. The last answer's gradient reaches K steps, an earlier one's at most as many; credit
beyond that is not learned. Each stretch is run again when its gradient is taken (Chen et al. 2016, arXiv:1604.06174),
but a stretch where nothing is read is run once, without gradients: none would reach it.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# Steps that run at once where no gradient is taken: few enough for small arrays; the default lengths run whole.
STRETCH = 1000

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

    def carry_on(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """As `forward`, but from `state`: the hidden states, and the state after the last step. A layer with a quicker
        path than step by step overrides it."""
        states = self.unroll(x, state)
        return torch.stack([hidden for hidden, *_ in states], dim=1), states[-1]

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

    def unroll(self, x: Tensor, state: State | None = None) -> list[State]:
        """The state after each step, each a node of the graph. state: before the first step, None: zero."""
        state = self.zero_state(x) if state is None else state
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
        self.stretch: int | None = None
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

    def truncate(self, steps: int) -> None:
        """From now on, training cuts the gradient every `steps` steps (see the module's docstring).

        Raises:
            ValueError: the stack runs in both directions.
        """
        if self.directions == 2:
            raise ValueError(
                f"--bptt {steps} needs a state that is carried on in one direction: leave it out, or bidirectional=true"
            )
        self.stretch = steps

    def forward(self, x: Tensor, present: Tensor | None = None, span: slice | None = None) -> Tensor:
        """x (batch, time, width) -> (batch, time, features).

        present: (batch, time), false on right padding; needed where both directions are read. Outputs on padding are
        not meant to be read. span: the steps that are read, None: all. Where the sequence runs in stretches, the
        outputs are those of `span` only.
        """
        stretch = self.stretch if torch.is_grad_enabled() else STRETCH
        if stretch is not None and self.directions == 1 and x.size(1) > stretch:
            return self._in_stretches(x, slice(0, x.size(1)) if span is None else span, stretch)
        order = _reversal(present) if present is not None and self.directions == 2 else None
        for ahead, *back in self.cells:
            outputs = [ahead(x)] + [_reorder(cell(_reorder(x, order)), order) for cell in back]
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
        return x

    def _in_stretches(self, x: Tensor, span: slice, stretch: int) -> Tensor:
        """Outputs at the steps of `span`, (batch, span, features); the last stretch is whole, the first may not be."""
        first = span.stop % stretch
        sizes = [first] * (first > 0) + [stretch] * (span.stop // stretch)
        state = self.zero_state(x)
        outputs: list[Tensor] = []
        end = 0
        for part in x[:, : span.stop].split(sizes, dim=1):  # indexing stretches would cost O(time²) in backward
            begin, end = end, end + part.size(1)
            if end <= span.start:
                with torch.no_grad():
                    state = self.carry_on(part, state)[1]
                continue
            if torch.is_grad_enabled():
                states, state = checkpoint(self.carry_on, part, state, use_reentrant=False, preserve_rng_state=False)
                outputs.append(states)
            else:  # into one array: its pieces, kept in the heap until the end, would not be reused when they are freed
                states, state = self.carry_on(part, state)
                if not outputs:
                    outputs.append(states.new_empty(x.size(0), span.stop - begin, self.features))
                outputs[0][:, begin - span.stop :][:, : end - begin] = states
            state = [tuple(each.detach() for each in layer) for layer in state]
        whole = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
        return whole[:, span.start - span.stop :]

    def carry_on(self, x: Tensor, state: Sequence[State]) -> tuple[Tensor, list[State]]:
        """From one state per layer: x (batch, time, width) -> (batch, time, features), and the states after the last
        step. For a stack in one direction."""
        after: list[State] = []
        for (cell,), before in zip(self.cells, state, strict=True):
            x, last = cell.carry_on(x, before)
            after.append(last)
        return x, after

    def carried(self, x: Tensor) -> list[State] | None:
        """The states, one per layer, that x (batch, time, width) leaves; None of a stack in both directions."""
        if self.directions == 2:
            return None
        state = self.zero_state(x)
        with torch.no_grad():
            for part in x.split(STRETCH, dim=1):
                state = self.carry_on(part, state)[1]
        return state

    def unrolled(
        self, x: Tensor, present: Tensor | None = None, state: Sequence[State] | None = None
    ) -> tuple[Tensor, dict[str, list[Tensor]]]:
        """The same outputs, step by step, and every state: name -> one graph tensor (batch, hidden) per step.

        Names: `hidden`, `cell`; with the layer's number where there are several (`hidden.0`), and `.reverse` from right
        to left. state: of each layer before the first step, of a stack in one direction; None: zero.
        """
        series: dict[str, list[Tensor]] = {}
        for depth, directions in enumerate(self.cells):
            outputs = []
            for cell, suffix in zip(directions, self._suffixes(depth), strict=False):
                reverse = present is not None and cell is not directions[0]
                before = None if state is None else state[depth]
                states = cell.unroll_reversed(x, present) if reverse and present is not None else cell.unroll(x, before)
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
