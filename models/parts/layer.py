"""One recurrent layer: its step, and all its steps.

A model file writes one `Layer`: its equations for one step (`drive`, `step`), a quicker exact path over all steps where
there is one (`run`), and its gates. All paths read the same weights, and tests show that they agree, gradients
included. Training takes the quick path; the gradient probe goes step by step, because only there every h_t is a node of
the graph. Steps are numbered from 0; every path is told the number of its first step, `start`.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

Fill = Callable[[Tensor], object]  # fills a weight matrix in place
State = tuple[Tensor, ...]  # what a layer carries from step to step: its output first, then an lstm's cell


class Layer(nn.Module, ABC):
    """One recurrent layer in one direction.

    hidden: the size of its output. parts: names of the state's parts, the output first. shown: names of the parts whose
    gradients are probed; None: all. timeless: whether `drive` gives the same whatever the number of a step.
    """

    parts: tuple[str, ...] = ("hidden",)
    shown: tuple[str, ...] | None = None
    timeless: bool = False

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden

    @abstractmethod
    def drive(self, x: Tensor, start: int) -> Tensor:
        """Compute what each step adds without its state: x (batch, time, width) -> (batch, time, …).

        start: the number of the first step of x. Whatever depends on a step's number is worked out here.
        """

    @abstractmethod
    def step(self, drive: Tensor, state: State) -> State:
        """Take one step: drive (batch, …), the state before -> the state after."""

    def zero_state(self, x: Tensor) -> State:
        """Return the state before the first step, for inputs x (batch, …): (batch, hidden) for each part."""
        return tuple(x.new_zeros(x.size(0), self.hidden) for _ in self.parts)

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        """Run all steps: x (batch, time, width) -> outputs (batch, time, hidden), and the state after the last step.

        state: before the first step of x; None: zero. start: the number of the first step of x. This is the loop of
        `step`; a layer with a kernel or a scan overrides it.
        """
        states = self.unroll(x, state, start)
        return torch.stack([output for output, *_ in states], dim=1), states[-1]

    def unroll(self, x: Tensor, state: State | None = None, start: int = 0) -> list[State]:
        """Return the state after each step, each a node of the graph; arguments as in `run`."""
        state = self.zero_state(x) if state is None else state
        states: list[State] = []
        for drive in self.drive(x, start).unbind(1):  # indexing drive[:, t] instead would cost O(time²) in backward
            state = self.step(drive, state)
            states.append(state)
        return states

    def gates(self, x: Tensor, before: Tensor, start: int) -> dict[str, Tensor]:
        """Return gate activations in [0, 1] by name, each (batch, time, units). A layer without gates has none.

        x: (batch, time, width). before: the outputs one step before each, (batch, time, hidden). start: as in `run`.
        """
        return {}


class KernelLayer(Layer, ABC):
    """A layer whose weights live in a torch module (`kernel`), under torch's names.

    kernel: nn.RNN, nn.GRU or nn.LSTM with one layer, `batch_first`, its gates' weights stacked along the rows. A
    layer whose equations are the kernel's own runs by `run_kernel`.
    """

    timeless = True
    kernel: Any

    def __init__(self, kernel: nn.RNNBase) -> None:
        super().__init__(kernel.hidden_size)
        self.kernel = kernel

    def run_kernel(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Run all steps by torch's kernel, for equations without a clock; arguments as in `run`."""
        single = len(self.parts) == 1  # torch's rnn and gru take and give one tensor, its lstm a pair
        before = None if state is None else tuple(part[None] for part in state)
        outputs, last = self.kernel(x, before[0] if before is not None and single else before)
        return outputs, tuple(part[0] for part in ((last,) if single else last))


def initialise(
    kernel: Any,
    recurrent: Fill = nn.init.orthogonal_,
    inputs: Fill = nn.init.xavier_uniform_,
) -> None:
    """Initialise a kernel gate by gate: `recurrent` fills each gate's matrix (hidden, hidden), `inputs` each gate's
    matrix (hidden, width); biases 0."""
    with torch.no_grad():
        for weight, fill in ((kernel.weight_hh_l0, recurrent), (kernel.weight_ih_l0, inputs)):
            for gate in weight.split(kernel.hidden_size):
                fill(gate)
        for bias in (kernel.bias_ih_l0, kernel.bias_hh_l0):
            nn.init.zeros_(bias)


def uniform(weight: Tensor) -> None:
    """Fill a weight (rows, columns) from ±1/√rows, as torch does where there are as many rows as units."""
    nn.init.uniform_(weight, -(weight.size(0) ** -0.5), weight.size(0) ** -0.5)


def remembering(hidden: int, longest: int) -> Tensor:
    """Draw the biases (hidden,) of gates that keep a state for 1 to `longest` steps: log U[1, longest − 1] (Tallec &
    Ollivier 2018, arXiv:1804.11188, equation 16)."""
    return torch.empty(hidden).uniform_(1, longest - 1).log_()


def check_chrono(longest: int | None) -> None:
    """Refuse a longest memory from which no bias can be drawn.

    Raises:
        ValueError: it is below 2.
    """
    if longest is not None and longest < 2:
        raise ValueError(f"option chrono: expected at least 2, the most steps to remember, got {longest}")


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value outside `choices`.

    Raises:
        ValueError: names the option, what was expected and got, and the nearest valid value.
    """
    if value not in choices:
        near = difflib.get_close_matches(value, choices, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"option {option}: expected one of {', '.join(choices)}, got {value!r}.{hint}")
