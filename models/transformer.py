"""The transformer, the alternative to recurrence."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.base import Carried, SequenceModel, Series
from models.parts.attention import causal_attention
from tasks.base import Reads, Spec


class Transformer(SequenceModel):
    """Causal transformer, pre-norm (Vaswani et al. 2017, arXiv:1706.03762; the order of the norms: Xiong et al. 2020,
    arXiv:2002.04745; Jumadinova's lecture).

        u⁰_t = W_e x_t + b_e + p_t
        v_t = u_t + W_O concat_j head_j(LN(u))_t + b_O            u′_t = v_t + W_2 ReLU(W_1 LN(v_t) + b_1) + b_2
        head_j(y)_t = Σ_{s ≤ t} softmax_s(q_t · k_s / √(d/heads)) v_s,    q, k, v = W_{Q,K,V} y + b_{Q,K,V}
        p_{t,2i} = sin(t / 10000^{2i/d}),    p_{t,2i+1} = cos(t / 10000^{2i/d}),    t = 0, 1, …

    with the second line once per residual block, and a last LN. Features are its outputs (d each) at the read
    positions; the last block computes no query outside the run of steps that holds them.

    Names: d = hidden, W_e = entry (counted as body, since it grows with d), f = `second_width`, the size of ReLU's
    argument. Body: d (width + 1) + blocks · (4d² + 9d + 2df + f) + 2d. With a parameter budget, d is the largest
    multiple of 2 (and of `heads`) that fits it with f = 4d, then f brings the body nearest to it; with a given hidden
    size f = 4d.

    Initialisation: every matrix (W_Q, W_K and W_V each for itself) Xavier uniform, biases 0, LN gain 1.

    Departures: pre-norm with a last LN, decoder blocks without an encoder, no dropout, inputs are not scaled by √d.

    blocks: number of residual blocks. heads: number per block; must divide d.

    Raises:
        ValueError: an option out of its range, heads that do not divide the width, or no hidden size for the budget.
    """

    version = 1
    documented_learning_rate = 1e-2
    body: _Body

    def __init__(self, spec: Spec, *, blocks: int = 2, heads: int = 1, **common: Any) -> None:
        super().__init__(spec, **common)
        for option, value in (("blocks", blocks), ("heads", heads)):
            if value < 1:
                raise ValueError(f"option {option}: expected at least 1, got {value}")
        requested = common.get("hidden")
        if requested is not None and requested % heads:
            raise ValueError(
                f"option heads: expected a divisor of the width {requested}, got {heads}. Give --hidden a multiple of "
                f"{heads} (say {heads * math.ceil(requested / heads)}), or another number of heads."
            )
        self.assemble_two(
            lambda hidden, second: _Body(self.width, hidden, second, blocks, heads),
            lambda body: body.entry.out_features,
            usual=lambda hidden: 4 * hidden,
            multiple=math.lcm(2, heads),
        )

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.body(x, reads.span)[0], reads)

    def states(self, x: Tensor, reads: Reads, carried: Carried | None = None) -> tuple[Tensor, Series]:
        """Return features and states: `residual.b`, the input of block b (batch, time, d); 0 is the embedding with its
        position."""
        outputs, residuals = self.body(x, reads.span)
        return self.pick(outputs, reads), {f"residual.{b}": residual for b, residual in enumerate(residuals)}

    def state_size(self, length: int) -> int:
        """Return 2 · d · length (keys and values) per residual block."""
        return 2 * self.hidden * length * len(self.body.blocks)


class _Body(nn.Module):
    """x (batch, time, width) -> outputs (batch, queries, d) for the steps in `span`, and the inputs of the blocks."""

    def __init__(self, width: int, hidden: int, feed_forward: int, blocks: int, heads: int) -> None:
        super().__init__()
        self.entry = nn.Linear(width, hidden)
        self.blocks = nn.ModuleList(Block(hidden, feed_forward, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(hidden)
        _initialise(self.entry)

    def forward(self, x: Tensor, span: slice) -> tuple[Tensor, list[Tensor]]:
        time = x.size(1)
        u = self.entry(x)
        u = u + positions(time, u.size(-1), u.dtype, u.device)
        residuals = []
        for b, block in enumerate(self.blocks, start=1):
            residuals.append(u)
            u = block(u, span if b == len(self.blocks) else slice(0, time))
        return self.norm(u), residuals


class Block(nn.Module):
    """Attention and feed-forward, each added to the residual stream."""

    def __init__(self, hidden: int, feed_forward: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(hidden)
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, hidden)
        self.norm_feed_forward = nn.LayerNorm(hidden)
        self.rise = nn.Linear(hidden, feed_forward)
        self.fall = nn.Linear(feed_forward, hidden)
        for linear in (self.query, self.key, self.value, self.output, self.rise, self.fall):
            _initialise(linear)

    def forward(self, u: Tensor, span: slice) -> Tensor:
        """u (batch, time, d) -> the block's output at the steps in `span` (batch, queries, d)."""
        y = self.norm_attention(u)
        seen = y[:, : span.stop]
        q, k, v = (
            linear(z).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (batch, heads, time, d / heads)
            for linear, z in ((self.query, y[:, span]), (self.key, seen), (self.value, seen))
        )
        mixed = causal_attention(q, k, v, scale=q.size(-1) ** -0.5).transpose(1, 2).flatten(2)
        u = u[:, span] + self.output(mixed)
        risen = F.relu(self.rise(self.norm_feed_forward(u)))
        fallen: Tensor = self.fall(risen)
        return u + fallen


@lru_cache(maxsize=16)
def positions(time: int, hidden: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return sinusoidal positions (time, hidden) (Vaswani et al. 2017, section 3.5)."""
    with torch.inference_mode(False):  # the table outlives the evaluation that may have asked for it first
        step = torch.arange(time, dtype=torch.float64)[:, None]
        even = torch.arange(0, hidden, 2, dtype=torch.float64)
        angle = step / 10_000 ** (even / hidden)
        table = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :hidden]
        return table.to(device=device, dtype=dtype)


def _initialise(linear: nn.Linear) -> None:
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
