"""Several whole runners on one store, killed and started again: rows 1 and 5, with fake trials in real processes.

Every runner is the product's own with its workers; each of them is a "host" of its own or shares one, so that the dead
are known at once in the one case, and only by their silence in the other.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.store import Store
from tests.reliability.fakes import LOG, sweep_of, trained
from tests.reliability.runners import ROOT, WORKERS, children, compare, kill

RUNNERS = 3
HERE = "00000000"  # the host of those that share one


@dataclass
class Shared:
    """What was seen. executions: cells begun; extra: those beyond one per cell; in_flight: cells that ran, or whose
    result was on its way, when their worker or runner was killed. late: cells begun although their result was stored.
    blocked: runners that did not come to their end. left: leases, failures and corrupt files at the end."""

    kills: int = 0
    cells: int = 0
    executions: int = 0
    extra: int = 0
    in_flight: int = 0
    lost: int = 0
    duplicate: int = 0
    changed: int = 0
    late: int = 0
    blocked: int = 0
    left: int = 0

    @property
    def clean(self) -> bool:
        bad = self.lost or self.duplicate or self.changed or self.late or self.blocked or self.left
        return not bad and self.extra <= self.in_flight


class Herd:
    """`RUNNERS` runners of one sweep on one store, or of questions to all that it holds (`ask`). hosts: whether each is
    on a host of its own."""

    def __init__(self, store: Path, cells: int, *, hosts: bool, ask: bool = False) -> None:
        self.store, self.cells, self.hosts, self.ask = store, cells, hosts, ask
        opened = Store(store, create=True)
        if ask:
            trained(opened, cells)
        self.running = [self.start(index) for index in range(RUNNERS)]

    def start(self, index: int) -> subprocess.Popen[str]:
        host = f"{index}" * 8 if self.hosts else HERE
        command = [sys.executable, "-m", "tests.reliability.fakes", str(self.store), str(self.cells), host]
        command += ["ask"] if self.ask else []
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def kill_one(self, chance: random.Random, seen: Shared) -> None:
        """A worker, or a runner, which another one replaces."""
        index = chance.randrange(RUNNERS)
        victim = self.running[index]
        if victim.poll() is not None:
            return
        workers = children(victim.pid)[1:]  # the first child is multiprocessing's own tracker
        if workers and chance.random() < 0.3:
            kill(chance.choice(workers), seen)
            seen.in_flight += 1
            return
        kill(victim.pid, seen)
        victim.communicate()
        seen.in_flight += WORKERS
        self.running[index] = self.start(index)

    def finish(self, seen: Shared, seconds: float = 120.0) -> None:
        """All of them come to their end by themselves."""
        deadline = time.monotonic() + seconds
        for run in self.running:
            try:
                run.communicate(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                run.kill()
                run.communicate()
                seen.blocked += 1
            else:
                seen.blocked += run.returncode != 0

    @property
    def over(self) -> bool:
        return all(run.poll() is not None for run in self.running)


@contextlib.contextmanager
def herd(store: Path, cells: int, *, hosts: bool, ask: bool = False) -> Iterator[Herd]:
    """A herd that does not outlive its block."""
    started = Herd(store, cells, hosts=hosts, ask=ask)
    try:
        yield started
    finally:
        for run in started.running:
            run.kill()
            run.communicate()


def campaign(folder: Path, *, kills: int, cells: int, seed: int, ask: bool = False) -> Shared:
    """Sweeps of `cells` cells, or as many questions (`ask`), until there were `kills` kills; with none, one sweep."""
    chance, seen = random.Random(seed), Shared()
    generation = 0
    while seen.kills < kills or not generation:
        store = folder / f"store-{generation}"
        before: dict[str, bytes] = {}
        with herd(store, cells, hosts=bool(generation % 2), ask=ask) as started:
            while seen.kills < kills and not started.over:
                time.sleep(chance.expovariate(1 / 0.25))
                started.kill_one(chance, seen)
                compare(store, before, seen)
            started.finish(seen)
        generation += 1
        compare(store, before, seen)
        _count(store, cells, seen, ask=ask)
    return seen


def _count(store: Path, cells: int, seen: Shared, *, ask: bool) -> None:
    begun, published = Counter[str](), Counter[str]()
    for line in (store / LOG).read_text().splitlines():
        what, key = line.split()
        if what == "began":
            begun[key] += 1
        elif what == "published":
            published[key] += 1
        elif what == "late":
            seen.late += 1
    opened = Store(store)
    answers = {record.key for record in (opened.kept("readings") if ask else opened.answers())}
    seen.cells += cells
    seen.executions += begun.total()
    seen.extra += begun.total() - cells
    seen.lost += len(sweep_of(cells).seeds or ()) - len(answers)
    seen.duplicate += sum(count > 1 for count in published.values())
    opened.set_aside()
    leases = list((store / "leases").glob("[!.]*"))
    failures = len(opened.failures()) + len(opened.readings.failures())
    seen.left += len(leases) + failures + len(list((store / "corrupt").glob("*")))
