"""Models whose body is a `Stack` of recurrent layers: they differ in their layers only."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping

from torch import Tensor

from models.base import Carried, Recurrence, SequenceModel, Series
from models.parts.recurrent import Stack
from tasks.base import Reads


class Stacked(SequenceModel, ABC):
    """A model whose features are the outputs of its body's last layer at the read positions.

    Subclasses assemble the body, and implement `state_size`.
    """

    body: Stack

    @property
    def recurrence(self) -> Recurrence | None:
        return self.body.carries

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.body(x, self.present(x), reads.span), reads)

    def states(self, x: Tensor, reads: Reads, carried: Carried | None = None) -> tuple[Tensor, Series]:
        outputs, series = self.body.states(x, self.present(x), carried)
        return self.pick(outputs, reads), series

    def pictures(self, x: Tensor, reads: Reads) -> Mapping[str, Tensor]:
        """Return the gates of every layer that has any, by name."""
        return self.body.gates(x, self.present(x))
