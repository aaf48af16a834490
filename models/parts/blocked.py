"""Models whose body is `Blocks` around a memory: they differ in their memories only."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from models.base import Carried, Recurrence, SequenceModel, Series
from models.parts.blocks import Blocks, Memory
from tasks.base import Reads, Spec


class Blocked(SequenceModel, ABC):
    """A model whose features are the outputs of its last residual block (d each) at the read positions.

    memory: d -> Memory. blocks: number of residual blocks. multiple: d must be a multiple of it. With a parameter
    budget, d is the largest size that fits it with a feed-forward network of 2d, then the size of that network brings
    the body nearest to it (`second_width`); with a given hidden size it is 2d.

    Raises:
        ValueError: no block, a hidden size that is no multiple, or none for the budget.
    """

    body: Blocks

    def __init__(
        self, spec: Spec, memory: Callable[[int], Memory], blocks: int, multiple: int = 1, **common: Any
    ) -> None:
        super().__init__(spec, **common)
        if blocks < 1:
            raise ValueError(f"option blocks: expected at least 1, got {blocks}")
        self.check_hidden(multiple)
        self.assemble_two(
            lambda hidden, second: Blocks(memory, self.width, hidden, second, blocks),
            lambda body: body.features,
            usual=lambda hidden: 2 * hidden,
            multiple=multiple,
        )

    @property
    def recurrence(self) -> Recurrence | None:
        return self.body

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.body.over(x, reads.span), reads)

    def states(self, x: Tensor, reads: Reads, carried: Carried | None = None) -> tuple[Tensor, Series]:
        outputs, series = self.body.states(x, carried)
        return self.pick(outputs, reads), series

    def pictures(self, x: Tensor, reads: Reads) -> Mapping[str, Tensor]:
        """Return the gates of every residual block that has any, by name."""
        return self.body.gates(x)

    def state_size(self, length: int) -> int:
        """Return the size of every memory's state together, at every length."""
        return sum(block.memory.hidden for block in self.body.each)
