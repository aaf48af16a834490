"""Attention over the states of a recurrent encoder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from models.base import Carried, SequenceModel, Series
from models.lstm import MemoryCell
from models.parts.attention import causal_attention, causal_weights
from models.parts.recurrent import Layout, Stack
from tasks.base import Reads, Spec


class Attention(SequenceModel):
    """Global dot-product attention over an LSTM encoder (Luong, Pham & Manning 2015, arXiv:1508.04025, equations 5, 7
    and 8 and the dot score; the DSE 220 lecture), made causal.

        h̄_s = LSTM(x_1 … x_s)                                 encoder, equations in `models.lstm`
        α_ts = exp(h_t · h̄_s) / Σ_{s′ ≤ t} exp(h_t · h̄_s′)     weights over s ≤ t
        c_t = Σ_{s ≤ t} α_ts h̄_s                              context vector
        a_t = tanh(W_c [c_t; h_t])                            attention vector

    Features are the attention vectors a_t at the read positions; no query is computed outside the run of steps that
    holds them. `pictures` shows α, `attention`, and the gates of the encoder.

    Names: W_c = combine (m, 2n), no bias; n = hidden, m = `second_width`, the size of a_t. Body: the encoder's
    4n (width + n + 2) and 2nm. With a parameter budget, n is the largest size that fits it with m = n, then m brings
    the body nearest to it; with a given hidden size m = n.

    Initialisation: the encoder's as in `models.lstm`; W_c Xavier uniform.

    Departures: there is no decoder, so the query h_t is the encoder's own state h̄_t, and a step sees itself and the
    past only; no input feeding (a_t does not enter the recurrence).

    layers, forget_bias: of the encoder.

    Raises:
        ValueError: an option out of its range, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 1e-2
    body: _Body

    def __init__(self, spec: Spec, *, layers: int = 1, forget_bias: float = 1.0, **common: Any) -> None:
        super().__init__(spec, **common)
        layout = Layout(layers)
        layout.check(spec.look_ahead)
        layer = partial(MemoryCell, forget_bias=forget_bias)
        self.assemble_two(
            lambda hidden, second: _Body(Stack(layer, self.width, hidden, layout), second),
            lambda body: body.combine.out_features,
            usual=lambda hidden: hidden,
        )

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        states, span = self.body.encoder(x), reads.span
        return self.pick(self._attended(self._context(states, span), states[:, span]), reads)

    def states(self, x: Tensor, reads: Reads, carried: Carried | None = None) -> tuple[Tensor, Series]:
        """Return features and states: `hidden`, `cell` of the encoder; `context`, c_t (batch, time, n), 0 unqueried."""
        states, series = self.body.encoder.states(x)
        span = reads.span
        queried = self._context(states, span)
        # Read back out of the padded contexts, because these must be nodes of the answer's graph.
        context = nn.functional.pad(queried, (0, 0, span.start, x.size(1) - span.stop))
        attended = self._attended(context[:, span], states[:, span])
        return self.pick(attended, reads), {**series, "context": context}

    def pictures(self, x: Tensor, reads: Reads) -> Mapping[str, Tensor]:
        """Return the encoder's gates, and `attention`: α (batch, 1, queries, time), 0 where s > t."""
        states, span = self.body.encoder(x), reads.span
        weights = causal_weights(states[:, span], states[:, : span.stop], scale=1.0)
        seen = nn.functional.pad(weights, (0, states.size(1) - span.stop))
        return {**self.body.encoder.gates(x), "attention": seen[:, None]}

    def state_size(self, length: int) -> int:
        """Return n · length (every h̄_s of the top layer is kept) plus 2n (h and c) per layer."""
        return self.hidden * length + 2 * self.hidden * len(self.body.encoder.layers)

    def _context(self, states: Tensor, span: slice) -> Tensor:
        """states (batch, time, n) -> c_t (batch, queries, n) for the steps in `span`."""
        queries, seen = states[:, span], states[:, None, : span.stop]  # one head
        return causal_attention(queries[:, None], seen, seen, scale=1.0).squeeze(1)

    def _attended(self, context: Tensor, queries: Tensor) -> Tensor:
        """c_t and h_t (batch, queries, n) -> a_t (batch, queries, m)."""
        return torch.tanh(self.body.combine(torch.cat([context, queries], dim=-1)))


class _Body(nn.Module):
    """The encoder and W_c."""

    def __init__(self, encoder: Stack, size: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.combine = nn.Linear(2 * encoder.hidden, size, bias=False)
        nn.init.xavier_uniform_(self.combine.weight)
