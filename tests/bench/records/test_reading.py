"""Questions and readings: their keys and their text stay as they were written first."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from bench.records.cell import Versions
from bench.records.reading import Question, Reading
from bench.store.sealed import decode_as, encode, seal
from tests.support.factories import a_cell, a_flow, a_score

# As the version wrote it that knew neither probes nor attempts.
FIRST = {
    "schema_number": 1,
    "question": {
        "cell": "0123456789abcdef",
        "weights_sha256": "ab" * 32,
        "task": "adding",
        "length": 30,
        "versions": {"task": 1, "model": 3},
        "data": None,
    },
    "status": "ok",
    "score": a_score().model_dump(mode="json"),
    "seconds": 0.5,
    "provenance": None,
    "error": None,
}


def test_the_first_readings_are_read_and_written_as_they_were() -> None:
    reading = decode_as(Reading, 1, seal(FIRST))
    assert (reading.question.probe, reading.attempt, reading.gradient_flow) == (False, 1, None)
    assert json.loads(reading.model_dump_json()) == FIRST
    assert encode(reading) == seal(FIRST)
    assert reading.key == "960027c68789cdb3"


def test_what_was_added_is_kept() -> None:
    question = Question.of(a_cell(), "ab" * 32, 30, probe=True)
    reading = Reading(
        question=question, status="ok", gradient_flow=a_flow(20), attempt=2, carried="α", memory_horizon=3.0
    )
    again = decode_as(Reading, 1, encode(reading))
    assert again == reading
    assert again.question.label == "adding T30 for its gradients asked of " + a_cell().key


@pytest.mark.parametrize(
    "changes",
    [{"probe": True}, {"length": 31}, {"versions": Versions(task=1, model=2)}, {"weights_sha256": "cd" * 32}],
)
def test_each_part_of_a_question_has_a_part_in_its_key(changes: dict[str, object]) -> None:
    question = Question.of(a_cell(), "ab" * 32, 30)
    assert question.model_copy(update=changes).key != question.key


def test_a_word_that_is_no_status_is_refused() -> None:
    with pytest.raises(ValidationError, match="undefined"):
        Reading.model_validate_json(json.dumps(FIRST | {"status": "lost"}))
