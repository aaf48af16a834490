from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Terminal

from bench.catalog import CatalogError, card
from bench.cli.console import Console
from bench.engines.local import LocalEngine
from bench.records.cell import Cell, DataIdentity
from bench.records.errors import UsageError
from bench.records.job import Source
from bench.records.result import Result
from bench.records.sweep import Sweep
from bench.runner import runner
from bench.runner.plan import Request, Resolved, plan
from bench.runner.runner import Outcome
from bench.store import Store
from bench.store.leases import EXPIRY, Leases
from tests.support.factories import a_failure, a_result
from tests.support.fake_engine import FakeEngine

REAL = DataIdentity(name="shakespeare", sha256="ab" * 32)


class Bench:
    """A store, and what `execute` needs beside."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "results", create=True)
        self.text = io.StringIO()
        self.asked: list[tuple[str, bool]] = []
        self.here: dict[str, Resolved] = {"shakespeare": Resolved(REAL, Source("shakespeare", folder))}
        self.away: dict[str, Resolved] = {}

    def resolve(self, request: Request, download: bool) -> Resolved | None:
        self.asked.append((request.corpus, download))
        return self.here.get(request.corpus) or (self.away[request.corpus] if download else None)

    def execute(self, engine: LocalEngine, **options: Any) -> Outcome:
        """A sweep of adding with two models at two lengths, unless other fields are given."""
        retry, part = options.pop("retry_failed", False), options.pop("part", None)
        console = Console(Terminal(file=self.text, width=200))
        sweep = a_sweep(**options)
        return runner.execute([sweep], self.store, engine, console, self.resolve, retry_failed=retry, part=part)

    @property
    def lines(self) -> list[str]:
        return self.text.getvalue().splitlines()


def a_sweep(**values: Any) -> Sweep:
    return Sweep(**({"tasks": "adding", "models": "rnn,lstm", "lengths": "20,10", "budget": "smoke"} | values))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# -- the plan ----------------------------------------------------------------------------------------------------------


def test_the_shortest_come_first_and_else_the_order_asked_for() -> None:
    cells = [planned.cell for planned in plan(a_sweep(tasks="copying,adding", models="lstm,rnn", seeds="1,0"))]
    assert [(cell.length, cell.task, cell.model, cell.seed) for cell in cells] == [
        (length, task, model, seed)
        for length in (10, 20)
        for task in ("copying", "adding")
        for model in ("lstm", "rnn")
        for seed in (1, 0)
    ]


def test_every_combination_is_one_cell() -> None:
    sweep = a_sweep(seeds="0,1,2", learning_rates="0.1,0.2")
    cells = [planned.cell for planned in plan(sweep)]
    assert len({cell.key for cell in cells}) == len(cells) == 1 * 2 * 2 * 3 * 2


def test_entries_become_canonical() -> None:
    asked = "rnn:activation=relu:layers=1,rnn:activation=relu,r:layers=01:activation=relu"
    (cell,) = (planned.cell for planned in plan(a_sweep(tasks="adding:marks=halves", models=asked, lengths="10")))
    assert (cell.task, cell.model) == ("adding", "rnn:activation=relu")


def test_each_model_has_its_documented_rate_and_text_has_equal_tokens() -> None:
    planned = plan(a_sweep(tasks="adding,char_lm", lengths="10,100,1000"))
    for item in planned:
        assert item.cell.recipe.learning_rate == card("model", item.cell.model).documented_learning_rate
        if item.cell.task == "char_lm":
            assert item.request == Request("shakespeare", "python")
            assert abs(item.cell.recipe.batch_size * item.cell.length - 3200) <= item.cell.length / 2
        else:
            assert item.request is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tasks": "ner", "lengths": "10,3"}, "task ner: length must be at least 4, got 3. Change --lengths."),
        ({"tasks": "addding"}, "unknown task: 'addding'. Did you mean 'adding'?"),
        ({"models": "rnn,lstn"}, "unknown model: 'lstn'. Did you mean 'lstm'?"),
        ({"models": "rnn:activaton=relu"}, "unknown option of model rnn: 'activaton'. Did you mean 'activation'?"),
        ({"models": "rnn:activation=relo"}, "option 'activation' expects"),
    ],
)
def test_what_does_not_exist_ends_before_anything_runs(bench: Bench, values: dict[str, Any], message: str) -> None:
    engine = FakeEngine()
    with pytest.raises(CatalogError) as error:
        bench.execute(engine, **values)
    assert message in str(error.value)
    assert (engine.ran, bench.store.sweeps(), bench.asked) == ([], [], [])


# -- running -----------------------------------------------------------------------------------------------------------


def test_a_sweep_is_written_down_then_run_stored_and_shown(bench: Bench) -> None:
    def answer(cell: Cell) -> Result:
        (asked,) = bench.store.sweeps()
        assert asked.hash == a_sweep().hash
        assert [item.cell for item in asked.cells] == [planned.cell for planned in plan(a_sweep())]
        return a_result(cell)

    engine = FakeEngine(answer)
    outcome = bench.execute(engine)
    assert engine.labels == [f"adding / {model} / T{length}" for length in (10, 20) for model in ("rnn", "lstm")]
    assert [job.source for job in engine.ran] == [None] * 4
    assert outcome.exit_code == 0
    assert [result.cell for result in outcome.results] == [job.cell for job in engine.ran]
    assert {result.cell.key for result in bench.store.results()} == {job.cell.key for job in engine.ran}
    assert len(list((bench.store.path / "weights").iterdir())) == 4
    assert bench.lines[0] == "4 cells: 0 stored, 4 to run on 1 workers"
    assert [line.partition(" adding")[0] for line in bench.lines[1:]] == [f"[{n}/4]" for n in (1, 2, 3, 4)]


def test_sweeps_share_the_workers_and_each_is_written_down(bench: Bench) -> None:
    sweeps = [a_sweep(models="rnn"), a_sweep(models="lstm", lengths="10"), a_sweep(models="lstm,gru", lengths="10")]
    entered = 0

    class Once(FakeEngine):
        def __enter__(self) -> Once:
            nonlocal entered
            entered += 1
            return self

    engine = Once()
    console = Console(Terminal(file=bench.text, width=200))
    outcome = runner.execute(sweeps, bench.store, engine, console, bench.resolve)
    assert entered == 1
    shortest = [f"adding / {model} / T10" for model in ("rnn", "lstm", "gru")]
    assert engine.labels == [*shortest, "adding / rnn / T20"], "a cell of two sweeps runs once"
    assert (outcome.exit_code, len(outcome.results)) == (0, 4)
    written = {asked.hash: [item.cell for item in asked.cells] for asked in bench.store.sweeps()}
    assert written == {sweep.hash: [planned.cell for planned in plan(sweep)] for sweep in sweeps}


def test_the_same_command_again_runs_nothing(bench: Bench) -> None:
    first = bench.execute(FakeEngine())
    engine = FakeEngine()
    again = bench.execute(engine)
    assert (engine.ran, engine.checked) == ([], [])
    assert again.results == first.results
    assert again.exit_code == 0
    assert len(bench.store.sweeps()) == 1


def test_only_what_is_missing_runs(bench: Bench) -> None:
    bench.execute(FakeEngine(), models="rnn", lengths="10")
    engine = FakeEngine()
    outcome = bench.execute(engine)
    assert engine.labels == ["adding / lstm / T10", "adding / rnn / T20", "adding / lstm / T20"]
    assert len(outcome.results) == 4
    assert "4 cells: 1 stored, 3 to run on 1 workers" in bench.lines
    assert len(bench.store.sweeps()) == 2


def test_what_another_runner_stored_meanwhile_stays(bench: Bench) -> None:
    def answer(cell: Cell) -> Result:
        bench.store.publish(a_result(cell, steps=1))
        return a_result(cell, steps=2)

    outcome = bench.execute(FakeEngine(answer))
    assert {result.steps for result in outcome.results} == {1}


def failing(cell: Cell) -> Result:
    return a_failure(cell) if cell.model == "lstm" else a_result(cell)


def test_a_failed_cell_is_a_row_and_the_sweep_goes_on(bench: Bench) -> None:
    engine = FakeEngine(failing)
    outcome = bench.execute(engine)
    assert len(engine.ran) == 4
    assert [result.status for result in outcome.results] == ["ok", "error", "ok", "error"]
    assert outcome.exit_code == 1


def test_failed_cells_run_again_only_when_asked(bench: Bench) -> None:
    bench.execute(FakeEngine(failing))
    engine = FakeEngine()
    outcome = bench.execute(engine)
    assert engine.ran == []
    assert outcome.exit_code == 1

    outcome = bench.execute(engine, retry_failed=True)
    assert engine.labels == ["adding / lstm / T10", "adding / lstm / T20"]
    assert outcome.exit_code == 0
    assert bench.store.failures() == {}


def test_a_diverged_cell_is_an_answer(bench: Bench) -> None:
    def diverged(cell: Cell) -> Result:
        return a_result(cell, status="diverged", score=None)

    assert bench.execute(FakeEngine(diverged)).exit_code == 0
    engine = FakeEngine()
    bench.execute(engine, retry_failed=True)
    assert engine.ran == []


def test_corrupt_records_run_again_and_it_is_said(bench: Bench) -> None:
    bench.execute(FakeEngine())
    path = sorted((bench.store.path / "cells").iterdir())[0]
    path.write_bytes(path.read_bytes()[:-10])
    engine = FakeEngine()
    outcome = bench.execute(engine)
    assert [job.cell.key for job in engine.ran] == [path.stem]
    assert any(path.name in line and "runs again" in line for line in bench.lines)
    assert len(outcome.results) == 4


def test_faults_found_by_building_end_before_any_training(bench: Bench) -> None:
    engine = FakeEngine()
    engine.faults = ["layers must be at least 1", "no such corpus"]
    with pytest.raises(CatalogError, match=r"^layers must be at least 1\nno such corpus$"):
        bench.execute(engine, lengths="10,20,30", seeds="0,1")
    assert engine.ran == []
    assert bench.store.results() == []
    checked = {(job.cell.model, job.cell.length) for job in engine.checked}
    assert checked == {("rnn", 10), ("rnn", 30), ("lstm", 30)}, "the shortest, and the longest with each model"


# -- corpora -----------------------------------------------------------------------------------------------------------


def test_a_corpus_that_is_here_runs_in_its_turn(bench: Bench) -> None:
    engine = FakeEngine()
    bench.execute(engine, tasks="char_lm,adding", models="rnn")
    assert engine.labels == [f"{task} / rnn / T{length}" for length in (10, 20) for task in ("char_lm", "adding")]
    assert {(job.cell.task, job.cell.data, job.source) for job in engine.ran} == {
        ("char_lm", REAL, Source("shakespeare", bench.store.path.parent)),
        ("adding", None, None),
    }
    assert bench.asked == [("shakespeare", False)], "asked once, without the network"


def test_a_corpus_that_must_be_fetched_comes_after_all_else(bench: Bench) -> None:
    bench.away = bench.here | {"litbank": Resolved(REAL, Source("generated", None), "no network: using another")}
    bench.here = {}
    engine = FakeEngine()
    bench.execute(engine, tasks="ner,char_lm,adding", models="rnn")
    assert engine.labels == [
        *(f"adding / rnn / T{length}" for length in (10, 20)),
        *(f"{task} / rnn / T{length}" for length in (10, 20) for task in ("ner", "char_lm")),
    ]
    assert sorted(bench.asked) == [("litbank", False), ("litbank", True), ("shakespeare", False), ("shakespeare", True)]
    assert bench.lines.count("no network: using another") == 1
    assert {job.cell.data for job in engine.ran[2:]} == {REAL}


def test_a_corpus_that_must_be_fetched_and_nothing_else(bench: Bench) -> None:
    bench.away, bench.here = bench.here, {}
    engine = FakeEngine()
    outcome = bench.execute(engine, tasks="char_lm")
    assert (len(engine.ran), outcome.exit_code) == (4, 0)
    bench.execute(again := FakeEngine(), tasks="char_lm")
    assert again.ran == []


def test_another_corpus_is_another_cell(bench: Bench) -> None:
    bench.execute(FakeEngine(), tasks="char_lm")
    changed = DataIdentity(name="shakespeare", sha256="cd" * 32)
    bench.here["shakespeare"] = Resolved(changed, Source("shakespeare", None))
    engine = FakeEngine()
    bench.execute(engine, tasks="char_lm")
    assert len(engine.ran) == 4


def test_a_file_of_ones_own_is_known_by_its_content_not_by_its_place(bench: Bench) -> None:
    content = DataIdentity(name="poem.txt", sha256="12" * 32)
    bench.here = {
        "poem.txt": Resolved(content, Source("/home/a/poem.txt", None)),
        "/b/a:b,c.txt": Resolved(content.model_copy(update={"name": "a:b,c.txt"}), Source("/b/a:b,c.txt", None)),
        "other.txt": Resolved(content.model_copy(update={"sha256": "34" * 32}), Source("/home/a/other.txt", None)),
    }
    engine = FakeEngine()
    bench.execute(engine, tasks="char_lm:evaluation=blocks:corpus=poem.txt", models="rnn", lengths="10")
    ((cell, source, *_),) = engine.ran
    assert cell.task == "char_lm:corpus=121212121212:evaluation=blocks"
    assert source == Source("/home/a/poem.txt", None)

    elsewhere = [{"name": "char_lm", "evaluation": "blocks", "corpus": "/b/a:b,c.txt"}]
    bench.execute(engine, tasks=elsewhere, models="rnn", lengths="10")
    assert len(engine.ran) == 1, "the same text under another name is the same cell"
    bench.execute(engine, tasks="char_lm:evaluation=blocks:corpus=other.txt", models="rnn", lengths="10")
    assert len(engine.ran) == 2


def test_a_font_of_ones_own_is_known_by_its_content_and_none_is_no_data(bench: Bench) -> None:
    content = DataIdentity(name="f.bdf", sha256="12" * 32)
    bench.here = {"f.bdf": Resolved(content, Source("/home/a/f.bdf", None))}
    engine = FakeEngine()
    bench.execute(engine, tasks="ocr:font=f.bdf:letters=abc,ocr:font=drawn", models="gru", lengths="10")
    (cell, source, *_), (ours, no_source, *_) = engine.ran
    assert (ours.task, ours.data, no_source) == ("ocr", None, None)
    assert (cell.task, cell.data) == ("ocr:font=121212121212:letters=abc", content)
    assert source == Source("/home/a/f.bdf", None)


# -- several runners on one store -------------------------------------------------------------------------------------


def test_cells_of_another_runner_are_left_to_it_until_they_are_stored(bench: Bench) -> None:
    theirs = [planned.cell for planned in plan(a_sweep())][1:3]
    with Leases(bench.store, "ab", 2) as other:
        for cell in theirs:
            assert other.take(cell.key)

        def answer(cell: Cell) -> Result:
            if cell == theirs[1]:
                raise AssertionError("measured twice")
            if cell.length == 20:  # the last of our own: the other one is done meanwhile, with one of its cells
                bench.store.publish(a_result(theirs[0], steps=7))
                bench.store.publish(a_failure(theirs[1]))
                for held in theirs:
                    other.release(held.key)
            return a_result(cell)

        engine = FakeEngine(answer)
        outcome = bench.execute(engine)
    assert engine.labels == ["adding / rnn / T10", "adding / lstm / T20"]
    assert len(outcome.results) == 4
    assert outcome.exit_code == 1, "what failed there is not tried again here"
    assert [failure.attempt for failure in bench.store.failures().values()] == [1]


def test_cells_of_a_runner_that_died_are_measured_here(bench: Bench) -> None:
    cell = plan(a_sweep())[0].cell
    other = Leases(bench.store, "ab", 1)
    with other:
        assert other.take(cell.key)

        def answer(measured: Cell) -> Result:
            if measured.length == 20 and measured.model == "lstm":
                other._ended.set()  # it is killed: nothing is given back
                stale = time.time() - EXPIRY - 1
                os.utime(other._own, (stale, stale))
            return a_result(measured)

        engine = FakeEngine(answer)
        outcome = bench.execute(engine)
        assert [job.cell for job in engine.ran][-1] == cell
        assert len(engine.ran) == len(outcome.results) == 4
        assert outcome.exit_code == 0
        assert any("1 cell is left, with other runners; this one ends when they end" in line for line in bench.lines)
    assert not list((bench.store.path / "leases").iterdir())


def test_failed_cells_that_run_again_run_in_one_of_two_runners(bench: Bench) -> None:
    bench.execute(FakeEngine(failing))
    failed = plan(a_sweep())[1].cell
    assert failed.model == "lstm"

    def answer(cell: Cell) -> Result:
        if cell.length == 10:  # meanwhile another runner, with the same command, fails at the other one
            bench.store.publish(a_failure(plan(a_sweep())[3].cell))
        return a_result(cell)

    engine = FakeEngine(answer)
    outcome = bench.execute(engine, retry_failed=True)
    assert [job.cell for job in engine.ran] == [failed]
    assert outcome.exit_code == 1


def test_two_names_of_one_text_are_one_cell(bench: Bench) -> None:
    """Two paths to the same content have the same key: measured once, counted once."""
    for name in ("/a/book.txt", "/b/book.txt"):
        bench.here[name] = Resolved(DataIdentity(name="book.txt", sha256="cd" * 32), Source(name, None))
    engine = FakeEngine()
    tasks = ({"name": "char_lm", "corpus": "/a/book.txt"}, {"name": "char_lm", "corpus": "/b/book.txt"})
    outcome = bench.execute(engine, tasks=tasks, models="rnn", lengths="10")
    assert len(engine.ran) == len(outcome.results) == 1
    assert outcome.exit_code == 0
    assert "1 cells: 0 stored, 1 to run on 1 workers" in bench.lines


def refused(request: Request, download: bool) -> Resolved | None:
    if not download:
        return None
    raise UsageError("no network")


def test_a_corpus_that_only_another_runner_has(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it measured is this one's answer too, and stays so."""
    sweep = {"tasks": "char_lm", "models": "rnn", "lengths": "10"}
    bench.execute(FakeEngine(), **sweep)
    for _ in range(2):
        monkeypatch.setattr(bench, "resolve", refused)
        engine = FakeEngine()
        outcome = bench.execute(engine, **sweep)
        assert engine.ran == []
        assert [result.status for result in outcome.results] == ["ok"]
        assert outcome.keys == [result.cell.key for result in outcome.results]
        assert outcome.exit_code == 0


def test_a_corpus_that_two_runners_do_not_get_is_one_row(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def another_first(request: Request, download: bool) -> Resolved | None:
        if download:
            cell = plan(a_sweep(tasks="char_lm", models="rnn", lengths="10"))[0].cell
            bench.store.publish(a_failure(cell, status="unavailable", error="no network"))
        return refused(request, download)

    monkeypatch.setattr(bench, "resolve", another_first)
    assert bench.execute(FakeEngine(), tasks="char_lm", models="rnn", lengths="10").exit_code == 1
    assert len(list(bench.store.attempts())) == 1


def test_two_parts_share_a_store(bench: Bench) -> None:
    ran: list[list[str]] = []
    for part in ((1, 2), (2, 2)):
        engine = FakeEngine()
        outcome = bench.execute(engine, part=part)
        assert (outcome.exit_code, len(outcome.results)) == (0, 2)
        ran.append([job.cell.key for job in engine.ran])
    assert [len(keys) for keys in ran] == [2, 2]
    assert not set(ran[0]) & set(ran[1])


# -- interrupts --------------------------------------------------------------------------------------------------------


def interrupting(times: int) -> Callable[[Cell], Result]:
    calls = iter(range(100))

    def answer(cell: Cell) -> Result:
        if next(calls) == 1:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        return a_result(cell)

    return answer


@pytest.mark.parametrize(("times", "stored"), [(1, 2), (2, 1)], ids=["once finishes", "twice stops now"])
def test_an_interrupt_leaves_a_store_that_resumes(bench: Bench, times: int, stored: int) -> None:
    before = signal.getsignal(signal.SIGINT)
    outcome = bench.execute(FakeEngine(interrupting(times)))
    assert signal.getsignal(signal.SIGINT) is before
    assert outcome.exit_code == 130
    assert len(outcome.results) == len(bench.store.results()) == stored
    assert any(line.startswith("Finishing the cells that are running") for line in bench.lines)

    engine = FakeEngine()
    assert bench.execute(engine).exit_code == 0
    assert len(engine.ran) == 4 - stored


def test_what_was_asked_is_written_where_it_is_news(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[list[bool]] = []
    monkeypatch.setattr(bench.store, "record_sweep", lambda asked: written.append([item.known for item in asked.cells]))
    bench.away["shakespeare"] = bench.here.pop("shakespeare")
    bench.execute(FakeEngine(), tasks="char_lm", models="lstm", lengths="20,10")
    assert written == [[False, False], [True, True]]
