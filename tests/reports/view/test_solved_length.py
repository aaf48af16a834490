"""T* has one owner: the same in table, overview, page and any view, whatever is missing, failed or diverged."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from bench.records.asked import AskedCell
from bench.records.cell import DataIdentity
from bench.records.result import Result
from reports import table
from reports.page.payload import payload
from reports.summary.grouping import Reach
from reports.text import words
from reports.view import View
from tests.support.results import make_result

LENGTHS = (10, 100, 1000)


def cells(seeds: int = 3, lengths: tuple[int, ...] = LENGTHS, **common: Any) -> list[AskedCell]:
    made = (make_result(length=length, seed=seed, **common) for length in lengths for seed in range(seeds))
    return [AskedCell(result.cell) for result in made]


def at(length: int, marks: str, **common: Any) -> list[Result]:
    """One result per mark: s solved, u unsolved, d diverged, f failed."""
    kinds: dict[str, dict[str, Any]] = {
        "s": {"score": 0.005, "solved_at": 100},
        "u": {"score": 0.1},
        "d": {"status": "diverged", "score": None},
        "f": {"status": "timeout", "score": None, "device": None},
    }
    return [make_result(length=length, seed=seed, **kinds[mark], **common) for seed, mark in enumerate(marks)]


def everywhere(view: View) -> set[str]:
    """T* of the only line as table, page and view have it."""
    (topic,) = view.topics
    (line,) = topic.lines
    (shown,) = payload("results", view)["topics"][0]["lines"]
    file = io.StringIO()
    table.print_text(view, "overview", Console(file=file, width=150))
    lines = file.getvalue().splitlines()
    first = next(number for number, text in enumerate(lines) if text.startswith("gru"))
    below = lines[first + 1].split()
    said = " ".join([lines[first].split()[-1], *(word for word in below if word == "incomplete")])
    return {words.solved_length(line.solved).replace("\n", " "), shown["solved_text"], said}


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({10: "sss", 100: "sss", 1000: "sss"}, "1000"),
        ({10: "sss", 1000: "sss"}, "10 incomplete"),  # 100 is missing
        ({100: "sss", 1000: "sss"}, "<10 incomplete"),  # 10 is missing
        ({10: "ss", 100: "s", 1000: "sss"}, "10 incomplete"),  # one of the three seeds asked for
        ({10: "ss", 100: "ss", 1000: "uu"}, "100"),  # two of three decide, whatever the third does
        ({10: "ssu", 100: "sff"}, "10"),  # a failed seed did not solve; 1000 cannot help
        ({10: "ssd", 100: "sdd", 1000: "sss"}, "10"),
        ({10: "ssu", 100: "ssd"}, "100 incomplete"),
        ({10: "uuu"}, "<10"),
    ],
)
def test_every_length_asked_for_is_solved_by_most_of_the_seeds_asked_for(stored: dict[int, str], expected: str) -> None:
    results = [result for length, marks in stored.items() for result in at(length, marks)]
    assert everywhere(View.of(results, asked=cells())) == {expected}


def test_without_a_record_of_what_was_asked_the_stored_lengths_count() -> None:
    assert everywhere(View.of([*at(100, "sss"), *at(1000, "suu")])) == {"100"}
    assert everywhere(View.of(at(1000, "suu"))) == {"<1000"}


def test_a_part_of_the_store_shows_the_length_of_the_whole() -> None:
    results = [*at(10, "uuu"), *at(100, "sss"), *at(1000, "sss")]
    part = View.of(results[3:], everything=results, asked=cells())
    assert part.topics[0].lengths == [100, 1000]
    assert part.topics[0].lines[0].solved == Reach(0, 10, complete=True)


def test_missing_rates_leave_open_what_no_stored_rate_solves() -> None:
    both = [*cells(lengths=(10,)), *cells(lengths=(10,), learning_rate=0.001)]
    assert everywhere(View.of(at(10, "uuu"), asked=both)) == {"<10 incomplete"}
    assert everywhere(View.of(at(10, "sss"), asked=both)) == {"10"}


@pytest.mark.parametrize(
    "other",
    [
        {"model": "lstm"},
        {"clip": 0.5},
        {"model_version": 2},
        {"task": "copying"},
        {"data": DataIdentity(name="mine", sha256="0" * 64)},
    ],
    ids=str,
)
def test_what_is_missing_elsewhere_does_not_count_here(other: dict[str, Any]) -> None:
    asked = [*cells(lengths=(10, 1000)), *cells(lengths=(100,), **other)]
    found = View.of([*at(10, "sss"), *at(1000, "sss")], asked=asked)
    assert found.topics[0].lines[0].solved == Reach(1000, 10, complete=True)


def test_a_corpus_that_was_not_found_may_be_any() -> None:
    asked = [AskedCell(item.cell, known=False) for item in cells()]
    found = at(10, "sss", data=DataIdentity(name="mine", sha256="0" * 64))
    assert View.of(found, asked=asked).topics[0].lines[0].solved == Reach(10, 10, complete=False)


def test_text_is_never_solved() -> None:
    view = View.of([make_result("char_lm", score=2.9)], asked=cells(task="char_lm"))
    assert view.topics[0].lines[0].solved is None
    assert words.solved_length(None) == ""
