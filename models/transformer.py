"""The transformer, the alternative to recurrence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.base import Carried, SequenceModel, Series
from models.parts.attention import Bias, causal_attention, causal_weights
from models.parts.layer import check_choice
from models.parts.positions import Farness, rotate, sinusoids
from tasks.base import Reads, Spec

BASE = 100.0
POSITIONS = ("sinusoidal+rope", "rope", "sinusoidal", "learned", "alibi", "none")


class Transformer(SequenceModel):
    """Causal transformer, pre-norm (Vaswani et al. 2017, arXiv:1706.03762; the order of the norms: Xiong et al. 2020,
    arXiv:2002.04745; Jumadinova's lecture).

        u⁰_t = W_e x_t + b_e + p_t,    p_t: sinusoids (their section 3.5)
        v_t = u_t + W_O concat_j head_j(LN(u))_t + b_O            u′_t = v_t + W_2 ReLU(W_1 LN(v_t) + b_1) + b_2
        head_j(y)_t = Σ_{s ≤ t} softmax_s(R_t q_t · R_s k_s / √(d/heads) − a_j log(1 + t − s)) v_s
        q, k, v = W_{Q,K,V} y + b_{Q,K,V},    R_t turns pair i by t / base^{2i/size},    t = 0, 1, …

    with the second line once per residual block, and a last LN. Features are its outputs (d each) at the read
    positions; the last block computes no query outside the run of steps that holds them. `pictures` shows every
    softmax: `attention.block0`, … of the blocks, and each head's.

    Names: d = hidden, W_e = entry (counted as body, since it grows with d), f = `second_width`, the size of ReLU's
    argument. Body: d (width + 1) + blocks · (4d² + 9d + 2df + f + heads) + 2d. With a parameter budget, d is the
    largest multiple of 2 · `heads` that fits it with f = 4d, then f brings the body nearest to it; with a given hidden
    size f = 4d.

    Initialisation: every matrix (W_Q, W_K and W_V each for itself) Xavier uniform, biases 0, LN gain 1.

    Departures: pre-norm with a last LN, decoder blocks without an encoder, no dropout, inputs are not scaled by √d.

    Positions and distances: attention starts uniform, so that at first the last steps carry 1/T of the signal. A bias
    that grows with distance (Chi et al. 2022) lets the first block find them at once, where a_j starts at 1; it starts
    at 0 in those behind, which look anywhere, by the distance (turned queries and keys, Su et al. 2021) or by the place
    (sinusoids). Equations of all three and of what stands in their place: `models.parts.positions`.

    blocks: number of residual blocks. heads: number per block; must divide d. positions: `sinusoidal+rope`, p_t and
    R_t; `rope`, R_t alone; `sinusoidal`, p_t alone; `learned`, a trained p_t (no part of the body), for sequences as
    long as the task's longest; `alibi`, a bias −m_j (t − s); `none`, and the mask alone tells order. base: of R_t.
    slope: m of `alibi`; none: trained for each head, from .3. distance: `log` is the term with a_j, which is trained;
    `none` leaves it out.

    Raises:
        ValueError: an option out of its range, heads that do not divide the width, or no hidden size for the budget.
    """

    version = 3
    documented_learning_rate = 1e-2
    body: _Body
    places: nn.Parameter | None

    def __init__(
        self,
        spec: Spec,
        *,
        blocks: int = 2,
        heads: int = 1,
        positions: Literal["sinusoidal+rope", "rope", "sinusoidal", "learned", "alibi", "none"] = "sinusoidal+rope",
        base: float = 100.0,
        slope: float | None = None,
        distance: Literal["log", "none"] = "log",
        **common: Any,
    ) -> None:
        super().__init__(spec, **common)
        for option, value in (("blocks", blocks), ("heads", heads)):
            if value < 1:
                raise ValueError(f"option {option}: expected at least 1, got {value}")
        check_choice("positions", positions, POSITIONS)
        check_choice("distance", distance, ("log", "none"))
        rope = "rope" in positions
        if base <= 1 or (base != BASE and not rope):
            raise ValueError(f"option base: expected above 1, beside rotations, got {base:g}")
        if slope is not None and (slope < 0 or positions != "alibi"):
            raise ValueError(f"option slope: expected at least 0, beside positions=alibi, got {slope:g}")
        if positions == "learned" and spec.steps is None:
            raise ValueError(
                "option positions: learned ones need the longest sequence, and this task does not state any. Choose "
                "another scheme."
            )
        multiple = 2 * heads if rope else heads
        requested = common.get("hidden")
        if requested is not None and requested % multiple:
            pairs = " by two, because rope turns pairs of numbers" if rope else ""
            raise ValueError(
                f"option heads: expected a divisor of the width {requested}{pairs}, got {heads}. Give --hidden a "
                f"multiple of {multiple} (say {multiple * math.ceil(requested / multiple)}), or another number of "
                f"heads."
            )
        makers = [
            partial(
                Block,
                heads=heads,
                base=base if rope else None,
                far=partial(Farness, heads, float(b == 0) if distance == "log" else None, positions == "alibi", slope),
            )
            for b in range(blocks)
        ]
        self.assemble_two(
            lambda hidden, second: _Body(self.width, hidden, [partial(make, hidden, second) for make in makers]),
            lambda body: body.entry.out_features,
            usual=lambda hidden: 4 * hidden,
            multiple=math.lcm(2, multiple),
        )
        self.sinusoidal = "sinusoidal" in positions
        if positions == "learned":
            self.places = nn.Parameter(0.02 * torch.randn(spec.steps or 0, self.hidden))
        else:
            self.register_parameter("places", None)

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.body(x, reads.span, self._placed(x))[0], reads)

    def states(self, x: Tensor, reads: Reads, carried: Carried | None = None) -> tuple[Tensor, Series]:
        """Return features and states: `residual.b`, the input of block b (batch, time, d); 0 is the embedding with its
        position."""
        outputs, residuals = self.body(x, reads.span, self._placed(x))
        return self.pick(outputs, reads), {f"residual.{b}": residual for b, residual in enumerate(residuals)}

    def pictures(self, x: Tensor, reads: Reads) -> Mapping[str, Tensor]:
        """Return `attention.block0`, … of every block (`attention` of a single one): the weights of every head (batch,
        heads, queries, time), 0 where s > t."""
        _, residuals = self.body(x, reads.span, self._placed(x))
        names = [f"attention.block{b}" for b in range(len(residuals))] if len(residuals) > 1 else ["attention"]
        weights = self.body.weights(residuals, reads.span)
        return dict(zip(names, weights, strict=True))

    def state_size(self, length: int) -> int:
        """Return 2 · d · length (keys and values) per residual block."""
        return 2 * self.hidden * length * len(self.body.blocks)

    def _placed(self, x: Tensor) -> Tensor | None:
        """p_t (time, d), what is added to u⁰_t; None: nothing."""
        if self.sinusoidal:
            return sinusoids(x.size(1), self.hidden, x.dtype, x.device)
        if self.places is None:
            return None
        if x.size(1) > len(self.places):
            raise ValueError(
                f"positions=learned knows {len(self.places)} steps, those of the longest sequence that it was trained "
                f"on, and got {x.size(1)}. Choose another scheme for longer ones."
            )
        return self.places[: x.size(1)]


class _Body(nn.Module):
    """x (batch, time, width) -> outputs (batch, queries, d) for the steps in `span`, and the inputs of the blocks."""

    def __init__(self, width: int, hidden: int, blocks: list[Callable[[], Block]]) -> None:
        super().__init__()
        self.entry = _linear(width, hidden)
        self.blocks = nn.ModuleList(block() for block in blocks)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x: Tensor, span: slice, placed: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        u = self.entry(x)
        if placed is not None:
            u = u + placed
        residuals = []
        for b, block in enumerate(self.blocks, start=1):
            residuals.append(u)
            u = block(u, span if b == len(self.blocks) else slice(0, x.size(1)))
        return self.norm(u), residuals

    def weights(self, residuals: list[Tensor], span: slice) -> list[Tensor]:
        """Return the attention weights of every block, from the blocks' inputs."""
        each = zip(self.blocks, residuals, strict=True)
        return [block.weights(u, span) for block, u in each if isinstance(block, Block)]


class Block(nn.Module):
    """Attention and feed-forward, each added to the residual stream.

    base: of the turns of queries and keys; None: none. far: makes what is added to scores for their distance.
    """

    def __init__(
        self, hidden: int, feed_forward: int, heads: int, base: float | None, far: Callable[[], Farness]
    ) -> None:
        super().__init__()
        self.heads, self.base = heads, base
        self.norm_attention = nn.LayerNorm(hidden)
        self.query = _linear(hidden, hidden)
        self.key = _linear(hidden, hidden)
        self.value = _linear(hidden, hidden)
        self.output = _linear(hidden, hidden)
        self.far = far()
        self.norm_feed_forward = nn.LayerNorm(hidden)
        self.rise = _linear(hidden, feed_forward)
        self.fall = _linear(feed_forward, hidden)

    def forward(self, u: Tensor, span: slice) -> Tensor:
        """u (batch, time, d) -> the block's output at the steps in `span` (batch, queries, d)."""
        q, k, v = self._projected(u, span)
        mixed = causal_attention(q, k, v, q.size(-1) ** -0.5, self._bias).transpose(1, 2).flatten(2)
        u = u[:, span] + self.output(mixed)
        risen = F.relu(self.rise(self.norm_feed_forward(u)))
        fallen: Tensor = self.fall(risen)
        return u + fallen

    def weights(self, u: Tensor, span: slice) -> Tensor:
        """u (batch, time, d) -> what the steps in `span` give to every step (batch, heads, queries, time)."""
        q, k, _ = self._projected(u, span)
        return F.pad(causal_weights(q, k, q.size(-1) ** -0.5, self._bias), (0, u.size(1) - span.stop))

    @property
    def _bias(self) -> Bias | None:
        return self.far if self.far.acts else None

    def _projected(self, u: Tensor, span: slice) -> tuple[Tensor, Tensor, Tensor]:
        """q of the steps in `span`, k and v of those up to its end, (batch, heads, time, d / heads) each."""
        y = self.norm_attention(u)
        seen = y[:, : span.stop]
        q, k, v = (
            linear(z).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for linear, z in ((self.query, y[:, span]), (self.key, seen), (self.value, seen))
        )
        if self.base is not None:
            q, k = rotate(q, span, self.base), rotate(k, slice(0, span.stop), self.base)
        return q, k, v


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear map, Xavier uniform, bias 0."""
    linear = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
