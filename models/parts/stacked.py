"""Models whose body is a `Stack` of recurrent layers: they differ in their layers only."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.base import SequenceModel
from models.parts.recurrent import Stack
from tasks.base import Reads


class Stacked(SequenceModel, ABC):
    """A model whose features are the states of its body's last layer at the read positions.

    Subclasses assemble the body and give `state_size`, and `gates` where they have any.
    """

    body: Stack

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.body(x, self.present(x), reads.span), reads)

    def unrolled(self, x: Tensor, reads: Reads) -> tuple[Tensor, Mapping[str, list[Tensor] | Tensor]]:
        return self.unrolled_from(None, x, reads)

    def unrolled_from(self, state: Any, x: Tensor, reads: Reads) -> tuple[Tensor, Mapping[str, list[Tensor] | Tensor]]:
        states, series = self.body.unrolled(x, self.present(x), state)
        return self.pick(states, reads), series

    def carried(self, x: Tensor) -> Any:
        return self.body.carried(x)

    def truncate(self, steps: int) -> None:
        self.body.truncate(steps)

    def stepper(self) -> Any:
        return self.body.stepper()
