"""Readings made by hand: what models of results made by hand answered at other lengths."""

from __future__ import annotations

from typing import Any

from bench.records.reading import Question, Reading
from bench.records.result import Result
from tests.support.results import make_blocks

WEIGHTS = "ab" * 32


def asked_result(result: Result) -> Result:
    """The result, with weights that can be asked."""
    return result.model_copy(update={"weights_sha256": WEIGHTS})


def make_reading(
    result: Result,
    length: int,
    score: float | None = None,
    *,
    n: int | None = None,
    probe: bool = False,
    **changes: Any,
) -> Reading:
    """What the model of a result answered at a length: a score, by the result's scale."""
    question = Question.of(result.cell, result.weights_sha256 or WEIGHTS, length, probe=probe)
    values: dict[str, Any] = {"question": question, "status": "ok"}
    if score is not None:
        assert result.score is not None
        tested = n or result.score.test_n
        update = {"score": score, "blocks": make_blocks(score), "validation_score": None, "test_n": tested}
        values["score"] = result.score.model_copy(update=update)
    return Reading(**(values | changes))
