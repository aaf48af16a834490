from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from bench.records.result import ANSWERS, LEARNING, SCHEMA, SHORT, Closeup, Curves, Picture, Result, Score
from tests.support.factories import SHAKESPEARE, a_cell, a_failure, a_result, a_score
from tests.support.measured import make_closeup


@pytest.mark.parametrize("result", [a_result(), a_result(a_cell(data=SHAKESPEARE)), a_failure()])
def test_json_gives_the_same_result_back(result: Result) -> None:
    again = Result.model_validate_json(result.model_dump_json())
    assert again == result
    assert again.cell.key == result.cell.key
    assert again.schema_number == SCHEMA


def as_json(**changes: Any) -> str:
    """A record's text with some paths (`score.unit`) set to other values; a value of ... removes the path."""
    content = json.loads(a_result().model_dump_json())
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = content
        for parent in parents:
            place = place[parent]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    "changes",
    [
        {"extra": 1},
        {"score.extra": 1},
        {"cell.extra": 1},
        {"cell.recipe.extra": 1},
        {"curves.extra": []},
        {"status": "fine"},
        {"status": ...},
        {"cell": ...},
        {"cell.seed": "0"},
        {"cell.seed": True},
        {"steps": 1.5},
        {"score.score": float("nan")},
        {"score.score": "0.1"},
        {"score.chance": float("inf")},
        {"score.extras": {"plateau": float("nan")}},
        {"score.floors": {"bigram": float("-inf")}},
        {"score.blocks": [[1.0]]},
        {"score.unit": None},
        {"curves.train_loss": [float("nan")]},
        {"curves.validation": [[1.5, 0.1]]},
        {"seconds.total": float("nan")},
        {"steps_per_second": float("inf")},
    ],
    ids=str,
)
def test_what_the_schema_does_not_say_is_refused(changes: dict[str, Any]) -> None:
    Result.model_validate_json(as_json())
    with pytest.raises(ValidationError):
        Result.model_validate_json(as_json(**changes))


def test_no_nan_is_ever_written() -> None:
    with pytest.raises(ValidationError, match="finite"):
        a_score(score=float("nan"))
    with pytest.raises(ValidationError, match="finite"):
        Curves(train_loss=(float("inf"),))
    assert Curves(train_loss=(None, 1.0)).train_loss == (None, 1.0)


@pytest.mark.parametrize(
    ("score", "chance", "best", "skill"),
    [(0.2, 0.2, 0.0, 0.0), (0.0, 0.2, 0.0, 1.0), (0.1, 0.2, 0.0, 0.5), (0.3, 0.2, 0.0, -0.5), (0.75, 0.5, 1.0, 0.5)],
)
def test_skill_is_linear_from_chance_to_best(score: float, chance: float, best: float, skill: float) -> None:
    assert a_score(score=score, chance=chance, best=best).skill == pytest.approx(skill)


def at_skill(skill: float) -> Score:
    return a_score(score=skill, chance=0.0, best=1.0, higher_is_better=True)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"score": None}, None),
        ({"score": None, "status": "diverged"}, None),
        ({"score": at_skill(0.9), "solved_at_step": 50}, "solved"),
        ({"score": at_skill(0.0), "solved_at_step": 0}, "solved"),
        ({"score": at_skill(LEARNING)}, "learning"),
        ({"score": at_skill(0.999)}, "learning"),
        ({"score": at_skill(LEARNING - 0.001), "steps": SHORT}, "at chance"),
        ({"score": at_skill(-0.5), "steps": SHORT}, "at chance"),
        ({"score": at_skill(0.0), "steps": SHORT - 1}, "budget-limited"),
    ],
)
def test_the_outcome_in_a_word(changes: dict[str, Any], outcome: str | None) -> None:
    assert a_result(**changes).outcome == outcome


def test_only_ok_and_diverged_are_answers() -> None:
    assert {"ok", "diverged"} == ANSWERS


def test_a_closeup_is_left_out_where_there_is_none_and_comes_back_where_there_is() -> None:
    assert '"closeup"' not in a_result().model_dump_json()
    held = a_result().model_copy(update={"closeup": make_closeup()})
    assert Result.model_validate_json(held.model_dump_json()).closeup == make_closeup()


@pytest.mark.parametrize(
    "changes",
    [
        {"symbols": {"input": ["a"]}},
        {"gates": {"forget": [[1, 2]]}},
        {"answered": [9]},
        {"attention": {"attention": [[1, 2, 3, 4, 5]]}},
        {"extra": 1},
    ],
    ids=str,
)
def test_a_closeup_whose_rows_do_not_fit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Closeup.model_validate_json(json.dumps(make_closeup().model_dump() | changes))


def test_the_finer_rows_of_a_picture_are_as_long_as_the_others_and_left_out_where_there_are_none() -> None:
    plain = Picture(name="attention", steps=(0, 1), rows=((0, 0),))
    assert "finer" not in plain.model_dump_json()
    finer = Picture(name="attention", steps=(0, 1), rows=((0, 0),), finer=((25, 25),))
    assert Picture.model_validate_json(finer.model_dump_json()) == finer
    with pytest.raises(ValidationError, match="as long as steps"):
        Picture(name="attention", steps=(0, 1), rows=((0, 0),), finer=((25,),))
