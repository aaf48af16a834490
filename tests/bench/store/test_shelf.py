"""Answers and failed attempts of questions: as of cells, in folders of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.records.reading import Question, Reading, Standing
from bench.store import Store, StoreError
from bench.store.sealed import encode
from tests.support.factories import a_cell, a_score

QUESTION = Question.of(a_cell(), "ab" * 32, 30)


def a_reading(status: Standing = "ok", **changes: object) -> Reading:
    return Reading(question=QUESTION, status=status, score=a_score() if status == "ok" else None, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", create=True)


@pytest.mark.parametrize("status", ["ok", "diverged", "undefined"])
def test_an_answer_is_published_once(store: Store, status: Standing) -> None:
    assert store.publish_reading(a_reading(status, seconds=1.0))
    assert not store.publish_reading(a_reading(status, seconds=2.0))
    held = store.readings.answer(QUESTION.key)
    assert held is not None
    assert (held.status, held.seconds) == (status, 1.0)
    assert [record.key for record in store.kept("readings")] == [QUESTION.key]


def test_attempts_are_counted_until_there_is_an_answer(store: Store) -> None:
    for error in ("first", "second"):
        assert store.publish_reading(a_reading("crashed", error=error))
    (last,) = store.readings.failures().values()
    assert (last.attempt, last.error, store.readings.tried(QUESTION.key)) == (2, "second", 2)
    assert store.readings.failed(QUESTION.key, 2)
    assert not store.readings.failed(QUESTION.key, 3)
    store.publish_reading(a_reading())
    assert store.readings.failures() == {}
    assert (store.results(), store.failures()) == ([], {}), "questions are no cells"


@pytest.mark.parametrize(
    ("folder", "name", "status"),
    [
        ("readings", QUESTION.key, "crashed"),  # a failed attempt is no answer
        ("readings", "0" * 16, "ok"),
        ("unanswered", f"{QUESTION.key}-1", "ok"),
        ("unanswered", f"{QUESTION.key}-2", "crashed"),  # it is the first
    ],
)
def test_a_reading_under_another_name_is_corrupt_and_moved_aside(
    store: Store, folder: str, name: str, status: Standing
) -> None:
    path = store.path / folder / f"{name}.json"
    path.write_bytes(encode(a_reading(status)))
    assert store.set_aside() == [path.name]
    assert not path.exists()
    assert len(list((store.path / "corrupt").iterdir())) == 1


def test_a_reading_of_a_newer_schema_is_said(store: Store) -> None:
    (store.path / "readings" / f"{QUESTION.key}.json").write_bytes(encode(a_reading(schema_number=2)))
    with pytest.raises(StoreError, match="newer version"):
        list(store.kept("readings"))
