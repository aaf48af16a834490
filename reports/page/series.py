"""Curves and gradient profiles as the page holds them: thinned, rounded, and in whole numbers where that is shorter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.records.result import GradientFlow, Result
from reports.summary.profiles import logs, over_seeds, quantities

CURVE = 100  # points of a curve
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
        """The place of these values in `held`."""
        key = tuple(values)
        if key not in self._index:
            self._index[key] = len(self.held)
            self.held.append(key)
        return self._index[key]


def short(value: float | None, digits: int = 4) -> float | int | None:
    """The value to some significant digits; null where it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded == int(rounded) else rounded


def spaced(count: int, wanted: int) -> list[int]:
    """At most `wanted` ≥ 2 indices below `count`, evenly spaced, the first and the last among them."""
    if count <= wanted:
        return list(range(count))
    return sorted({round(place * (count - 1) / (wanted - 1)) for place in range(wanted)})


def curves(result: Result) -> dict[str, Any]:
    """Validation (step, score), and loss and gradient norm as medians over at most 100 stretches of steps; `high`: the
    largest norm of a stretch; `size`: steps per stretch."""
    held = result.curves
    points = [held.validation[index] for index in spaced(len(held.validation), CURVE)]
    found: dict[str, Any] = {"validation": [[step, short(score)] for step, score in points]}
    steps = max(len(held.train_loss), len(held.gradient_norm))
    if not steps:
        return found
    size = -(-steps // CURVE)
    norms = _stretches(held.gradient_norm, size)
    return found | {
        "size": size,
        "steps": steps,
        "loss": [short(median(part)) if part else None for part in _stretches(held.train_loss, size)],
        "norm": [short(median(part), 3) if part else None for part in norms],
        "high": [short(max(part), 3) if part else None for part in norms],
        "clipped": held.clipped,
    }


def _stretches(values: Sequence[float | None], size: int) -> list[list[float]]:
    return [
        [value for value in values[start : start + size] if value is not None] for start in range(0, len(values), size)
    ]


# -- gradient flow -----------------------------------------------------------------------------------------------------


def moments(flows: Sequence[GradientFlow]) -> dict[str, GradientFlow]:
    """Of a cell's snapshots: initialisation, the middle one, the last one, as far as there are so many."""
    if not flows:
        return {}
    found = {"initialisation": flows[0]}
    if len(flows) > 2:
        found["middle"] = flows[len(flows) // 2]
    if len(flows) > 1:
        found["end"] = flows[-1]
    return found


def kept(distances: Sequence[int], credit: Sequence[float], wanted: int) -> list[int]:
    """Indices of at most `wanted` distances: 0, 1, the largest, up to four of true credit, the rest evenly spaced."""
    if len(distances) <= wanted:
        return list(range(len(distances)))
    best = sorted((-share, index) for index, share in enumerate(credit) if share > 0.5)[:4]
    fixed = {0, 1, len(distances) - 1, *(index for _, index in best)}
    found = set(fixed)
    for index in spaced(len(distances), wanted - len(fixed) + 2):
        if len(found) < wanted:
            found.add(index)
    return sorted(found)


def coded(value: float, scale: int = SCALE) -> int | None:
    """A power of ten as a whole number."""
    if math.isnan(value):
        return None
    if math.isinf(value):
        return INFINITE if value > 0 else ZERO
    return max(ZERO + 1, min(INFINITE - 1, round(value * scale)))


def flow(result: Result, lists: Lists) -> dict[str, Any]:
    """The profiles of up to three moments."""
    shown = quantities([result])
    found = {}
    for name, snapshot in moments(result.gradient_flow).items():
        chosen = kept(snapshot.distances, snapshot.credit, DISTANCES)
        found[name] = {
            "step": snapshot.step,
            "distances": lists.index([snapshot.distances[index] for index in chosen]),
            "profiles": {
                quantity: [coded(logs(profile)[index]) for index in chosen]
                for quantity, profile in snapshot.profiles.items()
                if quantity in shown
            },
        }
    return found


def typical(results: Sequence[Result], lists: Lists) -> dict[str, Any]:
    """The median profile over several seeds, per moment."""
    shown, found = quantities(results), {}
    held = [moments(result.gradient_flow) for result in results if result.gradient_flow]
    for name in ("initialisation", "middle", "end"):
        flows = [one[name] for one in held if name in one]
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
        found[name] = {"n": len(flows), "distances": lists.index(columns), "profiles": profiles}
    return found


def heat(results: Sequence[Result], lists: Lists) -> dict[str, Any] | None:
    """Of the first seed that was probed more than once: every snapshot, in tenths of a power of ten."""
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
    """Per moment and quantity: verdicts with their counts, and medians over seeds of rate, ratio and half-life."""
    held = [moments(result.gradient_flow) for result in results if result.gradient_flow]
    found: dict[str, dict[str, Any]] = {}
    for name in ("initialisation", "middle", "end"):
        flows = [one[name] for one in held if name in one]
        if flows:
            table = {}
            for quantity in quantities(results):
                profiles = [one.profiles[quantity] for one in flows if quantity in one.profiles]
                counts: dict[str, int] = {}
                for profile in profiles:
                    counts[profile.verdict] = counts.get(profile.verdict, 0) + 1
                table[quantity] = {
                    "verdicts": dict(sorted(counts.items())),
                    "rate": _middle([profile.rate for profile in profiles]),
                    "ratio": _middle([profile.ratio for profile in profiles]),
                    "half_life": _middle([profile.half_life for profile in profiles]),
                }
            found[name] = {
                "n": len(flows),
                "steps": sorted({one.step for one in flows}),
                "alignment": _middle([one.credit_alignment for one in flows]),
                "quantities": table,
            }
    return found


def _middle(values: Sequence[float | None]) -> float | int | None:
    known = [value for value in values if value is not None]
    return short(median(known), 3) if known and len(known) == len(values) else None


def credit(results: Sequence[Result]) -> list[list[float | int | None]]:
    """(distance, share) where the task's true credit lies, at most 32 of them; empty where it is not known."""
    for result in results:
        if result.gradient_flow and result.gradient_flow[0].credit:
            first = result.gradient_flow[0]
            pairs = [pair for pair in zip(first.distances, first.credit, strict=True) if pair[1] >= 0.01]
            return [[k, short(share, 2)] for k, share in (pairs[index] for index in spaced(len(pairs), DISTANCES))]
    return []
