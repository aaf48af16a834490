"""One worker's death is one cell's affair; a sweep resumes where it was: RELIABILITY rows 2, 6, 7, 9, 20, in short, and
every status by a real cause."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Terminal

from bench.cli.console import Console
from bench.engines import worker
from bench.engines.local import EngineError, LocalEngine
from bench.records.cell import DataIdentity
from bench.records.errors import UsageError
from bench.records.job import Job, Source, Surroundings
from bench.records.result import Result
from bench.records.sweep import Sweep
from bench.runner import runner
from bench.runner.plan import Request, Resolved, plan
from bench.store import Store
from bench.store.files import Files
from tests.reliability import fakes, runners
from tests.reliability.runners import ROOT, children, deaths
from tests.support.fake_engine import FakeEngine
from tests.support.jobs import but_for_time

MODELS = "tests.reliability.models"
QUICK = ["--tasks", "adding", "--lengths", "4", "--hidden", "4", "--batch-size", "4"]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command itself, in an empty folder, deaf to what the caller's environment says about data and W&B."""
    folder.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BENCH_", "WANDB_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "bench.run", *QUICK, *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT), "WANDB_MODE": "disabled"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# -- every status ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, dict[str, Result], Counter[str]]:
    """A sweep in which nearly every model is poison: exit code, output, results by model, attempts begun by model."""
    folder = tmp_path_factory.mktemp("poisoned")
    log = folder / "log"
    names = ("Stuck", "Segfaults", "Grows", "NotANumber", "Lacks", "Raises", "Counted")
    models = ",".join(f"{MODELS}:{name}:log={log}" for name in names)
    with start(folder, "--models", models, "--steps", "10", "--timeout", "5") as run:
        output = run.communicate(timeout=240)[0]
    found = {result.cell.model.split(":")[1]: result for result in Store(folder / "results").results()}
    return run.returncode, output, found, Counter(log.read_text().split())


def test_every_status_by_a_real_cause(poisoned: tuple[int, str, dict[str, Result], Counter[str]]) -> None:
    _, output, found, _ = poisoned
    assert {name: result.status for name, result in found.items()} == {
        "Stuck": "timeout",
        "Segfaults": "crashed",
        "Grows": "out_of_memory",
        "NotANumber": "diverged",
        "Lacks": "unavailable",
        "Raises": "error",
        "Counted": "ok",
    }
    assert "Traceback" not in output
    assert "SIGSEGV" in (found["Segfaults"].error or "")
    assert "no_such_package" in (found["Lacks"].error or "")
    assert "ZeroDivisionError: on purpose" in (found["Raises"].error or "")


def test_a_poison_cell_is_bounded(poisoned: tuple[int, str, dict[str, Result], Counter[str]]) -> None:
    """Row 7: two attempts where another may help, one where it cannot."""
    code, _, _, begun = poisoned
    assert code == 1
    assert begun == {
        "Stuck": 2, "Segfaults": 2, "Grows": 2, "NotANumber": 1, "Lacks": 1, "Raises": 1, "Counted": 1,
    }  # fmt: skip


def test_a_sweep_of_diverging_cells_is_a_success(tmp_path: Path) -> None:
    sweep = Sweep(tasks="adding", models="rnn", lengths="10", budget="smoke")
    engine = FakeEngine(lambda cell: Result(cell=cell, status="diverged"))
    console = Console(Terminal(file=io.StringIO()))
    assert runner.execute([sweep], Store(tmp_path, create=True), engine, console, lambda *_: None).exit_code == 0


# -- a corpus that cannot be had -------------------------------------------------------------------------------------


def test_a_corpus_that_cannot_be_fetched_becomes_rows(tmp_path: Path) -> None:
    """A download that comes altered, while other cells run: their results stay, its cells say why they are not."""
    sweep = Sweep(tasks="adding,char_lm", models="rnn", lengths="10", budget="smoke")
    store, text = Store(tmp_path, create=True), io.StringIO()
    console = Console(Terminal(file=text, width=200))

    def refused(request: Request, download: bool) -> Resolved | None:
        if not download:
            return None
        time.sleep(0.1)
        raise UsageError("https://example.org/input.txt: expected sha256 86c4, got 0000")

    def execute(resolve: Any, engine: FakeEngine, **options: Any) -> runner.Outcome:
        return runner.execute([sweep], store, engine, console, resolve, **options)

    engine = FakeEngine()
    outcome = execute(refused, engine)
    assert outcome.exit_code == 1
    assert {result.cell.task: result.status for result in outcome.results} == {"adding": "ok", "char_lm": "unavailable"}
    assert "unavailable  https://example.org/input.txt: expected sha256 86c4, got 0000" in text.getvalue()
    assert execute(refused, FakeEngine()).exit_code == 1, "again, with nothing else to do"
    assert len(list((tmp_path / "failures").iterdir())) == 1

    real = Resolved(DataIdentity(name="shakespeare", sha256="ab" * 32), Source("shakespeare", None))
    outcome = execute(lambda request, download: real, FakeEngine())
    assert outcome.exit_code == 0
    assert [result.status for result in store.results()] == ["ok", "ok"], "the old row is superseded"


# -- workers -----------------------------------------------------------------------------------------------------------


def a_fake_engine(monkeypatch: pytest.MonkeyPatch, serve: Any, **options: Any) -> LocalEngine:
    monkeypatch.setattr(worker, "serve", serve)
    return LocalEngine(Surroundings(), **({"workers": 2} | options))


@pytest.mark.parametrize(
    ("serve", "reason"), [(fakes.cannot_import, "ImportError: libfast.so"), (fakes.dies_starting, "exit code 7")]
)
def test_workers_that_cannot_start_are_given_up(monkeypatch: pytest.MonkeyPatch, serve: Any, reason: str) -> None:
    jobs = [Job(planned.cell) for planned in plan(fakes.sweep_of(3))]
    said: list[str] = []
    with (
        a_fake_engine(monkeypatch, serve, say=said.append) as engine,
        pytest.raises(EngineError, match=f"no worker process starts, after 3 tries: .*{reason}"),
    ):
        list(engine.run(jobs))
    assert len(said) == 1, "the first of two is given up before the second"
    with a_fake_engine(monkeypatch, serve) as engine, pytest.raises(EngineError, match=reason):
        engine.check(jobs)


def test_a_killed_worker_costs_one_attempt_of_one_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 6: many kills, fake trials, real processes; the rest is in tests/bench/engines."""
    jobs = [Job(planned.cell) for planned in plan(fakes.sweep_of(120))]
    kills = 0
    with a_fake_engine(monkeypatch, fakes.serve, workers=3) as engine:
        outcomes = []
        for finished in engine.run(jobs):
            outcomes.append(finished.result)
            if len(outcomes) % 20 == 10:
                victim = engine._processes[kills % 3]  # busy or, by chance, between two cells
                os.kill(victim.process.pid or 0, signal.SIGKILL)
                kills += 1
    assert kills == 6
    assert sorted(result.cell.key for result in outcomes) == sorted(job.cell.key for job in jobs)
    assert {result.status for result in outcomes} == {"ok"}


def test_workers_stuck_in_native_code_die_with_their_parent(tmp_path: Path) -> None:
    models = f"{MODELS}:Stuck:log={tmp_path / 'log'}"
    with start(tmp_path / "run", "--models", models, "--seeds", "0,1", "--workers", "2") as run:
        deadline = time.monotonic() + 200
        while not (tmp_path / "log").exists() or len((tmp_path / "log").read_text().split()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        workers = children(run.pid)
        assert len(workers) >= 2
        run.kill()
        run.communicate()
    assert deaths(workers) is not None


# -- resuming ----------------------------------------------------------------------------------------------------------


def test_a_killed_sweep_resumes_with_what_is_missing(tmp_path: Path) -> None:
    """Rows 2 and 9: kill −9, then Ctrl-C, then to the end. The table is an uninterrupted run's, bit for bit."""
    arguments = ("--models", "rnn", "--seeds", "0,1,2,3,4,5", "--steps", "150")
    with start(tmp_path / "whole", *arguments, "--workers", "1") as run:
        whole_output = run.communicate(timeout=240)[0]
    assert run.returncode == 0, whole_output
    store = tmp_path / "broken" / "results" / "cells"
    for end in (signal.SIGKILL, signal.SIGINT):
        stored = len(list(store.glob("*.json")))
        with start(tmp_path / "broken", *arguments, "--workers", "2") as run:
            while len(list(store.glob("*.json"))) < stored + 1 and run.poll() is None:
                time.sleep(0.02)
            workers = children(run.pid)
            run.send_signal(end)
            output = run.communicate(timeout=240)[0]
        assert deaths(workers) is not None
        assert "Traceback" not in output
        assert run.returncode == (-signal.SIGKILL if end == signal.SIGKILL else 130), output
    stored = len(list(store.glob("*.json")))
    assert 2 <= stored < 6
    with start(tmp_path / "broken", *arguments, "--workers", "2") as run:
        output = run.communicate(timeout=240)[0]
    assert run.returncode == 0, output
    measured = [line for line in output.splitlines() if line.startswith("[")]
    assert len(measured) == 6 - stored, "nothing stored is run again"

    def table(folder: str) -> dict[str, dict[str, Any]]:
        return {result.cell.key: but_for_time(result) for result in Store(tmp_path / folder / "results").answers()}

    assert table("broken") == table("whole"), "weights included, by their sha256"


def test_killed_runners_with_fake_trials(tmp_path: Path) -> None:
    seen = runners.killed_and_resumed(tmp_path, kills=4, cells=80, seed=3)
    assert seen.kills >= 4
    assert seen.clean, seen


# -- long sweeps -------------------------------------------------------------------------------------------------------


class Unsynced(Files):
    """Leaves it to the system when things come to the disk."""

    def sync(self, descriptor: int) -> None: ...

    def sync_folder(self, path: Path) -> None: ...


def test_a_thousand_cells_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 20: memory, open files and zombies of the parent, between the 300th and the 1000th cell."""
    monkeypatch.setattr(worker, "serve", fakes.serve)
    store = Store(tmp_path, create=True, files=Unsynced())  # a disk's pace says nothing here
    console = Console(Terminal(file=io.StringIO(), width=100))
    engine = LocalEngine(Surroundings(), workers=2, report=console.working)
    seen: dict[int, tuple[int, int, int]] = {}
    plain = console.finished

    def finished(result: Result) -> None:
        plain(result)
        if console._done in (300, 1000):
            zombies = sum(not runners.running(child) for child in children(os.getpid()))
            memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            seen[console._done] = (memory, len(os.listdir("/proc/self/fd")), zombies)

    monkeypatch.setattr(console, "finished", finished)
    outcome = runner.execute([fakes.sweep_of(1000)], store, engine, console, lambda *_: None)
    assert outcome.exit_code == 0
    (memory, files, _), (memory_after, files_after, zombies) = seen[300], seen[1000]
    assert memory_after - memory < 15 * 2**20
    assert abs(files_after - files) <= 4
    assert zombies == 0
    assert not list(tmp_path.rglob(".*~*"))
