"""An encoder and a decoder, with the options that the field's encoder–decoders differ in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.base import Carried, Recurrence, SequenceModel, Series
from models.gru import ResetAfter
from models.lstm import MemoryCell
from models.parts.layer import Layer, check_choice, uniform
from models.parts.recurrent import Stack
from models.parts.two import Two
from models.rnn import Elman
from tasks.base import Reads, Spec

CELLS: dict[str, Callable[[int, int], Layer]] = {
    "rnn": partial(
        Elman,
        activation="tanh",
        recurrent_init=nn.init.orthogonal_,
        recurrent_scale=1.0,
        input_init=uniform,
    ),
    "gru": ResetAfter,
    "lstm": partial(MemoryCell, forget_bias=1.0),
}


class Seq2Seq(SequenceModel):
    """Encoder and decoder (Cho et al. 2014, arXiv:1406.1078; Sutskever, Vinyals & Le 2014, arXiv:1409.3215).

    With b the step of the first delimiter (`Spec.delimiter`) and f, g two cells of one kind (`cell`: equations in
    `models.rnn`, `models.gru` with `reset=after`, `models.lstm`):

        h_t = f(x_t, h_{t−1})                     t < b, the encoder; h_{−1} = 0
        c   = h_{b−1}                             its last output
        h_t = g(x_t, h_{t−1})                     t ≥ b, the decoder, `context=first`: c enters as its first state
        h_t = g([x_t; c], h_{t−1})                `context=every`: c enters at every step as well

    An lstm hands its cell on too. Inputs x_t after the delimiter are the right answers in training (teacher forcing),
    and the model's own, the likeliest at each step, where the task scores its continuation (`SequenceModel.generate`).

    shared: g is f, one set of weights; with `context=every` f reads zeros in the place of c.

    attention: over the encoder's outputs (Luong, Pham & Manning 2015, arXiv:1508.04025, dot score):

        α_ts = exp(h_t · h_s) / Σ_s′ exp(h_t · h_s′)      s, s′ < b and ≤ t
        a_t = tanh(W_c [Σ_s α_ts h_s; h_t])

    Features are h_t, with attention a_t (both n numbers), at the read positions. `pictures` shows the cell's gates, and
    α, `attention`. A sequence without a delimiter is all source. So is every sequence of a task that states none: the
    model is then the cell alone, with attention the form of `models.attention`; `context` and `shared` change nothing.

    Jacobians are of the whole state, of which c and whether the source has ended are only held: directions that neither
    grow nor shrink.

    Names: `encoder` and `decoder` in the body's one layer, each under its cell's names; W_c = combine (n, 2n), no bias.
    Body: both cells' numbers, plus 2n² with attention. Initialisation: the cells' own; W_c Xavier uniform.

    Departures: one layer each; c is the encoder's state itself, not a learned map of it; Luong's input feeding is left
    out. With attention every source step is kept, so that no state of fixed size is carried (`--bptt` is refused).

    Raises:
        ValueError: an option out of its range, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 1e-2
    body: _Body

    def __init__(
        self,
        spec: Spec,
        *,
        cell: Literal["rnn", "gru", "lstm"] = "gru",
        context: Literal["first", "every"] = "first",
        shared: bool = False,
        attention: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(spec, **common)
        check_choice("cell", cell, tuple(CELLS))
        check_choice("context", context, ("first", "every"))

        def layer(width: int, hidden: int) -> Layer:
            if spec.delimiter is None:
                return CELLS[cell](width, hidden)
            return Two(CELLS[cell], width, hidden, self.delimited, every=context == "every", shared=shared)

        self.assemble(
            lambda hidden: _Body(Stack(layer, self.width, hidden), attention), lambda body: body.layers.features
        )

    @property
    def recurrence(self) -> Recurrence | None:
        return None if self.body.combine else self.body.layers

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        outputs = self.body.layers(x, span=None if self.body.combine else reads.span)
        return self._read(x, outputs, reads)[0]

    def states(self, x: Tensor, reads: Reads, carried: Carried | None = None) -> tuple[Tensor, Series]:
        """Return features and states: `hidden`, and `cell` of an lstm, of encoder and decoder one after the other; with
        attention `context`, Σ_s α_ts h_s (batch, time, n), 0 where no answer is read."""
        outputs, series = self.body.layers.states(x, carried=carried)
        features, attended = self._read(x, outputs, reads)
        return features, series if attended is None else {**series, "context": attended}

    def pictures(self, x: Tensor, reads: Reads) -> Mapping[str, Tensor]:
        """Return the gates of either cell at its steps; `attention`: α (batch, 1, queries, time)."""
        gates = self.body.layers.gates(x)
        if not self.body.combine:
            return gates
        return {**gates, "attention": self._weights(x, self.body.layers(x), reads.span)[:, None]}

    def state_size(self, length: int) -> int:
        """Return the numbers of the layer's state; with attention n · length more."""
        return self.body.layers.state_size + (self.hidden * length if self.body.combine else 0)

    def _read(self, x: Tensor, outputs: Tensor, reads: Reads) -> tuple[Tensor, Tensor | None]:
        """h_t (batch, time, n) -> features (reads, n), and with attention Σ_s α_ts h_s (batch, time, n)."""
        combine, span = self.body.combine, reads.span
        if combine is None:
            return self.pick(outputs, reads), None
        queried = self._weights(x, outputs, span) @ outputs
        # Read back out of the padded ones, because these must be nodes of the answer's graph.
        attended = nn.functional.pad(queried, (0, 0, span.start, x.size(1) - span.stop))
        a = torch.tanh(combine(torch.cat([attended[:, span], outputs[:, span]], dim=-1)))
        return self.pick(a, reads), attended

    def _weights(self, x: Tensor, outputs: Tensor, span: slice) -> Tensor:
        """α (batch, queries, time) of the queries in `span`; 0 for an empty source."""
        steps = torch.arange(x.size(1), device=x.device)
        seen = (steps <= steps[span, None]) & self.body.source(x)[:, None]
        scores = outputs[:, span] @ outputs.transpose(1, 2)
        # The least number instead of −∞, because a query that sees nothing has no softmax.
        return scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(-1) * seen


class _Body(nn.Module):
    """Encoder and decoder as one stack, and W_c."""

    def __init__(self, layers: Stack, attention: bool) -> None:
        super().__init__()
        self.layers = layers
        self.combine = nn.Linear(2 * layers.hidden, layers.hidden, bias=False) if attention else None
        if self.combine:
            nn.init.xavier_uniform_(self.combine.weight)

    def source(self, x: Tensor) -> Tensor:
        """Tell which steps of x (batch, time, width) belong to the source: booleans (batch, time)."""
        ((layer,),) = self.layers.cells
        return ~layer.after(x) if isinstance(layer, Two) else torch.ones_like(x[..., 0], dtype=torch.bool)
