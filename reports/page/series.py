"""Curves and gradient profiles as the page holds them: thinned, rounded, and in whole numbers where that is shorter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bench.records.result import GradientFlow, Result
from reports.summary import learning as summary_learning
from reports.summary.learning import POINTS
from reports.summary.profiles import MOMENTS, logs, moments, of_all, over_seeds, quantities, verdicts
from reports.summary.statistics import stretches, typical

DISTANCES = 32  # distances of a profile
HEAT_DISTANCES, HEAT_STEPS = 24, 12  # columns and rows of a heat map
SCALE = 100  # a profile's whole numbers are hundredths of a power of ten
ZERO, INFINITE = -9999, 9999  # in such a number's place: exactly 0, not finite (null: not known)


class Lists:
    """Lists of distances, which many cells share: each is held once."""

    def __init__(self) -> None:
        self.held: list[tuple[int, ...]] = []
        self._index: dict[tuple[int, ...], int] = {}

    def index(self, values: Sequence[int]) -> int:
        """Give the place of these values in `held`."""
        key = tuple(values)
        if key not in self._index:
            self._index[key] = len(self.held)
            self.held.append(key)
        return self._index[key]


def short(value: float | None, digits: int = 4) -> float | int | None:
    """Round a value to some significant digits; null where it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded == int(rounded) else rounded


def spaced(count: int, wanted: int) -> list[int]:
    """Pick at most `wanted` ≥ 2 indices below `count`, evenly spaced, the first and the last among them."""
    if count <= wanted:
        return list(range(count))
    return sorted({round(place * (count - 1) / (wanted - 1)) for place in range(wanted)})


def curves(result: Result) -> dict[str, Any]:
    """Thin validation (step, score), and loss and gradient norm as medians over at most 100 stretches of steps.

    `high`: the largest norm of a stretch; `size`: steps per stretch.
    """
    held = result.curves
    points = [held.validation[index] for index in spaced(len(held.validation), POINTS)]
    validation = {"validation": [[step, short(score)] for step, score in points]}
    steps = max(len(held.train_loss), len(held.gradient_norm))
    if not steps:
        return validation
    size = -(-steps // POINTS)
    norms = stretches(held.gradient_norm, size)
    return validation | {
        "size": size,
        "steps": steps,
        "loss": [short(typical(part)) if part else None for part in stretches(held.train_loss, size)],
        "norm": [short(typical(part), 3) if part else None for part in norms],
        "high": [short(max(part), 3) if part else None for part in norms],
        "clipped": held.clipped,
    }


def learning(results: Sequence[Result]) -> dict[str, Any]:
    """Collect learning curves over several seeds, by quantity: steps, medians, least and largest values."""
    collected = {name: summary_learning.curve(results, name) for name in summary_learning.QUANTITIES}
    return {
        name: {
            "steps": [point.step for point in points],
            "middle": [short(point.middle, 3) for point in points],
            "low": [short(point.low, 3) for point in points],
            "high": [short(point.high, 3) for point in points],
        }
        for name, points in collected.items()
        if points
    }


# -- gradient flow -----------------------------------------------------------------------------------------------------


def kept(distances: Sequence[int], credit: Sequence[float], wanted: int) -> list[int]:
    """Pick the indices of at most `wanted` distances.

    0, 1, the largest, up to four of true credit, and the rest evenly spaced.
    """
    if len(distances) <= wanted:
        return list(range(len(distances)))
    best = sorted((-share, index) for index, share in enumerate(credit) if share > 0.5)[:4]
    fixed = {0, 1, len(distances) - 1, *(index for _, index in best)}
    places = set(fixed)
    for index in spaced(len(distances), wanted - len(fixed) + 2):
        if len(places) < wanted:
            places.add(index)
    return sorted(places)


def coded(value: float, scale: int = SCALE) -> int | None:
    """Write a power of ten as a whole number."""
    if math.isnan(value):
        return None
    if math.isinf(value):
        return INFINITE if value > 0 else ZERO
    return max(ZERO + 1, min(INFINITE - 1, round(value * scale)))


def flow(result: Result, lists: Lists) -> dict[str, Any]:
    """Collect the profiles of up to three moments."""
    shown = quantities([result])
    profiles = {}
    for name, snapshot in moments(result.gradient_flow).items():
        chosen = kept(snapshot.distances, snapshot.credit, DISTANCES)
        profiles[name] = {
            "step": snapshot.step,
            "distances": lists.index([snapshot.distances[index] for index in chosen]),
            "profiles": {
                quantity: [coded(powers[index]) for index in chosen]
                for quantity, profile in snapshot.profiles.items()
                if quantity in shown
                for powers in [logs(profile)]
            },
        }
    return profiles


def middle(results: Sequence[Result], lists: Lists) -> dict[str, Any]:
    """Collect the median profile over several seeds, per moment."""
    shown, medians = quantities(results), {}
    for name, flows in _at_moments(results).items():
        if len(flows) < 2:
            continue
        profiles: dict[str, list[int | None]] = {}
        columns: list[int] = []
        for quantity in shown:
            points = {point.distance: point for point in over_seeds(flows, quantity)}
            if not columns and points:
                chosen = kept(flows[0].distances, flows[0].credit, DISTANCES)
                columns = [k for index in chosen if (k := flows[0].distances[index]) in points]
            profiles[quantity] = [coded(points[k].middle) if k in points else None for k in columns]
        medians[name] = {"n": len(flows), "distances": lists.index(columns), "profiles": profiles}
    return medians


def heat(results: Sequence[Result], lists: Lists) -> dict[str, Any] | None:
    """Collect, of the first seed that was probed more than once, every snapshot, in tenths of a power of ten."""
    chosen = next((result for result in results if len(result.gradient_flow) > 1), None)
    if chosen is None:
        return None
    flows = [chosen.gradient_flow[index] for index in spaced(len(chosen.gradient_flow), HEAT_STEPS)]
    columns = kept(flows[0].distances, flows[0].credit, HEAT_DISTANCES)
    wanted = [flows[0].distances[index] for index in columns]
    profiles: dict[str, list[list[int | None]]] = {}
    for quantity in quantities([chosen]):
        rows = [dict(zip(one.distances, logs(one.profiles[quantity]), strict=True)) for one in flows]
        profiles[quantity] = [[coded(row.get(k, math.nan), 10) for k in wanted] for row in rows]
    return {
        "seed": chosen.cell.seed,
        "steps": [one.step for one in flows],
        "distances": lists.index(wanted),
        "profiles": profiles,
    }


def summaries(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Collect verdicts with their counts and medians of rate, ratio and half-life, by moment and quantity."""
    shown = quantities(results)
    return {name: _summary(flows, shown) for name, flows in _at_moments(results).items()}


def _summary(flows: Sequence[GradientFlow], shown: Sequence[str]) -> dict[str, Any]:
    held = {name: [one.profiles[name] for one in flows if name in one.profiles] for name in shown}
    return {
        "n": len(flows),
        "steps": sorted({one.step for one in flows}),
        "alignment": short(of_all([one.credit_alignment for one in flows]), 3),
        "quantities": {
            name: {
                "verdicts": verdicts(profiles),
                "rate": short(of_all([profile.rate for profile in profiles]), 3),
                "ratio": short(of_all([profile.ratio for profile in profiles]), 3),
                "half_life": short(of_all([profile.half_life for profile in profiles]), 3),
            }
            for name, profiles in held.items()
        },
    }


def _at_moments(results: Sequence[Result]) -> dict[str, list[GradientFlow]]:
    """The snapshots of all seeds by moment."""
    held = [moments(result.gradient_flow) for result in results]
    return {name: flows for name in MOMENTS if (flows := [one[name] for one in held if name in one])}


def credit(results: Sequence[Result]) -> list[list[float | int | None]]:
    """List (distance, share) where the task's true credit lies, at most 32 of them; empty where it is not known."""
    for result in results:
        if result.gradient_flow and result.gradient_flow[0].credit:
            first = result.gradient_flow[0]
            pairs = [pair for pair in zip(first.distances, first.credit, strict=True) if pair[1] >= 0.01]
            return [[k, short(share, 2)] for k, share in (pairs[index] for index in spaced(len(pairs), DISTANCES))]
    return []
