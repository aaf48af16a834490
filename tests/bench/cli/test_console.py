from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console as Terminal

from bench.cli.console import Console, described
from bench.records.cell import Cell
from bench.records.estimate import Estimate, duration
from bench.records.result import Result, Seconds
from tests.support.factories import a_cell, a_failure, a_recipe, a_result, a_score


def taking(seconds: float) -> Seconds:
    return Seconds(**(dict.fromkeys(Seconds.model_fields, 0.0) | {"total": seconds, "train": seconds}))


# -- one line per cell -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"score": a_score(score=0.123456)},
            "adding / lstm / T10 / seed 0 / rate 0.01  0.1235 squared value (chance 0.2)  learning  1.0 s",
        ),
        (
            {"score": a_score(score=0.001), "solved_at_step": 350},
            "adding / lstm / T10 / seed 0 / rate 0.01  0.001 squared value (chance 0.2)  solved at step 350  1.0 s",
        ),
        (
            {"score": a_score(score=0.2), "seconds": None},
            "adding / lstm / T10 / seed 0 / rate 0.01  0.2 squared value (chance 0.2)  budget-limited",
        ),
        ({"score": None, "status": "diverged"}, "adding / lstm / T10 / seed 0 / rate 0.01  diverged"),
        (
            {"score": None, "status": "error", "error": "ValueError: [bold]no[/]\n  here"},
            "adding / lstm / T10 / seed 0 / rate 0.01  error  ValueError: [bold]no[/]",
        ),
        ({"score": None, "status": "crashed", "error": ""}, "adding / lstm / T10 / seed 0 / rate 0.01  crashed"),
    ],
)
def test_a_finished_cell_in_one_line(changes: dict[str, Any], line: str) -> None:
    assert described(a_result(**changes)).plain.rstrip() == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (5400, "1.5 h"), (360000, "100.0 h")],
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# -- the estimate ------------------------------------------------------------------------------------------------------


def cell(model: str = "lstm", length: int = 10, task: str = "adding", steps: int = 20) -> Cell:
    return a_cell(task=task, model=model, length=length, recipe=a_recipe(steps=steps))


def test_an_estimate_learns_how_fast_the_machine_is_and_what_each_kind_takes() -> None:
    estimate, before = Estimate(), Estimate()
    slow = 10.0  # a machine that takes ten times as long as guessed, but for gru, which takes thirty
    for model, factor in {"rnn": slow, "lstm": slow, "attention": slow, "gru": 3 * slow}.items():
        for length in (10, 100, 1000):
            one = cell(model, length)
            estimate.learn(one, factor * before.seconds(one))
    for asked, factor in {cell("transformer"): slow, cell(task="copying"): slow, cell("gru", 30): 3 * slow}.items():
        assert estimate.seconds(asked) / before.seconds(asked) == pytest.approx(factor, rel=0.4)
    assert estimate.seconds(cell("gru", 100)) / before.seconds(cell("gru", 100)) == pytest.approx(3 * slow, rel=0.25)


def test_one_odd_cell_does_not_spoil_an_estimate() -> None:
    estimate = Estimate()
    for seconds in (2.0, 2.0, 900.0):
        estimate.learn(cell(), seconds)
    assert estimate.seconds(cell()) == pytest.approx(2.0, rel=0.7)


def test_a_cell_without_steps_is_estimated_too() -> None:
    estimate = Estimate()
    assert estimate.seconds(cell(steps=0)) >= 0
    for _ in range(9):
        estimate.learn(cell(steps=0), 1.0)
    assert estimate.seconds(cell(steps=0)) == pytest.approx(1.0, rel=0.05)


def test_where_there_is_no_terminal_the_time_left_is_said_as_it_is_learned() -> None:
    console, text = a_console()
    cells = [a_cell(seed=number) for number in range(12)]
    console.start(cells, stored=0, workers=1)
    for one in cells:
        console.finished(a_result(one, seconds=taking(60.0)))
    said = [line for line in text.getvalue().splitlines() if line.startswith("about ")]
    assert said == ["about 10 min left", "about 6 min left", "about 3 min left"]


# -- without a terminal ------------------------------------------------------------------------------------------------


def a_console(**options: Any) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(Terminal(file=text, **({"width": 200} | options))), text


def test_plain_lines_where_there_is_no_terminal() -> None:
    console, text = a_console(width=40)
    cells = [cell(length=length) for length in (10, 20, 30)]
    console.start(cells, stored=2, workers=2)
    console.working(0, cells[0], 3, 20)
    console.finished(a_result(cells[0]))
    console.skipped(cells[1])
    console.finished(a_failure(cells[2]))
    console.note("a [note] that is longer than the width of the page")
    console.stop()
    assert text.getvalue().splitlines() == [
        "5 cells: 2 stored, 3 to run on 2 workers",
        f"[3/5] {described(a_result(cells[0])).plain}",
        f"[5/5] {described(a_failure(cells[2])).plain}",
        "a [note] that is longer than the width of the page",
    ]
    assert "\x1b" not in text.getvalue()


def test_the_time_left_is_what_waits_shared_among_the_workers() -> None:
    console, _ = a_console()
    cells = [cell(task=task) for task in ("adding", "copying", "char_lm", "ner")]
    console.start(cells, stored=0, workers=2)
    console.finished(a_result(cells[0], seconds=taking(4.0)))
    assert console.seconds_left == pytest.approx(6.0)
    console.working(0, cells[1], 10, 20)
    assert console.seconds_left == pytest.approx(5.0), "half of one is done"
    console.skipped(cells[2])
    assert console.seconds_left == pytest.approx(4.0), "no shorter than the longest that has not begun"
    console.skipped(cells[3])
    assert console.seconds_left == pytest.approx(2.0)
    console.working(0, None, 0, 0)
    console.finished(a_result(cells[1], seconds=taking(4.0)))
    assert console.seconds_left == 0.0


def test_a_cell_skipped_twice_counts_once() -> None:
    console, text = a_console()
    console.start([cell(), cell("gru")], stored=0, workers=1)
    console.skipped(cell())
    console.skipped(cell())
    console.finished(a_result(cell("gru")))
    assert "[2/2]" in text.getvalue()


# -- in a terminal -----------------------------------------------------------------------------------------------------


def test_a_terminal_shows_bar_workers_and_newest_scores() -> None:
    console, text = a_console(force_terminal=True, width=100, height=30, color_system=None)
    cells = [cell(task=task) for task in ("adding", "copying", "ner")]
    console.start(cells, stored=1, workers=2)
    console.working(0, cells[1], 10, 20)
    console.working(1, cells[2], 0, 20)
    console.finished(a_result(cells[0], seconds=taking(4.0)))
    shown = text.getvalue()
    assert "2/4" in shown
    assert "about 4 s left" in shown
    assert "worker 0" in shown
    assert "copying / lstm / T10" in shown
    assert "worker 1" in shown
    assert "ner / lstm / T10" in shown
    assert "0.02 squared value (chance 0.2)  learning" in shown
    assert "[2/4]" not in shown, "a terminal gets the picture, not the plain lines"
    console.stop()


def drawn(console: Console, text: io.StringIO, result: Result) -> list[str]:
    """The lines that a terminal shows after a cell ended."""
    text.seek(0)
    text.truncate()
    console.finished(result)
    return [line.rpartition("\r")[2].rpartition("\x1b[2K")[2].rstrip() for line in text.getvalue().split("\n")]


def test_at_80_columns_a_cell_is_never_cut_and_only_the_newest_are_shown() -> None:
    console, text = a_console(force_terminal=True, width=80, height=40, color_system=None)
    entry = "some.very.long.module.name:AndClass:layers=2:width=8"
    cells = [a_cell(task="running_average", model=entry, length=1000, seed=seed) for seed in range(8)]
    console.start(cells, stored=0, workers=1)
    console.working(0, cells[-1], 1, 20)
    for one in cells[:-1]:
        console.finished(a_result(one, score=a_score(score=0.123456), solved_at_step=350))
    lines = drawn(console, text, a_result(cells[-1], score=a_score(score=0.123456), solved_at_step=350))
    assert all(len(line) <= 80 for line in lines)
    shown = "".join(line.strip() for line in lines).replace(" ", "")
    assert [seed for seed in range(8) if cells[seed].label.replace(" ", "") in shown] == [3, 4, 5, 6, 7]
    assert sum("solved at step 350" in line for line in lines) == 5
    console.stop()


def test_a_short_cell_and_what_became_of_it_share_a_line() -> None:
    console, text = a_console(force_terminal=True, width=120, height=30, color_system=None)
    console.start([cell()], stored=0, workers=1)
    lines = drawn(console, text, a_result(cell(), seconds=taking(4.0)))
    assert any("adding / lstm / T10" in line and line.endswith("4.0 s") for line in lines)
    console.stop()


def test_cells_that_failed_say_where_once_for_each_error() -> None:
    console, text = a_console()
    place = "ValueError: no\n  trial.py:70 in _attempt\n  " + "deep" * 60 + ".py:3 in step\n"
    failed = [a_failure(cell(length=length)).model_copy(update={"error": place}) for length in (10, 20, 30)]
    other = a_failure(cell("gru")).model_copy(update={"error": "OSError: disk"})
    console.failed([*failed, other])
    assert text.getvalue().splitlines() == [
        f"{failed[0].status}: {failed[0].cell.label}, and 2 more",
        "    ValueError: no",
        "      trial.py:70 in _attempt",
        "      " + "deep" * 60 + ".py:3 in step",
        f"{other.status}: {other.cell.label}",
        "    OSError: disk",
    ]
