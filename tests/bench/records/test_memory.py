"""The effective context: the least that scores as the best, nothing at chance, by one rule for records of any age."""

from __future__ import annotations

from typing import Any

import pytest

from bench.records.measure import bounds
from bench.records.memory import least_context, memory
from bench.records.row import row
from tests.support.factories import a_result, a_score

BITS = {"unit": "bits", "higher_is_better": False, "chance": 4.85, "best": 2.19, "solved_threshold": None}
F1 = {"unit": "F1", "higher_is_better": True, "chance": 0.0, "best": 1.0, "solved_threshold": None}
SURE = {"blocks": ((1.0, 1.0), (1.0, 1.0))}  # a test set that leaves nothing open


def record(kind: dict[str, Any], score: float, points: list[tuple[int, float]], stored: float | None = None) -> Any:
    return a_result(score=a_score(**kind, **SURE, score=score), context_use=tuple(points), memory_horizon=stored)


def test_the_least_context_that_scores_as_the_best() -> None:
    points = [(1, 4.0), (2, 3.0), (5, 2.51), (10, 2.5), (20, 2.502), (50, 2.505)]
    assert least_context(points, 0.0101, False) == (5, False)
    assert least_context(points, 0.0055, False) == (10, False)
    assert least_context(points, 0.004, False) == (10, True)  # .005 above the best
    assert least_context(points, 0, False) == (10, True)
    assert least_context(points, 10, False) == (1, False)
    assert least_context([(1, 0.3), (2, 0.5), (5, 0.3)], 0.01, True) == (2, True)
    assert least_context([(1, 0.3), (2, 0.5), (5, 0.3)], 0.01, False) == (1, False)


def test_more_context_that_harms_is_no_memory_of_all_steps() -> None:
    """Seen of a transformer at T = 100: what was stored says that it remembers everything."""
    result = record(BITS, 3.262, [(20, 3.160), (50, 3.170), (100, 3.262)], stored=100)
    assert memory(result) == (20, True)
    assert row(result)["memory_horizon"] == 20


@pytest.mark.parametrize("score", [0.0, 0.049])
def test_at_chance_nothing_is_remembered(score: float) -> None:
    result = record(F1, score, [(1, 0.0), (2, 0.0), (5, score)], stored=1)
    assert memory(result) == (None, False)
    assert row(result)["memory_horizon"] is None


def test_a_score_that_its_test_set_cannot_tell_from_chance_remembers_nothing() -> None:
    wide = {"blocks": ((0.0, 1.0), (0.4, 1.0))}
    result = a_result(score=a_score(**F1, **wide, score=0.2), context_use=((1, 0.1), (5, 0.2)), memory_horizon=5)
    assert memory(result) == (None, False)


def test_cut_inputs_that_never_beat_chance_tell_nothing() -> None:
    assert memory(record(F1, 0.4, [(1, 0.0), (2, 0.01), (5, 0.02)], stored=1)) == (None, False)


def test_a_horizon_from_the_score_and_one_in_an_unknown_unit_stand_as_they_are() -> None:
    assert memory(a_result(memory_horizon=7.5)) == (7.5, False)
    own = F1 | {"unit": "questions"}
    assert memory(record(own, 0.4, [(1, 0.2), (5, 0.4)], stored=5)) == (5, False)
    assert memory(record(own, 0.01, [(1, 0.2), (5, 0.4)], stored=5)) == (None, False)
    assert memory(a_result(score=None, context_use=((1, 0.2),), memory_horizon=1)) == (None, False)


@pytest.mark.parametrize(
    ("unit", "best", "higher", "expected"),
    [
        ("F1", 1.0, True, (0, 1)),
        ("fraction correct", 1.0, True, (0, 1)),
        ("squared value", 0.0, False, (0, float("inf"))),
        ("bits", 2.19, False, (0, float("inf"))),
        ("questions", 1.0, True, (float("-inf"), 1)),
        ("questions", 0.0, False, (0, float("inf"))),
        ("questions", 0.4, True, (float("-inf"), float("inf"))),
    ],
)
def test_what_values_a_score_can_have(unit: str, best: float, higher: bool, expected: tuple[float, float]) -> None:
    assert bounds(unit, best, higher) == expected
