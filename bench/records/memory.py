"""How many last steps a trained model uses, as its record shows it: from the score, or from inputs cut short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.records.measure import TOLERANCES
from bench.records.result import Result, Score, below_learning


class Memory(NamedTuple):
    """How many last steps a model uses. steps: None where nothing tells. worse: whether more context than these makes
    the score worse (by more than the tolerance, at the whole length)."""

    steps: float | None
    worse: bool = False


NOTHING = Memory(None)


def least_context(points: Sequence[tuple[int, float]], tolerance: float, higher_is_better: bool) -> Memory:
    """Find the least context whose score lies within `tolerance` of the best one's.

    points: (context, score), shortest first, the same weights at every context; one at least.
    """
    best = (max if higher_is_better else min)(value for _, value in points)
    least = next(context for context, value in points if abs(value - best) <= tolerance)
    return Memory(least, worse=abs(points[-1][1] - best) > tolerance)


def effective_context(score: Score | None, points: Sequence[tuple[int, float]], tolerance: float) -> Memory:
    """Find the least context that scores as the best, and nothing at chance.

    A model that learned nothing uses no context, whatever its scores on cut inputs do; nor does one that equals chance
    on cut inputs at every context.
    """
    if score is None or not points or score.at_chance:
        return NOTHING
    if all(below_learning(score.skill_of(value)) for _, value in points):
        return NOTHING
    return least_context(points, tolerance, score.higher_is_better)


def memory(result: Result) -> Memory:
    """Find what a record says of memory, by today's rule for records of any age.

    The effective context is computed anew from the stored points. In a unit whose tolerance is not known here, the
    stored number stands.
    """
    if not result.context_use:
        return Memory(result.memory_horizon)
    if result.score is None or result.score.at_chance:
        return NOTHING
    if result.score.unit not in TOLERANCES:
        return Memory(result.memory_horizon)
    return effective_context(result.score, result.context_use, TOLERANCES[result.score.unit])
