"""Residual blocks around recurrences without a recurrent matrix: at once, in stretches, and step by step.

    u⁰_t = W_e x_t + b_e
    y_t = LN(u_t)                       h_t = memory(y_t, h_{t−1})
    v_t = u_t + output(y_t, h_t)        u′_t = v_t + W_2 ReLU(W_1 LN(v_t) + b_1) + b_2

with the last two lines once per residual block, and a last LN: the transformer's block (`models.transformer`), with a
memory in the place of attention. What follows the last memory is computed only for the steps that are read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.base import Carried, Recurrence, States
from models.parts.layer import Layer, State
from models.parts.scan import scan


class Memory(Layer, ABC):
    """A layer inside a residual block: (batch, time, d) -> its state after each step, which `output` maps to d numbers.

    hidden: how many numbers the state holds, in one part.
    """

    timeless = True

    @abstractmethod
    def output(self, y: Tensor, states: Tensor) -> Tensor:
        """Read the state: y (…, d), the state after each of the same steps (…, hidden) -> (…, d)."""


class Linear(Memory, ABC):
    """A memory h_t = a_t ⊙ h_{t−1} + b_t, where a_t and b_t depend on y_t alone: all steps by one scan."""

    @abstractmethod
    def coefficients(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Compute a_t and b_t from y (…, d): (…, hidden) each."""

    def drive(self, x: Tensor, start: int) -> Tensor:
        return torch.cat(self.coefficients(x), dim=-1)

    def step(self, drive: Tensor, state: State) -> State:
        decay, added = drive.chunk(2, dim=-1)
        return (torch.addcmul(added, decay, state[0]),)

    def run(self, x: Tensor, state: State | None = None, start: int = 0) -> tuple[Tensor, State]:
        states = scan(*self.coefficients(x.transpose(0, 1)), None if state is None else state[0])
        return states.transpose(0, 1), (states[-1],)


class Blocks(nn.Module, Recurrence):
    """Residual blocks one upon another, as a recurrence whose state is that of the memories.

    memory: d -> Memory. width: of the inputs. hidden: d. feed_forward: size of ReLU's argument.
    """

    def __init__(
        self, memory: Callable[[int], Memory], width: int, hidden: int, feed_forward: int, blocks: int
    ) -> None:
        super().__init__()
        self.entry = linear(width, hidden)
        self.blocks = nn.ModuleList(Block(memory(hidden), hidden, feed_forward) for _ in range(blocks))
        self.norm = nn.LayerNorm(hidden)
        self.features = hidden

    @property
    def each(self) -> list[Block]:
        """The residual blocks, lowest first."""
        return [cast("Block", block) for block in self.blocks]

    # -- as a recurrence ----------------------------------------------------------------------------------------------

    @property
    def timeless(self) -> bool:
        """Whether every memory is timeless."""
        return all(block.memory.timeless for block in self.each)

    def zero_state(self, x: Tensor) -> States:
        return [block.memory.zero_state(x) for block in self.each]

    def run(self, x: Tensor, state: States | None = None, start: int = 0) -> tuple[Tensor, States]:
        u, states, after = self._parts(x, state, start)
        return self._outputs(u, states), after

    def at_once(self, x: Tensor, span: slice | None) -> Tensor:
        u, states, _ = self._parts(x, None, 0)
        read = slice(None) if span is None else span
        return self._outputs(u[read], states[read])

    def _parts(self, x: Tensor, state: States | None, start: int) -> tuple[Tensor, Tensor, States]:
        """The stream before the last block and the states of its memory, time first; and every block's last state."""
        after: States = []
        u = self._entered(x.transpose(0, 1))  # time first, as a scan reads it
        for depth, block in enumerate(self.each):
            y = block.norm_memory(u)
            outputs, last = block.memory.run(y.transpose(0, 1), None if state is None else state[depth], start)
            states = outputs.transpose(0, 1)
            after.append(last)
            if depth < len(self.blocks) - 1:
                u = block.after(u, y, states)
        return u, states, after

    def _outputs(self, u: Tensor, states: Tensor) -> Tensor:
        """The stream before the last block and the states of its memory, time first -> outputs (batch, time, d)."""
        last = self.each[-1]
        outputs: Tensor = self.norm(last.after(u, last.norm_memory(u), states))
        return outputs.transpose(0, 1)

    def _entered(self, x: Tensor) -> Tensor:
        """The entry's map. Its weight is copied, because torch then takes the gradient in a quicker order: 3 ms and
        not 20 for 80,000 rows of 2 inputs."""
        entered = torch.addmm(self.entry.bias, x.flatten(0, 1), self.entry.weight.t().contiguous())
        return entered.unflatten(0, x.shape[:2])

    def step(self, x_t: Tensor, state: States, t: int) -> States:
        after: States = []
        u = self.entry(x_t)
        for block, before in zip(self.each, state, strict=True):
            y = block.norm_memory(u)
            after.append(block.memory.step(block.memory.drive(y[:, None], t)[:, 0], before))
            u = block.after(u, y, after[-1][0])
        return after

    # -- its inside ---------------------------------------------------------------------------------------------------

    def states(self, x: Tensor, carried: Carried | None = None) -> tuple[Tensor, dict[str, list[Tensor]]]:
        """Run step by step: outputs (batch, time, d), and the states of every memory by name.

        Each state is one graph tensor (batch, hidden) per step. Names: `hidden`, with the number of the residual block
        where there are several (`hidden.0`).
        """
        series: dict[str, list[Tensor]] = {}
        start = 0 if carried is None else carried.start
        u = self.entry(x)
        for depth, block in enumerate(self.each):
            y = block.norm_memory(u)
            before = None if carried is None else carried.state[depth]
            series[f"hidden{self._number(depth)}"] = held = [s for s, *_ in block.memory.unroll(y, before, start)]
            u = block.after(u, y, torch.stack(held, dim=1))
        return self.norm(u), series

    def gates(self, x: Tensor) -> dict[str, Tensor]:
        """Return gate activations in [0, 1], (batch, time, units) by name; the block's number as in `states`."""
        gates: dict[str, Tensor] = {}
        u = self.entry(x)
        for depth, block in enumerate(self.each):
            y = block.norm_memory(u)
            states, _ = block.memory.run(y)
            before = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], dim=1)
            gates |= {name + self._number(depth): g for name, g in block.memory.gates(y, before, 0).items()}
            u = block.after(u, y, states)
        return gates

    def _number(self, depth: int) -> str:
        return f".{depth}" if len(self.blocks) > 1 else ""


class Block(nn.Module):
    """A memory and a feed-forward network, each added to the residual stream."""

    def __init__(self, memory: Memory, hidden: int, feed_forward: int) -> None:
        super().__init__()
        self.norm_memory = nn.LayerNorm(hidden)
        self.memory = memory
        self.norm_feed_forward = nn.LayerNorm(hidden)
        self.rise = linear(hidden, feed_forward)
        self.fall = linear(feed_forward, hidden)

    def after(self, u: Tensor, y: Tensor, states: Tensor) -> Tensor:
        """Return the stream after the block. u: the stream before; y: LN(u), both (…, d); states: (…, hidden)."""
        u = u + self.memory.output(y, states)
        risen = F.relu(self.rise(self.norm_feed_forward(u)))
        fallen: Tensor = self.fall(risen)
        return u + fallen


def linear(inputs: int, outputs: int, blocks: int = 1, bias: bool = True) -> nn.Linear:
    """Make a linear map of `blocks` matrices of one size stacked along the rows, each Xavier uniform; bias 0."""
    made = nn.Linear(inputs, outputs, bias=bias)
    for rows in made.weight.detach().chunk(blocks):
        nn.init.xavier_uniform_(rows)
    if bias:
        nn.init.zeros_(made.bias)
    return made


def positive(v: Tensor) -> Tensor:
    """Return g(v) = v + ½ for v ≥ 0, else σ(v) (Feng et al. 2024), as max(v, 0) + min(σ(v), ½), without a branch."""
    return F.relu(v) + torch.sigmoid(v).clamp(max=0.5)
