"""The local engine with real processes. A process takes seconds to load torch, so one engine serves several tests."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.engines import local
from bench.engines.local import LocalEngine
from bench.records.cell import Cell
from bench.records.job import Finished, Job, Surroundings
from bench.trial import trial
from tests.support.jobs import EXAMPLES, MEASURED, a_job

Seen = list[tuple[int, Cell | None, int, int]]
GOOD = [a_job(f"{EXAMPLES}:Mean", seeds=seed) for seed in range(3)] + [a_job("gru", task="copying")]


@pytest.fixture(scope="module")
def seen() -> Seen:
    """What the engine of this module reports."""
    return []


@pytest.fixture(scope="module")
def engine(seen: Seen) -> Iterator[LocalEngine]:
    def report(*said: int | Cell | None) -> None:
        seen.append(said)  # type: ignore[arg-type]

    with LocalEngine(Surroundings(), workers=2, report=report) as engine:
        yield engine
        workers = pids()
        assert len(workers) == 2
    assert not [pid for pid in workers if alive(pid)], "workers end with their engine"


def pids() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def by_key(outcomes: list[Finished]) -> dict[str, Finished]:
    found = {finished.result.cell.key: finished for finished in outcomes}
    assert len(found) == len(outcomes), "each cell comes once"
    return found


def but_for_time(finished: Finished) -> tuple[object, bytes | None]:
    return finished.result.model_dump(exclude=set(MEASURED)), finished.weights


@pytest.fixture(scope="module")
def alone() -> dict[str, tuple[object, bytes | None]]:
    """The good cells, measured one after another in this process."""
    return {job.cell.key: but_for_time(trial.run(job, Surroundings())) for job in GOOD}


def test_two_workers_measure_what_one_measures(
    engine: LocalEngine, seen: Seen, alone: dict[str, tuple[object, bytes | None]]
) -> None:
    outcomes = by_key(list(engine.run(iter(GOOD))))
    assert {key: but_for_time(finished) for key, finished in outcomes.items()} == alone
    assert {worker for worker, *_ in seen} == {0, 1}
    assert {cell.key for _, cell, *_ in seen if cell} == set(outcomes)
    for worker in (0, 1):
        assert [said[1:] for said in seen if said[0] == worker][-1] == (None, 0, 0), "idle at the end"


def test_a_check_answers_for_every_job(engine: LocalEngine) -> None:
    assert engine.check(GOOD) == []
    (fault,) = engine.check([*GOOD, a_job("lstm:layers=0")])
    assert "layers" in fault


def test_a_dead_worker_costs_one_attempt_of_one_cell(
    engine: LocalEngine, tmp_path: Path, alone: dict[str, tuple[object, bytes | None]]
) -> None:
    once = a_job(f"{EXAMPLES}:DiesOnce:mark={tmp_path / 'mark'}")
    poison = a_job(f"{EXAMPLES}:Aborts")
    raising = a_job(f"{EXAMPLES}:Raises")
    outcomes = by_key(list(engine.run([once, poison, *GOOD, raising])))
    assert len(outcomes) == 3 + len(GOOD)

    assert outcomes[once[0].key].result.status == "ok", "the second attempt succeeds"
    crashed = outcomes[poison[0].key]
    assert (crashed.result.status, crashed.weights) == ("crashed", None)
    assert crashed.result.error == "the worker process was ended by SIGABRT, attempt 2 of 2"
    assert outcomes[raising[0].key].result.status == "error"
    assert {key: but_for_time(outcomes[key]) for key in alone} == alone, "the others are untouched"


def test_a_worker_killed_while_idle_is_replaced(engine: LocalEngine) -> None:
    os.kill(engine._processes[0].process.pid or 0, signal.SIGKILL)
    (finished,) = engine.run(GOOD[:1])
    assert finished.result.status == "ok"


def test_a_process_killed_from_outside_is_named(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "ATTEMPTS", 1)
    list(engine.run(GOOD[:2]))  # both workers are up
    running = engine.run([a_job(f"{EXAMPLES}:Sleeps")])
    before = set(pids())
    heard: list[Cell | None] = []

    def report(worker: int, cell: Cell | None, step: int, steps: int) -> None:
        heard.append(cell)
        if len(heard) == 2:  # it was handed over, and it began
            monkeypatch.setattr(engine, "report", lambda *_: None)
            os.kill(engine._processes[worker].process.pid or 0, signal.SIGKILL)

    monkeypatch.setattr(engine, "report", report)
    (finished,) = running
    assert finished.result.status == "crashed"
    assert finished.result.error is not None
    assert finished.result.error.startswith("the worker process was ended by SIGKILL (often the system's own answer")
    assert len(before & set(pids())) == 1, "one process is new, the other is the same"


def test_a_cell_that_never_ends_is_stopped(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asleep, or at work and reporting: the limit holds."""
    monkeypatch.setattr(local, "ATTEMPTS", 1)
    monkeypatch.setattr(engine, "timeout", 1.5)
    asleep, slow = a_job(f"{EXAMPLES}:Sleeps"), a_job(f"{EXAMPLES}:Crawls", steps=100_000, evaluate_every=10)
    outcomes = by_key(list(engine.run([asleep, slow])))
    for job in (asleep, slow):
        result = outcomes[job.cell.key].result
        assert (result.status, result.error) == ("timeout", "stopped after 1.5 s (--timeout), attempt 1 of 1")


def test_stop_finishes_what_runs_and_begins_nothing(alone: dict[str, tuple[object, bytes | None]]) -> None:
    taken: list[Job] = []

    def jobs() -> Iterator[Job]:
        for job in GOOD:
            taken.append(job)
            yield job

    # A process takes longer than that to load torch, which is not the cell's time.
    with LocalEngine(Surroundings(), workers=1, timeout=1.5) as engine:
        outcomes = []
        for finished in engine.run(jobs()):
            outcomes.append(finished)
            if len(outcomes) == 2:
                engine.stop()
        assert [finished.result.cell for finished in outcomes] == [job.cell for job in GOOD[:2]], (
            "one worker keeps order"
        )
        assert taken == GOOD[:2]
        assert [but_for_time(finished) for finished in outcomes] == [alone[job.cell.key] for job in GOOD[:2]]


def test_an_engine_that_is_not_needed_starts_nothing() -> None:
    before = set(pids())
    with LocalEngine(Surroundings(), workers=2):
        pass
    assert set(pids()) == before


def test_an_engine_that_is_left_early_leaves_nothing_running() -> None:
    before = set(pids())
    with LocalEngine(Surroundings(), workers=1) as engine:
        begun = engine.run([a_job(f"{EXAMPLES}:Sleeps")])
        with pytest.raises(KeyboardInterrupt):
            for _ in interrupted(begun, engine):
                pass
        (mine,) = set(pids()) - before
    assert not alive(mine)


def interrupted(outcomes: Iterator[Finished], engine: LocalEngine) -> Iterator[Finished]:
    def report(*_: object) -> None:
        raise KeyboardInterrupt

    engine.report = report
    yield from outcomes


ORPHANED = """
import multiprocessing
from bench.engines.local import LocalEngine
from bench.records.job import Surroundings
from tests.support.jobs import EXAMPLES, a_job

def report(worker, cell, step, steps):
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)

if __name__ == "__main__":
    with LocalEngine(Surroundings(), workers=2, report=report) as engine:
        list(engine.run([a_job(f"{EXAMPLES}:Sleeps", seeds=seed) for seed in (0, 1)]))
"""


def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "orphaned.py"
    script.write_text(ORPHANED)
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, script],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
        assert all(map(alive, workers))
        asleep = 0
        while asleep < 2:  # both are at work
            asleep += parent.stdout.readline() == "asleep\n"
        parent.kill()
    deadline = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def test_one_cell_starts_one_worker() -> None:
    before = len(pids())
    with LocalEngine(Surroundings(), workers=4) as engine:
        engine.limit(1)
        assert [finished.result.status for finished in engine.run([a_job()])] == ["ok"]
        assert (engine.workers, len(pids()) - before) == (1, 1)
