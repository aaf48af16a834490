"""Gradient profiles out of the record: over seeds, and cut at the edges of an axis. Powers of ten throughout."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.records.result import GradientFlow, GradientProfile, Result
from reports.summary.statistics import typical

LOWEST, HIGHEST = -16.0, 6.0  # no axis reaches beyond: below, float64 sums hold noise only
MOMENTS = ("initialisation", "middle", "end")  # of training, as far as a cell was probed at them
VANISHING, EXPLODING = -6.0, 3.0  # powers of ten over the reach, as the verdicts of bench.probes are taken


def logs(profile: GradientProfile) -> list[float]:
    """Take log10 of the median norm per distance, with the meanings of a null in the record told apart.

    −inf for a norm of 0, +inf for one that is not finite, NaN where the record counts both kinds and so can't tell.
    """
    unknown = math.nan if profile.zeros and profile.nonfinite else math.inf if profile.nonfinite else -math.inf
    return [unknown if value is None else value for value in profile.log10_median]


@dataclass(frozen=True)
class Point:
    """One distance: median, least and largest of the seeds."""

    distance: int
    middle: float
    low: float
    high: float


def over_seeds(flows: Sequence[GradientFlow], quantity: str) -> list[Point]:
    """Sum up the profile of a quantity over seeds, at the distances that all of them hold."""
    held = [
        dict(zip(flow.distances, logs(flow.profiles[quantity]), strict=True))
        for flow in flows
        if quantity in flow.profiles
    ]
    if not held:
        return []
    points = []
    for distance in sorted(set(held[0]).intersection(*held[1:])):
        values = [profile[distance] for profile in held]
        if not any(map(math.isnan, values)):
            points.append(Point(distance, median(values), min(values), max(values)))
    return [point for point in points if not math.isnan(point.middle)]


def cut(value: float, low: float, high: float) -> float:
    """Keep a value within an axis: the value, or the edge that it lies beyond."""
    return min(high, max(low, value))


def pieces(points: Sequence[Point], low: float, high: float) -> list[list[Point]]:
    """Cut points into the runs that a line joins: what lies between the edges, and one step beyond on either side, so
    that a line reaches the edge that it crosses but does not run along it."""
    inside = [low <= point.middle <= high for point in points]
    near = [any(inside[max(0, i - 1) : i + 2]) for i in range(len(points))]
    runs: list[list[Point]] = []
    for index, point in enumerate(points):
        if not near[index]:
            continue
        if index == 0 or not near[index - 1]:
            runs.append([])
        runs[-1].append(point)
    return runs


def departures(points: Sequence[Point], low: float, high: float) -> list[tuple[int, bool]]:
    """Find the first point of every stretch that lies beyond an edge: (distance, whether above)."""
    sides = [0 if low <= point.middle <= high else 1 if point.middle > high else -1 for point in points]
    before = [0, *sides]
    return [
        (point.distance, side > 0)
        for point, side, last in zip(points, sides, before, strict=False)
        if side and side != last
    ]


def moments(snapshots: Sequence[GradientFlow]) -> dict[str, GradientFlow]:
    """Pick a cell's snapshots at initialisation, in the middle and at the end, as far as there are so many."""
    count = len(snapshots)
    places = {"initialisation": 0, "middle": count // 2, "end": count - 1}
    least = {"initialisation": 1, "middle": 3, "end": 2}
    return {name: snapshots[place] for name, place in places.items() if count >= least[name]}


def verdicts(profiles: Iterable[GradientProfile]) -> dict[str, int]:
    """Count the seeds by verdict."""
    return dict(sorted(Counter(profile.verdict for profile in profiles).items()))


def of_all(values: Sequence[float | None]) -> float | None:
    """Find the median where every value is known; else None."""
    return None if None in values else typical(values)


def flows(results: Iterable[Result], last: bool) -> list[GradientFlow]:
    """Pick the first or the last snapshot of each result that holds one."""
    return [result.gradient_flow[-1 if last else 0] for result in results if result.gradient_flow]


def trained(results: Iterable[Result]) -> list[Result]:
    """Pick the results that hold a snapshot after their first."""
    return [result for result in results if len(result.gradient_flow) > 1]


def quantities(results: Iterable[Result]) -> list[str]:
    """Name the quantities of some results whose profile says anything beyond distance 0, the input first."""
    names = set()
    for result in results:
        for flow in result.gradient_flow:
            for name, profile in flow.profiles.items():
                beyond = [value for value, k in zip(profile.log10_median, flow.distances, strict=True) if k > 0]
                if any(value is not None for value in beyond) or profile.nonfinite:
                    names.add(name)
    return sorted(names, key=lambda name: (name != "input", name))
