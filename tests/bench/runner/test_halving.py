"""Rates that another one beats are stopped; all others come to their end."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Terminal

from bench import status
from bench.cli.console import Console
from bench.records.cell import Cell
from bench.records.job import Finished, Job
from bench.records.result import Result, Score
from bench.records.rung import Rung
from bench.records.sweep import Sweep
from bench.runner import halving, runner
from bench.runner.runner import Outcome
from bench.store import Store
from reports import table
from tests.support.factories import a_recipe, a_result, a_score
from tests.support.fake_engine import FakeEngine

RATES = (1e-3, 3e-3, 1e-2)
Value = Callable[[Cell, int], float]


def at(value: float, width: float = 0.001) -> Score:
    """A score whose interval is a few times as wide as `width` on either side. Chance is .2, lower is better."""
    blocks = tuple((value + (-1) ** i * width, 1.0) for i in range(64))
    return a_score(score=sum(n for n, _ in blocks) / 64, blocks=blocks)


class Pausing(FakeEngine):
    """Pauses every job that says so, with a score by cell and step; `ends` holds results of cells that end before."""

    def __init__(self, value: Value, ends: Callable[[Cell], Result | None] = lambda cell: None) -> None:
        super().__init__()
        self.value, self.ends = value, ends

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Finished]:
        for job in jobs:
            assert job is not None
            self.ran.append(job)
            if (ended := self.ends(job.cell)) is not None:
                yield Finished(ended, b"weights")
            elif job.until is None:
                yield Finished(a_result(job.cell, score=at(self.value(job.cell, 1000))), b"weights")
            else:
                yield Finished(Rung(cell=job.cell, step=job.until, score=at(self.value(job.cell, job.until))))


class Bench:
    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "results", create=True)
        self.text = io.StringIO()

    def execute(self, engine: Pausing, seeds: str = "0", **options: Any) -> Outcome:
        fields = {"tasks": "adding", "models": "lstm", "lengths": "10", "steps": 400, "halving": True}
        sweep = Sweep(**({**fields, "seeds": seeds, "learning_rates": RATES} | options))
        console = Console(Terminal(file=self.text, width=200))
        return runner.execute([sweep], self.store, engine, console, lambda *_: None)

    @property
    def stopped(self) -> dict[tuple[float, int], int]:
        (asked,) = self.store.sweeps()
        cells = {(item.cell.recipe.learning_rate, item.cell.seed): item.stopped for item in asked.cells}
        return {key: step for key, step in cells.items() if step is not None}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def by_rate(*values: float) -> Value:
    return lambda cell, step: values[RATES.index(cell.recipe.learning_rate)]


def ran(engine: Pausing) -> list[tuple[float, int | None]]:
    return sorted(((job.cell.recipe.learning_rate, job.until) for job in engine.ran), key=str)


def test_a_rate_that_is_beaten_is_stopped_and_is_neither_missing_nor_failed(bench: Bench) -> None:
    engine = Pausing(by_rate(0.15, 0.05, 0.0502))
    outcome = bench.execute(engine)
    assert ran(engine) == [
        (0.001, 100), (0.003, 100), (0.003, 200), (0.003, None), (0.01, 100), (0.01, 200), (0.01, None)
    ]  # fmt: skip
    assert bench.stopped == {(0.001, 0): 100}
    assert (outcome.exit_code, len(outcome.keys)) == (0, 2)
    assert "stopped at 100: another rate is better by more than both intervals" in bench.text.getvalue()
    assert "on validation after 100 steps, paused to compare rates" in bench.text.getvalue()
    assert list(Store(bench.store.path).kept("rungs"))
    shown = io.StringIO()
    table.show(Store(bench.store.path), Terminal(file=shown, width=200), outcome.keys)
    assert "stopped at 100 steps: 1 cell of rates 1e-3, where another was better by" in shown.getvalue()
    assert "no result yet" not in shown.getvalue()
    assert status.main([str(bench.store.path)]) == 0


def test_the_same_command_again_runs_nothing(bench: Bench) -> None:
    bench.execute(Pausing(by_rate(0.15, 0.05, 0.1)))
    stopped, before = bench.stopped, sorted(path.name for path in bench.store.path.rglob("*.json"))
    again = Pausing(by_rate(0.0, 0.0, 0.0))
    assert bench.execute(again).exit_code == 0
    assert again.ran == []
    assert bench.stopped == stopped == {(0.001, 0): 100, (0.01, 0): 100}
    assert sorted(path.name for path in bench.store.path.rglob("*.json")) == before


def test_a_rate_may_be_stopped_at_the_second_look(bench: Bench) -> None:
    bench.execute(Pausing(lambda cell, step: 0.05 if cell.recipe.learning_rate == 0.01 and step >= 200 else 0.1))
    assert bench.stopped == {(0.001, 0): 200, (0.003, 0): 200}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param((0.2, 0.21, 0.195), id="all at chance"),
        pytest.param((0.05, 0.0502, 0.0504), id="within the intervals"),
    ],
)
def test_else_every_rate_comes_to_its_end(bench: Bench, values: tuple[float, ...]) -> None:
    engine = Pausing(by_rate(*values))
    assert bench.execute(engine).exit_code == 0
    assert bench.stopped == {}
    assert len(engine.ran) == 9


def test_every_seed_of_a_rate_is_stopped_or_none(bench: Bench) -> None:
    """Else a rate would be judged by fewer seeds than another."""
    bench.execute(Pausing(lambda cell, step: by_rate(0.15, 0.05, 0.15 if cell.seed else 0.05)(cell, step)), "0,1")
    assert bench.stopped == {(0.001, 0): 100, (0.001, 1): 100}


def test_a_solved_rate_beats_what_is_clearly_not_solved(bench: Bench) -> None:
    def ends(cell: Cell) -> Result | None:
        return a_result(cell, solved_at_step=50) if cell.recipe.learning_rate == 0.01 else None

    bench.execute(Pausing(by_rate(0.1, 0.0102, 0.0), ends))
    assert bench.stopped == {(0.001, 0): 100}, "solved from .01 on, and the second rate may be"


def test_a_diverged_rate_beats_nothing_and_its_answer_stays(bench: Bench) -> None:
    def ends(cell: Cell) -> Result | None:
        return a_result(cell, status="diverged", score=None) if cell.recipe.learning_rate == 0.01 else None

    outcome = bench.execute(Pausing(by_rate(0.1, 0.1, 0.0), ends))
    assert (bench.stopped, len(outcome.results), outcome.exit_code) == ({}, 3, 0)


def test_a_rate_of_which_a_seed_failed_goes_on(bench: Bench) -> None:
    def ends(cell: Cell) -> Result | None:
        failed = (cell.recipe.learning_rate, cell.seed) == (0.001, 1)
        return a_result(cell, status="error", error="RuntimeError", score=None) if failed else None

    outcome = bench.execute(Pausing(by_rate(0.15, 0.05, 0.05), ends), "0,1")
    assert (bench.stopped, outcome.exit_code) == ({}, 1)


def test_the_looks_are_validations_within_the_steps() -> None:
    recipe = a_recipe(steps=600, evaluate_every=50)
    assert [halving.pause(recipe, level) for level in (0, 1)] == [150, 300]
    assert [halving.pause(a_recipe(steps=300, evaluate_every=100), level) for level in (0, 1)] == [100, 200]
    assert [halving.pause(a_recipe(steps=20, evaluate_every=20), level) for level in (0, 1)] == [None, None]


def test_one_rate_cannot_be_chosen_from_and_else_no_sweep_has_another_name() -> None:
    with pytest.raises(ValueError, match=r"--halving: expected several rates to choose from\. Give --learning-rates"):
        Sweep(halving=True)
    assert "halving" not in Sweep(learning_rates=RATES).described()
    assert Sweep(learning_rates=RATES, halving=True).hash != Sweep(learning_rates=RATES).hash
