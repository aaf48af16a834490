"""Small exact statistics. Pure Python: no sampling, no random state, so a table is the same each time it is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist, correlation, fmean, median, stdev

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
    return stratified_test([(first, second)])


def stratified_test(strata: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
    """Find the exact two-sided p of the permutation test on midranks, seeds exchanged within each stratum only.

    strata: the values of both sides, as at one length. Each stratum's rank sum counts by how far it lies from its mean;
    p: how often random splits of all strata together lie at least as far from it as the one seen.
    """
    common = math.lcm(*(len(first) + len(second) for first, second in strata))
    ways, seen = {0: 1}, 0
    for first, second in strata:
        deviations, own = _deviations(first, second)
        scale = common // (len(first) + len(second))
        seen += scale * own
        joined: dict[int, int] = {}
        for total, count in ways.items():
            for deviation, times in deviations.items():
                place = total + scale * deviation
                joined[place] = joined.get(place, 0) + count * times
        ways = joined
    return sum(count for total, count in ways.items() if abs(total) >= abs(seen)) / sum(ways.values())


def _deviations(first: Sequence[float], second: Sequence[float]) -> tuple[dict[int, int], int]:
    """Count the splits of the pooled values by how far the first side's rank sum lies from its mean, times the number
    of values, so that it is a whole number; and say how far the one seen lies."""
    pooled = [*first, *second]
    ranks = [round(2 * rank) for rank in midranks(pooled)]  # twice, so that they are whole numbers
    counts: list[dict[int, int]] = [{} for _ in range(len(first) + 1)]
    counts[0][0] = 1
    for rank in ranks:
        for size in range(len(first) - 1, -1, -1):
            for total, ways in counts[size].items():
                counts[size + 1][total + rank] = counts[size + 1].get(total + rank, 0) + ways
    mean = len(first) * sum(ranks)
    return (
        {len(pooled) * total - mean: ways for total, ways in counts[-1].items()},
        len(pooled) * sum(ranks[: len(first)]) - mean,
    )


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values, in their order, as they count among so many tests (Holm 1979)."""
    ordered = sorted(range(len(ps)), key=ps.__getitem__)
    made, highest = [0.0] * len(ps), 0.0
    for place, index in enumerate(ordered):
        highest = max(highest, min(1.0, (len(ps) - place) * ps[index]))
        made[index] = highest
    return made


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Find Spearman's rank correlation of two series, ties at their midranks; None where one of them is constant."""
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return correlation(midranks(first), midranks(second))


def midranks(values: Sequence[float]) -> list[float]:
    """Return each value's rank among them from 1, equal values at the mean of their ranks."""
    return [(sum(v < value for v in values) + sum(v <= value for v in values) + 1) / 2 for value in values]


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
