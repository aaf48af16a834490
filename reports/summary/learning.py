"""How training went over the seeds of a group: loss, validation score and gradient norm against the training step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.records.result import Curves, Result
from reports.summary.statistics import middle, stretches, typical

POINTS = 100  # stretches of steps that a curve is cut into, at most


class Point(NamedTuple):
    """A stretch of training: its last step, and median, least and largest over the n seeds that still trained."""

    step: int
    middle: float
    low: float
    high: float
    n: int


def curve(results: Sequence[Result], quantity: str) -> list[Point]:
    """Collect `loss`, `score` (of validation) or `norm` (of the gradient) over seeds, in at most POINTS stretches.

    Of loss and norm, a seed's value is its median over the stretch; of the score, its last one. The curve ends where
    fewer than half of the seeds still train, because a median of those that are left would jump.
    """
    held = [each.curves for each in results]
    size = -(-max((_steps(each) for each in held), default=0) // POINTS) or 1
    seeds = [series for each in held if (series := QUANTITIES[quantity](each, size))]
    points = []
    for number in sorted({number for series in seeds for number in series}):
        values = [series[number] for series in seeds if number in series]
        if 2 * len(values) >= len(seeds):
            step = min((number + 1) * size, max(map(_steps, held)))
            points.append(Point(step, middle(values), min(values), max(values), len(values)))
    return points


def _steps(curves: Curves) -> int:
    """Count the steps that were taken."""
    last = curves.validation[-1][0] if curves.validation else 0
    return max(len(curves.train_loss), len(curves.gradient_norm), last)


def _typical(values: Sequence[float | None], size: int) -> dict[int, float]:
    """Find the median of every stretch that holds a value, by its number."""
    medians = enumerate(typical(part) for part in stretches(values, size))
    return {number: value for number, value in medians if value is not None}


def _score(curves: Curves, size: int) -> dict[int, float]:
    return {max(0, step - 1) // size: score for step, score in curves.validation if score is not None}


QUANTITIES: dict[str, Callable[[Curves, int], dict[int, float]]] = {
    "loss": lambda curves, size: _typical(curves.train_loss, size),
    "score": _score,
    "norm": lambda curves, size: _typical(curves.gradient_norm, size),
}
