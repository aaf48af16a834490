"""Whole runners that are killed, with their workers watched: for rows 2 and 20, with fake trials in real processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.store import Store
from tests.reliability.fakes import sweep_of

ROOT = Path(__file__).parents[2]
WORKERS = 2


class Seen(Protocol):
    kills: int
    changed: int


@dataclass
class Resumed:
    """recomputed: cells that were executed again although they were stored. orphans: workers that outlived their parent
    by more than five seconds."""

    kills: int = 0
    recomputed: int = 0
    lost: int = 0
    changed: int = 0
    orphans: int = 0
    failures: int = 0
    slowest_death: float = field(default=0.0)

    @property
    def clean(self) -> bool:
        return not (self.recomputed or self.lost or self.changed or self.orphans or self.failures)


def children(process: int) -> list[int]:
    """The child processes of a process."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(child) for child in text.split()]


def running(process: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def deaths(processes: list[int], seconds: float = 5.0) -> float | None:
    """How long these processes still run; None where it is longer than `seconds`."""
    started = time.monotonic()
    while any(map(running, processes)):
        if time.monotonic() - started > seconds:
            return None
        time.sleep(0.005)
    return time.monotonic() - started


def killed_and_resumed(folder: Path, *, kills: int, cells: int, seed: int) -> Resumed:
    """The same sweep again and again, its parent killed each time, or one of its workers; then once to the end."""
    chance, seen = random.Random(seed), Resumed()
    before: dict[str, bytes] = {}
    generation = 0
    while seen.kills < kills:
        store = folder / f"store-{generation}"
        generation += 1
        before.clear()
        Store(store, create=True)
        while seen.kills < kills:
            known = compare(store, before, seen)
            if len(known) == cells:
                break
            with _start(store, cells) as run:
                _wait_for_a_record(store, run, len(known))
                time.sleep(chance.uniform(0, 0.3))
                workers = children(run.pid)
                if chance.random() < 0.5 and len(workers) > 1:  # the first child is multiprocessing's own tracker
                    kill(workers[-1], seen)
                    time.sleep(chance.uniform(0, 0.3))
                workers = children(run.pid)
                kill(run.pid, seen)
                lines = run.communicate()[0].splitlines()
                death = deaths(workers)
                seen.orphans += death is None
                seen.slowest_death = max(seen.slowest_death, death or 0.0)
            seen.recomputed += sum("[" in line and line.startswith("[") for line in lines) > cells - len(known)
        with _start(store, cells) as last:
            last.communicate()
        _hold(store, cells, before, seen)
    return seen


def _start(store: Path, cells: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.reliability.fakes", str(store), str(cells)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _wait_for_a_record(store: Path, run: subprocess.Popen[str], known: int) -> None:
    deadline = time.monotonic() + 120
    while len(list((store / "cells").glob("[!.]*.json"))) <= known and run.poll() is None:
        assert time.monotonic() < deadline, "the runner stores nothing"
        time.sleep(0.005)


def kill(process: int, seen: Seen) -> None:
    """Kill a process that runs, and count it."""
    if running(process):
        os.kill(process, signal.SIGKILL)
        seen.kills += 1


def records(store: Path) -> dict[str, bytes]:
    """The files of a store's answers, of cells and of questions."""
    return {
        path.name: path.read_bytes() for kind in ("cells", "readings") for path in (store / kind).glob("[!.]*.json")
    }


def compare(store: Path, before: dict[str, bytes], seen: Seen) -> dict[str, bytes]:
    """The files of a store's answers, which are those of `before` and new ones; `before` takes these up."""
    known = records(store)
    seen.changed += sum(known.get(name) != content for name, content in before.items())
    before |= known
    return known


def _hold(store: Path, cells: int, before: dict[str, bytes], seen: Resumed) -> None:
    compare(store, before, seen)
    opened = Store(store)
    seen.lost += len(sweep_of(cells).seeds or ()) - len(list(opened.answers()))
    seen.failures += len(opened.failures()) + len(opened.corrupt)
