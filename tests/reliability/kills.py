"""Publishers that are killed: `python -m tests.reliability.kills`. A process of its own, without torch, as it forks.

Runners on one store publish the same cells, each with weights and curves of its own, so that a record that was written
twice, or weights of another writer, would show.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.records.result import Result
from bench.store import Store
from bench.store.leases import Leases
from bench.store.sealed import decode
from tests.support.factories import a_cell, a_failure, a_result
from tests.support.faults import CountingFiles, DyingFiles


@dataclass
class Tally:
    """What was seen, over `kills` kills. executions: publications begun and not killed. blocked: leases that the next
    runner did not get."""

    kills: int = 0
    records: int = 0
    executions: int = 0
    lost: int = 0
    duplicate: int = 0
    changed: int = 0
    torn: int = 0
    weights_of_another: int = 0
    blocked: int = 0
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        bad = (self.lost, self.duplicate, self.changed, self.torn, self.weights_of_another, self.blocked)
        return not any(bad)


def an_answer(seed: int, writer: int) -> tuple[Result, bytes]:
    """A cell's result as `writer` found it, and its weights."""
    weights = hashlib.sha256(f"{seed} {writer}".encode()).digest() * 64
    result = a_result(a_cell(seed=seed), notes=(f"by {writer}",), weights_sha256=hashlib.sha256(weights).hexdigest())
    return result, weights


def publisher(folder: Path, seeds: list[int], acknowledged: int) -> None:
    """Publish cells in an order of its own; say what the store took, once it has taken it."""
    store = Store(folder)
    random.Random(os.getpid()).shuffle(seeds)
    for seed in seeds:
        result, weights = an_answer(seed, os.getpid())
        if store.has(result.cell.key):
            continue
        taken = store.publish(result, weights)
        os.write(acknowledged, f"{result.cell.key} {int(taken)}\n".encode())


class Herd:
    """`runners` publishers on one store, killed at random times and replaced."""

    def __init__(self, folder: Path, *, runners: int, cells: int, seed: int) -> None:
        self.folder, self.runners, self.cells = folder, runners, cells
        self.random = random.Random(seed)
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.seen: dict[str, bytes] = {}
        self.tally = Tally()
        self.first = 0
        self.said = b""

    def run(self, kills: int) -> Tally:
        store = Store(self.folder, create=True)
        started = time.perf_counter()
        while self.tally.kills < kills:
            seeds = list(range(self.first, self.first + self.cells))
            self.first += self.cells
            self._generation(seeds, kills)
        self._settle(store)
        self.tally.seconds = round(time.perf_counter() - started, 1)
        return self.tally

    def _generation(self, seeds: list[int], kills: int) -> None:
        """All of `seeds`, with kills meanwhile; then once more, without."""
        herd = {self._fork(seeds) for _ in range(self.runners)}
        while herd:
            time.sleep(self.random.expovariate(1 / 0.004))
            self._look()
            victim = self.random.choice(sorted(herd))
            if self.tally.kills < kills:
                os.kill(victim, signal.SIGKILL)
                _, status = os.waitpid(victim, 0)
                herd.discard(victim)
                self.tally.kills += os.WIFSIGNALED(status)
                if os.WIFSIGNALED(status):
                    herd.add(self._fork(seeds))
                continue
            os.waitpid(victim, 0)
            herd.discard(victim)
        last = self._fork(seeds)
        os.waitpid(last, 0)
        self._look()

    def _fork(self, seeds: list[int]) -> int:
        child = os.fork()
        if not child:
            try:
                publisher(self.folder, list(seeds), self.writing)
            except BaseException as error:
                print(f"publisher: {error!r}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        return child

    def _look(self) -> None:
        """Take in what the publishers said, and hold every record against what it was when it was first seen."""
        while True:
            try:
                self.said += os.read(self.reading, 1 << 16)
            except BlockingIOError:
                break
        paths = list((self.folder / "cells").glob("[!.]*.json"))
        for path in self.random.sample(paths, min(20, len(paths))):
            self._hold(path)

    def _hold(self, path: Path) -> None:
        content = path.read_bytes()
        if self.seen.setdefault(path.stem, content) != content:
            self.tally.changed += 1

    def _settle(self, store: Store) -> None:
        acknowledged = [line.split() for line in self.said.decode().splitlines()]
        taken = [key for key, told in acknowledged if told == "1"]
        self.tally.executions = len(acknowledged)
        self.tally.duplicate = len(taken) - len(set(taken))
        for path in (self.folder / "cells").glob("[!.]*.json"):
            self._hold(path)
        results = {result.cell.key: result for result in store.answers()}
        self.tally.torn = len(store.corrupt)
        wanted = {a_cell(seed=seed).key for seed in range(self.first)}
        self.tally.lost = len((wanted | set(taken)) - set(results))
        self.tally.records = len(results)
        for key, result in results.items():
            weights = (self.folder / "weights" / f"{key}.safetensors").read_bytes()
            self.tally.weights_of_another += hashlib.sha256(weights).hexdigest() != result.weights_sha256


def runner(store: Store, result: Result, weights: bytes | None) -> tuple[bool, bool]:
    """What a runner does with one cell: whether it got the lease, and whether its result was taken."""
    with Leases(store, "ab", 1) as leases:
        got = leases.take(result.cell.key)
        taken = store.publish(result, weights)
        leases.release(result.cell.key)
    return got, taken


def at_every_call(folder: Path) -> Tally:
    """A runner with an answer, then one with a failure, is killed before and after each of its calls; then another one
    takes its place."""
    tally = Tally()
    started = time.perf_counter()
    Store(folder, create=True)
    seed = 0
    for late in (False, True):
        for result_of in (an_answer, _a_failure):
            counting = CountingFiles()
            runner(Store(folder, files=counting), *result_of(1_000_000 + late, 0))
            for k in range(len(counting.calls)):
                seed += 1
                _killed_at(folder, k, late, result_of(seed, 1), tally)
                again, weights = result_of(seed, 2)
                got, taken = runner(Store(folder), again, weights)
                tally.blocked += not got
                store = Store(folder)
                found = store.answer(again.cell.key) or store.failures().get(again.cell.key)
                tally.lost += found is None
                tally.torn += len(store.corrupt)
                if found is not None and found.weights_sha256 is not None:
                    held = (folder / "weights" / f"{found.cell.key}.safetensors").read_bytes()
                    tally.weights_of_another += hashlib.sha256(held).hexdigest() != found.weights_sha256
                    tally.changed += (found.notes == ("by 2",)) != taken
    tally.records = sum(1 for _ in Store(folder).answers())
    tally.seconds = round(time.perf_counter() - started, 1)
    return tally


def _a_failure(seed: int, writer: int) -> tuple[Result, None]:
    return a_failure(a_cell(seed=seed), error=f"by {writer}"), None


def _killed_at(folder: Path, k: int, late: bool, finished: tuple[Result, bytes | None], tally: Tally) -> None:
    child = os.fork()
    if not child:
        runner(Store(folder, files=DyingFiles(k, late=late)), *finished)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    tally.kills += os.WIFSIGNALED(status)
    for path in (folder / "cells").glob(f"{finished[0].cell.key}*.json"):
        decode(path.read_bytes())  # whole, or this raises


def main() -> None:
    """`FOLDER KILLS CELLS SEED`: both kinds of kills, tallies as JSON."""
    folder, kills, cells, seed = Path(sys.argv[1]), *map(int, sys.argv[2:])
    herd = Herd(folder / "herd", runners=3, cells=cells, seed=seed).run(kills)
    print(json.dumps({"random": asdict(herd), "named": asdict(at_every_call(folder / "named"))}))


if __name__ == "__main__":
    main()
