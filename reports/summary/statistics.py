"""Small exact statistics. Pure Python: no sampling, no random state, so a table is the same each time it is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist, fmean, median, stdev

from bench.records.sampling import LEVEL, t_quantile


def typical(values: Iterable[float | None]) -> float | None:
    """Find the median of the values that are known; None without one."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def middle(values: Iterable[float]) -> float:
    """Find the median of some values, of which there is one at least."""
    return median(values)


def stretches(values: Sequence[float | None], size: int) -> list[list[float]]:
    """Cut a series into stretches of `size` steps, each without the values that are not known."""
    return [
        [value for value in values[start : start + size] if value is not None] for start in range(0, len(values), size)
    ]


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """Find the t interval of the mean of n ≥ 2 values.

    Raises:
        ValueError: fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"a t interval needs at least 2 values, got {len(values)}")
    half = t_quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Find Wilson's score interval of a rate (Wilson 1927).

    Raises:
        ValueError: no trials, or successes outside 0 … trials.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"successes must lie in 0 … trials and trials be positive, got {successes} of {trials}")
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    rate, spread = successes / trials, z**2 / trials
    centre = (rate + spread / 2) / (1 + spread)
    half = math.sqrt(rate * (1 - rate) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def permutation_test(first: Sequence[float], second: Sequence[float]) -> float:
    """Find the exact two-sided p of the permutation test on midranks.

    p: how often a random split of the pooled values into groups of these sizes has a rank sum at least as far from its
    mean as the one seen.

    Ranks, because a diverged or unsolved run has no value, only a place: infinity is the worst and ties with itself.
    The distribution is counted exactly over all splits (dynamic programming over rank sums).

    Raises:
        ValueError: fewer than four values on a side (p < .05 cannot be reached with three).
    """
    if min(len(first), len(second)) < 4:
        raise ValueError(f"a comparison needs at least 4 seeds a side, got {len(first)} and {len(second)}")
    pooled = [*first, *second]
    # Twice the midrank less one, which is a whole number: values below, plus values not above.
    ranks = [sum(v < value for v in pooled) + sum(v <= value for v in pooled) for value in pooled]
    counts: list[dict[int, int]] = [{} for _ in range(len(first) + 1)]
    counts[0][0] = 1
    for rank in ranks:
        for size in range(len(first) - 1, -1, -1):
            for total, ways in counts[size].items():
                counts[size + 1][total + rank] = counts[size + 1].get(total + rank, 0) + ways
    # The mean rank sum is len(first) · Σ ranks / len(pooled): compared in whole numbers.
    scale, mean = len(pooled), len(first) * sum(ranks)
    seen = abs(scale * sum(ranks[: len(first)]) - mean)
    extreme = sum(ways for total, ways in counts[-1].items() if abs(scale * total - mean) >= seen)
    return extreme / math.comb(len(pooled), len(first))


def power_law(lengths: Sequence[float], steps: Sequence[float], solved: Sequence[bool]) -> float:
    """Fit the exponent b of steps ∝ length^b, from runs that solved at `steps` and runs that had not by then.

    Maximum likelihood of log steps = a + b log length + σ·noise with right-censored normal noise, by expectation
    maximisation (Aitkin 1981; Schmee & Hahn 1979). Dropping the unsolved runs instead biases b downwards, because at
    long lengths only the lucky ones are left.

    Raises:
        ValueError: fewer than three solved runs, or all lengths equal.
    """
    if sum(solved) < 3 or len(set(lengths)) < 2:
        raise ValueError("an exponent needs at least three solved runs and two lengths")
    x, bound = [math.log(length) for length in lengths], [math.log(step) for step in steps]
    expected, variances = list(bound), [0.0] * len(bound)
    exponent, previous = 0.0, math.inf
    for _ in range(20_000):
        intercept, exponent = _line(x, expected)
        fitted = [intercept + exponent * value for value in x]
        variance = fmean((y - mean) ** 2 + spread for y, mean, spread in zip(expected, fitted, variances, strict=True))
        if abs(exponent - previous) < 1e-10:
            break
        previous, deviation = exponent, max(math.sqrt(variance), 1e-6)
        for index, (mean, limit) in enumerate(zip(fitted, bound, strict=True)):
            if not solved[index]:  # a normal above its limit: mean and variance of the truncated distribution
                z = (limit - mean) / deviation
                hazard = _hazard(z)
                expected[index] = mean + deviation * hazard
                variances[index] = max(0.0, deviation**2 * (1 + z * hazard - hazard**2))
    return exponent


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Intercept and slope of least squares."""
    centre, middle = fmean(x), fmean(y)
    slope = sum((a - centre) * (b - middle) for a, b in zip(x, y, strict=True)) / sum((a - centre) ** 2 for a in x)
    return middle - slope * centre, slope


def _hazard(z: float) -> float:
    """φ(z) / (1 − Φ(z)); for large z by its asymptotic series, where erfc underflows."""
    if z > 25:
        return z + 1 / z - 2 / z**3
    return math.sqrt(2 / math.pi) * math.exp(-z * z / 2) / math.erfc(z / math.sqrt(2))
