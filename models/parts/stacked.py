"""Models whose body is a `Stack` of recurrent layers: they differ in their layers only."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any, Literal

from torch import Tensor

from models.base import Carried, Recurrence, SequenceModel, Series
from models.parts.layer import Layer, check_choice
from models.parts.recurrent import Layout, Stack
from tasks.base import Reads, Spec


class Stacked(SequenceModel, ABC):
    """A model whose features are the outputs of its body's last layer at the read positions.

    layer: (input width, hidden) -> Layer. multiple: what the hidden size must be a multiple of.

    Options of every such model:
      layers: their number; each reads the outputs of the one below.
      bidirectional: a second network reads from right to left; only where the task allows looking ahead.
      residual: each layer from the second on adds its output to what it reads.
      norm: `layer` norms what each layer gives (Ba et al. 2016, arXiv:1607.06450).
      initial_state: `learned` trains the states before the first step, which start at zero.
      dropout: between layers, in training (Zaremba et al. 2014, arXiv:1409.2329).
      hierarchy: k, layer l (from 0) moves at every k^l-th step and holds still between (El Hihi & Bengio 1995).
      dilation: for each layer d, whose step reads the state d steps before in the place of the last (Chang et al. 2017,
        arXiv:1710.02224); none: 1 everywhere.

    Raises:
        ValueError: an option out of its range (see `Layout.check`), or no hidden size for the budget.
    """

    body: Stack

    def __init__(
        self,
        spec: Spec,
        layer: Callable[[int, int], Layer],
        multiple: int = 1,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        residual: bool = False,
        norm: Literal["none", "layer"] = "none",
        initial_state: Literal["zero", "learned"] = "zero",
        dropout: float = 0.0,
        hierarchy: int = 1,
        dilation: tuple[int, ...] | None = None,
        **common: Any,
    ) -> None:
        super().__init__(spec, **common)
        check_choice("norm", norm, ("none", "layer"))
        check_choice("initial_state", initial_state, ("zero", "learned"))
        learned = initial_state == "learned"
        layout = Layout(
            layers, bidirectional, residual, norm == "layer", learned, dropout, hierarchy, tuple(dilation or ())
        )
        self.notes += layout.check(spec.look_ahead)
        self.assemble(
            lambda hidden: Stack(layer, self.width, hidden, layout), lambda body: body.features, multiple=multiple
        )

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

    def state_size(self, length: int) -> int:
        """All parts of the states of every layer and direction, at every length."""
        return self.body.state_size
