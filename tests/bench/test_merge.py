from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.merge import MEASURED, MergeError, main, merge
from bench.records.asked import Asked
from bench.records.result import Provenance, Result
from bench.store import Store
from bench.store.sealed import seal
from tests.support.factories import SHAKESPEARE, a_cell, a_failure, a_result, an_asked

WEIGHTS = b"weights"


def an_answer(seed: int, weights: bytes = WEIGHTS, **changes: Any) -> Result:
    values = {"weights_sha256": hashlib.sha256(weights).hexdigest()} | changes
    return a_result(a_cell(seed=seed), **values)


def a_store(path: Path, *results: Result, asked: Asked | None = None) -> Store:
    store = Store(path, create=True)
    for result in results:
        store.publish(result, WEIGHTS if result.weights_sha256 else None)
    if asked is not None:
        store.record_sweep(asked)
    return store


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


@pytest.fixture
def two(tmp_path: Path) -> tuple[Store, Store]:
    """Two stores with an answer in common, one of each one's own, failures, and the same sweep."""
    asked = an_asked(a_cell())
    first = a_store(tmp_path / "A", an_answer(0), an_answer(1), a_failure(a_cell(seed=7)), asked=asked)
    second = a_store(tmp_path / "B", an_answer(0), an_answer(2), a_failure(a_cell(seed=1)), asked=asked)
    return first, second


def test_the_joined_store_holds_what_both_hold(two: tuple[Store, Store], tmp_path: Path) -> None:
    before = [content(store.path) for store in two]
    merged, new = merge(list(two), tmp_path / "C")
    assert (len(merged.answers), new) == (3, 3)
    joined = Store(tmp_path / "C")
    assert {answer.cell.seed for answer in joined.answers()} == {0, 1, 2}
    for answer in joined.answers():
        assert joined.weights(answer.cell.key) == WEIGHTS
    assert sorted(failure.cell.seed for failure in joined.attempts()) == [1, 7], "also of a cell that has an answer"
    assert joined.sweeps() == [an_asked(a_cell())]
    assert [content(store.path) for store in two] == before, "the joined stores stay as they are"


def test_again_changes_nothing_and_the_order_does_not_matter(two: tuple[Store, Store], tmp_path: Path) -> None:
    merge(list(two), tmp_path / "C")
    once = content(tmp_path / "C")
    assert merge(list(two), tmp_path / "C")[1] == 0
    assert merge([*two, Store(tmp_path / "C")], tmp_path / "C")[1] == 0
    assert content(tmp_path / "C") == once
    merge(list(two)[::-1], tmp_path / "D")
    assert content(tmp_path / "D") == once


def test_one_of_the_stores_may_be_the_target(two: tuple[Store, Store]) -> None:
    first, second = two
    before = content(first.path)
    assert merge([first, second], first.path)[1] == 1
    assert before.items() <= content(first.path).items()
    assert len(list(first.answers())) == 3


def test_what_an_interruption_left_out_is_added(two: tuple[Store, Store], tmp_path: Path) -> None:
    merge(list(two), tmp_path / "C")
    whole = content(tmp_path / "C")
    for name in list(whole)[::2]:
        (tmp_path / "C" / name).unlink()
    joined = Store(tmp_path / "C")
    missing = [answer for answer in joined.answers() if not joined._weights(answer.cell.key).exists()]
    for answer in missing:  # weights are written first: an answer without its own is no leftover of ours
        joined.cells.file(answer.cell.key).unlink()
    merge(list(two), tmp_path / "C")
    assert content(tmp_path / "C") == whole


def test_failures_are_numbered_anew_and_none_is_lost(tmp_path: Path) -> None:
    first = a_store(tmp_path / "A", a_failure(error="one"), a_failure(error="two"), a_failure(error="two"))
    second = a_store(tmp_path / "B", a_failure(error="two"), a_failure(error="three"))
    for _ in range(2):
        merge([first, second], tmp_path / "C")
        found = list(Store(tmp_path / "C").attempts())
        assert sorted(str(failure.error) for failure in found) == ["one", "three", "two", "two"]
        assert [failure.attempt for failure in found] == [1, 2, 3, 4]


# -- two answers to one cell -------------------------------------------------------------------------------------------


def provenance(device: str) -> Provenance:
    return Provenance(
        started="2030-01-01T00:00:00",
        device=device,
        platform="Linux",
        python="3.11",
        libraries={},
        threads=1,
        git_commit=None,
        git_dirty=None,
    )


def test_two_measurements_may_differ_in_when_where_and_how_fast(tmp_path: Path) -> None:
    first = a_store(tmp_path / "A", an_answer(0, steps_per_second=1.0, provenance=provenance("cpu")))
    second = a_store(tmp_path / "B", an_answer(0, steps_per_second=2.0, provenance=provenance("H200")))
    merge([first, second], tmp_path / "C")
    (kept,) = Store(tmp_path / "C").answers()
    assert kept.steps_per_second == 1.0, "the first store's stays"
    assert set(MEASURED) <= set(Result.model_fields)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"steps": 19}, "in steps"),
        ({"status": "diverged", "score": None}, "in score, status"),
        ({"weights_sha256": None}, "in weights_sha256"),
    ],
)
def test_conflicting_answers_are_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    first = a_store(tmp_path / "A", an_answer(1), an_answer(0, provenance=provenance("cpu")))
    second = a_store(tmp_path / "B", an_answer(0, provenance=provenance("H200"), **changes))
    with pytest.raises(MergeError) as caught:
        merge([first, second], tmp_path / "C")
    message = str(caught.value)
    assert named in message
    assert "A (measured on cpu)" in message
    assert "B (on H200)" in message
    assert f"remove cells/{a_cell().key}.json" in message
    assert not (tmp_path / "C").exists(), "nothing is written"
    with pytest.raises(MergeError):
        merge([second], first.path)
    assert len(list(first.answers())) == 2


# -- stores that cannot be joined --------------------------------------------------------------------------------------


def test_stores_of_different_schemas_are_refused(two: tuple[Store, Store], tmp_path: Path) -> None:
    first, second = two
    old = a_result(a_cell(seed=5), weights_sha256=None, schema_number=0)
    (second.path / "cells" / f"{old.cell.key}.json").write_bytes(seal(old.model_dump(mode="json")))
    with pytest.raises(MergeError, match=r"A holds records of schema 2, .*B of schema 0: stores are joined only where"):
        merge([first, second], tmp_path / "C")
    new = old.model_copy(update={"schema_number": 99})
    (second.path / "cells" / f"{old.cell.key}.json").write_bytes(seal(new.model_dump(mode="json")))
    assert said(first.path, second.path, into=tmp_path / "C") == (
        2,
        "B cannot be joined: a record of schema 99 was written by a newer version",
    )
    assert not (tmp_path / "C").exists()


@pytest.mark.parametrize("folder", ["cells", "failures", "sweeps", "weights"])
def test_a_flipped_byte_anywhere_is_refused(two: tuple[Store, Store], tmp_path: Path, folder: str) -> None:
    first, second = two
    path = next((second.path / folder).iterdir())
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    code, _ = said(first.path, second.path, into=tmp_path / "C")
    assert code == 2
    assert not (tmp_path / "C").exists()


def test_a_failure_that_is_no_store_and_none_at_all(tmp_path: Path) -> None:
    assert said(tmp_path / "missing", into=tmp_path / "C") == (2, "no store at")
    assert said(into=tmp_path / "C") == (2, "expected one store or more, got none")
    assert not (tmp_path / "C").exists()
    a_store(tmp_path / "A", an_answer(0))
    (tmp_path / "file").write_text("in the way")
    assert said(tmp_path / "file", into=tmp_path / "C") == (2, "no store at")
    assert said(tmp_path / "A", into=tmp_path / "file") == (2, "Not a directory. Give a writable folder with --into.")
    (tmp_path / "folder").mkdir()
    assert said(tmp_path / "A", tmp_path / "folder", into=tmp_path / "C") == (2, "no store at")
    assert not (tmp_path / "C").exists()


SAID = (
    "B cannot be joined: a record of schema 99 was written by a newer version",
    "Not a directory. Give a writable folder with --into.",
    "no store at",
    "expected one store or more, got none",
    "is corrupt",
    "is not what its record says",
)


def said(*stores: Path, into: Path) -> tuple[int, str]:
    """The exit code, and which of the known messages was the one line on standard error."""
    command = [sys.executable, "-m", "bench.merge", *map(str, stores), "--into", str(into)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=60, check=False)
    (line,) = done.stderr.splitlines()
    assert line.startswith("bench.merge: ")
    (message,) = [known for known in SAID if known in line]
    return done.returncode, message


def test_the_command_says_what_it_did(
    two: tuple[Store, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*(str(store.path) for store in two), "--into", str(tmp_path / "C")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'C'}: 3 answers (3 new), 2 failures, 1 sweeps\n"


# -- what was asked ----------------------------------------------------------------------------------------------------


def test_of_a_cell_whose_data_one_store_knows_the_known_data_stay(tmp_path: Path) -> None:
    known = an_asked(a_cell(data=SHAKESPEARE), a_cell(seed=1))
    unknown = an_asked(unknown=[a_cell()])
    for number, pair in enumerate([(known, unknown), (unknown, known)]):
        stores = [a_store(tmp_path / f"{number}{place}", asked=asked) for place, asked in enumerate(pair)]
        merge(stores, tmp_path / f"C{number}")
        assert Store(tmp_path / f"C{number}").sweeps() == [known]


def test_a_sweep_in_other_words_is_refused(two: tuple[Store, Store], tmp_path: Path) -> None:
    first, second = two
    (second.path / "sweeps" / "cd.json").write_bytes(seal({"sweep": {}}))
    with pytest.raises(MergeError, match=r"cd\.json is a sweep in the words of another version"):
        merge([first, second], tmp_path / "C")
    assert not (tmp_path / "C").exists()
