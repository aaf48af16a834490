"""What a cell does to its process reaches no other cell."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median

import pytest

from bench.engines.guard import Guard
from bench.engines.local import LocalEngine
from bench.records.job import Surroundings
from bench.records.result import Result
from bench.trial import trial
from tests.support.contaminations import WHAT
from tests.support.jobs import a_job, but_for_time

CHANGES = "tests.support.contaminations:Changes"
ENDS = ("dtype", "thread", "timer")
FIVE = [a_job(model, task="copying") for model in ("rnn", "gru", "lstm", "attention", "transformer")]


@pytest.fixture(scope="module")
def clean() -> dict[str, object]:
    """The five, in a process in which nothing else happened."""
    with LocalEngine(Surroundings(), workers=1) as engine:
        return {finished.result.cell.key: seen(finished.result) for finished in engine.run(FIVE)}


def seen(result: Result) -> object:
    assert result.status == "ok", result.error
    return but_for_time(result)


def test_what_another_class_changes_changes_no_number(clean: dict[str, object]) -> None:
    """By one worker: a cell of the suite after a class that changes its process, when it is checked and when measured.
    `python -m tests.reliability.contaminated` runs all five after every change."""
    jobs = [job for what, job in zip(ENDS, FIVE[::2], strict=True) for job in (a_job(f"{CHANGES}:what={what}"), job)]
    with LocalEngine(Surroundings(), workers=1) as engine:
        assert isinstance(engine.check([jobs[2], *FIVE]), list)
        outcomes = [finished.result for finished in engine.run(jobs)]
    assert {result.cell.key: seen(result) for result in outcomes[1::2]} == {
        job.cell.key: clean[job.cell.key] for job in FIVE[::2]
    }


def noticed(what: str) -> bool:
    """Whether a guard in a process of its own sees a change."""
    process = os.fork()
    if process == 0:
        code = 2
        try:
            guard = Guard()
            WHAT[what]()
            code = 1 if guard.changes() else 0
        finally:
            os._exit(code)
    return {0: False, 1: True}[os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])]


@pytest.mark.parametrize("what", WHAT)
def test_every_change_is_noticed(what: str) -> None:
    trial.run(FIVE[0], Surroundings())  # what cells load is loaded
    assert noticed(what)


def test_a_process_that_changed_serves_no_other_cell(tmp_path: Path) -> None:
    """Of the same class too; and a line says what was changed."""
    said: list[str] = []
    jobs = [a_job(f"{CHANGES}:what=hook:marks={tmp_path}", seeds=seed) for seed in (0, 1)]
    jobs += [a_job(f"{CHANGES}:marks={tmp_path}", seeds=seed) for seed in (0, 1)]
    with LocalEngine(Surroundings(), workers=1, say=said.append) as engine:
        assert {finished.result.status for finished in engine.run(jobs)} == {"ok"}
    processes = [path.name.partition("-")[0] for path in sorted(tmp_path.iterdir(), key=lambda path: path.name[-19:])]
    assert len(set(processes)) == 3
    assert processes[2] == processes[3], "one that is as it was goes on"
    (line,) = said
    assert line.startswith(f"{CHANGES}:marks={tmp_path}:what=hook changed the process it ran in (torch's _global_")


def test_what_a_class_remembers_reaches_no_other_seed() -> None:
    """The second seed's number is the one that it has by itself."""
    said: list[str] = []
    jobs = [a_job("tests.support.contaminations:Remembers", seeds=seed) for seed in (0, 1)]
    with LocalEngine(Surroundings(), workers=1, say=said.append) as engine:
        after = [finished.result for finished in engine.run(jobs)][1]
        (alone,) = (finished.result for finished in engine.run([jobs[1]]))
    assert seen(after) == seen(alone)
    assert said[0].startswith("tests.support.contaminations:Remembers changed the process it ran in (tests.support.")


def test_cells_of_the_suite_leave_a_process_as_it_was() -> None:
    """Else every one of them would cost a process."""
    trial.run(FIVE[0], Surroundings())
    guard = Guard()
    seconds = []
    for job in FIVE:
        assert trial.run(job, Surroundings()).result.status == "ok"
        began = time.perf_counter()
        assert guard.changes() == []
        seconds.append(time.perf_counter() - began)
    assert median(seconds) < 0.2


def test_entries_of_other_people_have_processes_of_their_own(tmp_path: Path) -> None:
    """Two classes, two option sets of one, and the suite's own: no process serves two of them."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second, again = (
        a_job(f"{CHANGES}:marks={tmp_path / name}", seeds=seed) for name, seed in (("a", 0), ("b", 0), ("a", 1))
    )
    with LocalEngine(Surroundings(), workers=1) as engine:
        assert {finished.result.status for finished in engine.run([first, second, FIVE[0], again])} == {"ok"}
    a, b = ({path.name.partition("-")[0] for path in (tmp_path / name).iterdir()} for name in ("a", "b"))
    assert a.isdisjoint(b)
