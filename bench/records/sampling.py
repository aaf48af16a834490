"""What a test set of limited size leaves open: the test-sampling interval of a score. Pure Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate

LEVEL = 0.95  # of every interval


def t_probability(t: float, freedom: int) -> float:
    """Return P(|X| ≤ t) of Student's t with a whole number of degrees of freedom, by its finite series.

    Source: Abramowitz & Stegun 1964, 26.7.3 (odd) and 26.7.4 (even). At 1 the odd series is 2θ/π (Cauchy).

    Raises:
        ValueError: `freedom` is below 1.
    """
    if freedom < 1:
        raise ValueError(f"degrees of freedom must be at least 1, got {freedom}")
    angle = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    # Coefficients 1, 1/2, 1·3/(2·4), … (even) and 1, 2/3, 2·4/(3·5), … (odd), each with cos² more than the last.
    factors = [(k - 1 if not odd else k) / (k if not odd else k + 1) for k in range(2, freedom - 1, 2)]
    terms = accumulate(factors, lambda term, factor: term * factor * cosine**2, initial=1.0)
    series = sum(terms) if freedom > 1 else 0.0
    return 2 / math.pi * (angle + sine * cosine * series) if odd else sine * series


@cache
def t_quantile(freedom: int, level: float = LEVEL) -> float:
    """Find the t with P(|X| ≤ t) = `level`: the half-width of a two-sided interval in standard errors."""
    low, high = 0.0, 1.0
    while t_probability(high, freedom) < level:
        high *= 2
    return _root(lambda t: t_probability(t, freedom) - level, low, high)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Find the root of an increasing function by bisection, to the last bit."""
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return middle


def ratio_interval(blocks: Sequence[tuple[float, float]], level: float = LEVEL) -> tuple[float, float] | None:
    """Find the test-sampling interval of Σ numerators / Σ denominators over blocks of test units, by the jackknife.

    None where the blocks cannot tell: fewer than two with a denominator, or all with the same ratio (1,000 right
    answers of 1,000 do not prove an error of 0), or numbers so large or so unequal that no finite interval comes out.
    Source: Efron & Stein 1981; a t quantile with blocks − 1 degrees of freedom.
    """
    used = [(numerator, denominator) for numerator, denominator in blocks if denominator > 0]
    count = len(used)
    if count < 2:
        return None
    above, below = math.fsum(n for n, _ in used), math.fsum(d for _, d in used)
    if any(below - d <= 0 for _, d in used):  # one block outweighs all others to the last bit
        return None
    score = above / below
    without = [(above - n) / (below - d) for n, d in used]
    centre = sum(without) / count
    # hypot scales: the squares of large differences overflow, and those of small ones vanish.
    half = t_quantile(count - 1, level) * math.sqrt((count - 1) / count) * math.hypot(*(r - centre for r in without))
    if not half > 1e-12 * abs(score) or not math.isfinite(score - half) or not math.isfinite(score + half):
        return None
    return score - half, score + half
