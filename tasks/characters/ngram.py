"""How well a text is predicted by its last few characters: unigram and modified Kneser–Ney n-gram reference scores.

A model that reads T characters has learned something about distance only where it beats the best n-gram. An n-gram
of order n predicts a character from the n−1 before it, interpolated down to the uniform distribution:

    p_n(w | h) = max(c(hw) − D(c(hw)), 0) / c(h) + γ(h) p_{n−1}(w | h′),     h′ = h without its first character

with discounts D₁, D₂, D₃₊ per order (Chen & Goodman 1999, "An empirical study of smoothing techniques for language
modeling", section 3 and its appendix on modified Kneser–Ney). The highest order counts occurrences, every lower
one counts the distinct characters seen to the left (Kneser & Ney 1995).

Everything is an array over text positions. Each distinct n-gram has a number, which stands where the n-gram ends.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.corpora.resolving import cache

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]

VERSION = 1
ORDERS = (2, 3, 4, 5, 6, 7)
LONGEST_COUNTED = 10_000_000


@dataclass(frozen=True)
class Floors:
    """Mean bits per scored character: of the unigram, and by order of the n-grams."""

    unigram: float
    orders: dict[int, float]


def floors(ids: NDArray[Any], train: int, first: int, stop: int, *, sha256: str) -> Floors:
    """Return reference scores on the characters first … stop−1, after counting the characters 0 … train−1.

    ids: the whole text (characters,), each character a number in 0 … vocabulary−1. sha256: names the text in the
    user's cache, where the result is kept (an unwritable cache costs a recomputation, nothing else). Of a training
    text above ten million characters the last ten million are counted.
    """
    place = cache() / "floors" / f"{sha256}-{train}-{first}-{stop}-v{VERSION}.json"
    known = _read(place)
    if known is not None:
        return known
    vocabulary = int(ids.max()) + 1
    counted = np.asarray(ids[max(0, train - LONGEST_COUNTED) : train], dtype=np.int64)
    left = min(first, max(ORDERS) - 1)
    scored = np.asarray(ids[first - left : stop], dtype=np.int64)
    nats = kneser_ney(counted, scored, vocabulary, ORDERS)
    result = Floors(
        float(-unigram(counted, scored[left:], vocabulary).mean()) / math.log(2),
        {order: float(-logs[left:].mean()) / math.log(2) for order, logs in nats.items()},
    )
    _write(place, result)
    return result


def unigram(train: Ids, scored: Ids, vocabulary: int) -> Floats:
    """Return the log probability (nats) of each scored character by its count in `train` plus one: (scored,)."""
    counts = np.bincount(train, minlength=vocabulary) + 1.0
    logs: Floats = np.log(counts / counts.sum())
    return logs[scored]


def kneser_ney(train: Ids, scored: Ids, vocabulary: int, orders: Iterable[int] = ORDERS) -> dict[int, Floats]:
    """Return the log probability (nats) of each scored character, for each order: order -> (scored,).

    train (characters,), scored (scored,): ids in 0 … vocabulary−1. A character near the start of `scored` with less
    context to its left than an order asks for is predicted from what is there.
    """
    text = np.concatenate([train, scored])
    start = len(train)
    position = np.arange(len(scored))
    longest = max(orders := tuple(orders))
    grams, longer = np.zeros_like(text), _numbered(np.zeros_like(text), text)
    lower = np.full(len(scored), 1.0 / vocabulary)  # p of the order below, counted by distinct left neighbours
    result: dict[int, Floats] = {}
    for order in range(1, longest + 1):
        # Rolled, the text is a circle: each number then stands for one n-gram everywhere, at its seam too, and
        # only the counts below have to leave the seam out.
        contexts, grams = np.roll(grams, 1), longer
        context_of = np.empty(int(grams.max()) + 1, dtype=np.int64)
        context_of[grams] = contexts
        reached = position >= order - 1
        inside = grams[order - 1 : start]
        if order in orders:
            counts = np.bincount(inside, minlength=len(context_of))
            p = _interpolated(counts, context_of, grams[start:], contexts[start:], lower)
            result[order] = np.log(np.where(reached, p, lower))
        if order < longest:
            longer = _numbered(np.roll(grams, 1), text)
            counts = _left_neighbours(longer[order:start], grams[order:start], len(context_of))
            p = _interpolated(counts, context_of, grams[start:], contexts[start:], lower)
            lower = np.where(reached, p, lower)
    return result


def _numbered(contexts: Ids, text: Ids) -> Ids:
    """One number per distinct (context, character) pair, 0, 1, 2 …; both (positions,) -> (positions,)."""
    keys = contexts * (int(text.max()) + 1) + text
    if (size := int(keys.max()) + 1) <= 4 * len(keys):  # a table is faster than sorting where it is small
        seen = np.zeros(size, dtype=bool)
        seen[keys] = True
        numbers: Ids = (np.cumsum(seen) - 1)[keys]
    else:
        numbers = np.unique(keys, return_inverse=True)[1]
    return numbers


def _left_neighbours(longer: Ids, grams: Ids, size: int) -> Ids:
    """How many distinct (n+1)-grams `longer` end in each n-gram; positions aligned -> (size,)."""
    gram_of = np.full(int(longer.max(initial=0)) + 1, -1)
    gram_of[longer] = grams
    return np.bincount(gram_of[gram_of >= 0], minlength=size)


def _interpolated(counts: Ids, context_of: Ids, here: Ids, before: Ids, lower: Floats) -> Floats:
    """p(w | h) = (c − D(c) + Σ D · lower) / c(h), and `lower` where h was never seen.

    counts, context_of (n-grams,); here, before, lower (scored,): n-gram, context and lower-order probability.
    """
    discounts = _discounts(counts)[np.minimum(counts, 3)]
    total = np.bincount(context_of, weights=counts)
    withheld = np.bincount(context_of, weights=discounts)
    kept = (counts - discounts)[here]
    seen = total[before]
    p: Floats = np.where(seen > 0, (kept + withheld[before] * lower) / np.maximum(seen, 1), lower)
    return p


def _discounts(counts: Ids) -> Floats:
    """D(0) = 0, D(1), D(2), D(3 or more): Chen & Goodman 1999, from how many n-grams occur 1, 2, 3 and 4 times.

    Where these are too few to give 0 < D(c) ≤ c: 0.5, 1, 1.5, as KenLM's lmplz does on request.
    """
    n1, n2, n3, n4 = (int((counts == times).sum()) for times in (1, 2, 3, 4))
    if min(n1, n2, n3) > 0:
        y = n1 / (n1 + 2 * n2)
        discounts = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
        if (discounts[1:] > 0).all():
            return discounts
    return np.array([0, 0.5, 1.0, 1.5])


def _read(place: Path) -> Floors | None:
    """What was kept at `place`; None where there is nothing that can be used."""
    try:
        record = json.loads(place.read_text(encoding="utf-8"))
        return Floors(float(record["unigram"]), {int(order): float(v) for order, v in record["orders"].items()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _write(place: Path, result: Floors) -> None:
    """Keep `result`, whole or not at all; a cache that cannot be written only costs a recomputation."""
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=place.parent, delete=False, encoding="utf-8") as file:
            json.dump(asdict(result), file)
        os.replace(file.name, place)  # several workers may keep the same result at once
