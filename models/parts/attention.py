"""Causal attention of the last positions of a sequence to themselves and all before."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

# CUDA's attention whose memory does not grow with time² wants float32 vectors of a multiple of 4 numbers; for others
# torch silently takes the one that keeps every weight (pytorch/pytorch#110630). Padding with zeros changes nothing.
ALIGNMENT = 4

# Queries that are answered at once where scores have a bias: none of them computes scores of keys far behind the last.
QUERIES = 128
# Above so many keys the weights of a training step are computed again for its gradient, and not kept.
KEPT = 2048

# Steps of some queries, a tensor like them -> what is added to their scores (heads, queries, keys up to the last).
Bias = Callable[[slice, Tensor], Tensor]


def causal_attention(query: Tensor, key: Tensor, value: Tensor, scale: float, bias: Bias | None = None) -> Tensor:
    """Return softmax(scale · query key′ + bias) value over s ≤ t, (batch, heads, queries, size).

    query (batch, heads, queries, size), at the last positions; key and value (batch, heads, time, size). bias: makes
    what is added to the scores, −∞ where s > t. Four dimensions even for one head: with three, torch falls back to its
    slow path (91 against 57 ms at time 1000).
    """
    if bias is not None:
        return _biased(query, key, value, scale, bias)
    if query.device.type == "cuda" and query.size(-1) % ALIGNMENT:
        size = query.size(-1)
        query, key, value = (F.pad(each, (0, -size % ALIGNMENT)) for each in (query, key, value))
        return causal_attention(query, key, value, scale)[..., :size]
    queries, time = query.size(-2), key.size(-2)
    if queries == time:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale)
    # is_causal would align the first query with the first key; a lone last query sees everything
    mask = None if queries == 1 else visible(queries, time, query.device)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)


def _biased(query: Tensor, key: Tensor, value: Tensor, scale: float, bias: Bias) -> Tensor:
    """Some queries at a time, each with the keys up to its last: torch's quick kernels give a bias no gradient."""
    before = key.size(-2) - query.size(-2)

    def answer(query: Tensor, key: Tensor, value: Tensor, steps: slice) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias(steps, query), scale=scale)

    answers = []
    for some in query.split(QUERIES, dim=-2):
        steps = slice(before, before + some.size(-2))
        before = steps.stop
        seen = key[..., :before, :], value[..., :before, :]
        if torch.is_grad_enabled() and key.size(-2) > KEPT:
            answers.append(checkpoint(answer, some, *seen, steps, use_reentrant=False))
        else:
            answers.append(answer(some, *seen, steps))
    return torch.cat(answers, dim=-2)


def causal_weights(query: Tensor, key: Tensor, scale: float, bias: Bias | None = None) -> Tensor:
    """Return the weights of `causal_attention`: (…, queries, time), each row sums to 1."""
    scores = scale * query @ key.transpose(-1, -2)
    if bias is not None:
        scores = scores + bias(slice(key.size(-2) - query.size(-2), key.size(-2)), query)
    return scores.masked_fill(~visible(query.size(-2), key.size(-2), query.device), -torch.inf).softmax(-1)


def visible(queries: int, time: int, device: torch.device) -> Tensor:
    """Tell which positions each of the last `queries` of `time` positions may see, itself and all before: booleans
    (queries, time)."""
    return torch.ones(queries, time, dtype=torch.bool, device=device).tril(time - queries)
