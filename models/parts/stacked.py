"""Models whose body is a `Stack` of recurrent layers: they differ in their layers only."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.base import SequenceModel
from models.parts.recurrent import Stack


class Stacked(SequenceModel, ABC):
    """A model whose features are the states of its body's last layer at the read positions.

    Subclasses assemble the body and give `state_size`, and `gates` where they have any.
    """

    body: Stack

    def encode(self, x: Tensor, read: Tensor) -> Tensor:
        return self.pick(self.body(x, self.present(x), self.span(read)), read)

    def unrolled(self, x: Tensor, read: Tensor) -> tuple[Tensor, Mapping[str, list[Tensor] | Tensor]]:
        return self.unrolled_from(None, x, read)

    def unrolled_from(self, state: Any, x: Tensor, read: Tensor) -> tuple[Tensor, Mapping[str, list[Tensor] | Tensor]]:
        states, series = self.body.unrolled(x, self.present(x), state)
        return self.pick(states, read), series

    def carried(self, x: Tensor) -> Any:
        return self.body.carried(x)

    def truncate(self, steps: int) -> None:
        self.body.truncate(steps)

    def stepper(self) -> Any:
        return self.body.stepper()
