"""From a Sweep to stored results: plan its cells, skip what is stored, run the rest, store each as it comes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from bench import catalog
from bench.console import Console, Estimate, described
from bench.engines.base import Engine
from bench.engines.placement import ordered, shard
from bench.presence import announce, forget_the_dead
from bench.result import ANSWERS, Result
from bench.store import Store
from bench.sweep import Cell, DataIdentity, Entry, Job, Recipe, Source, Sweep, Versions


@dataclass(frozen=True)
class Request:
    """Which corpus a task asks for, and what stands in for it where it cannot be had."""

    corpus: str
    fallback: str


@dataclass(frozen=True)
class Resolved:
    """The corpus a request came to. note: a line worth saying, such as that the fallback is used."""

    data: DataIdentity
    source: Source
    note: str | None = None


# Finds a corpus. With False it only looks at what is here and gives None where a download would be needed. Raises
# ValueError or OSError where the corpus cannot be had.
Resolve = Callable[[Request, bool], Resolved | None]


@dataclass(frozen=True)
class Planned:
    """A cell whose data may still have to be found. task: its name; options: those that are not the default's."""

    cell: Cell
    task: str
    options: tuple[tuple[str, Any], ...]
    request: Request | None

    def with_data(self, resolved: Resolved | None) -> Job:
        """The cell, complete, and where its data lie."""
        if resolved is None:
            return self.cell, None
        entry = self.cell.task
        if Path(resolved.source.corpus).is_absolute():  # a user's own file is known by its content, not by its place
            options = dict(self.options) | {"corpus": resolved.data.sha256[:12]}
            entry = Entry(self.task, tuple(options.items())).text
        return self.cell.model_copy(update={"task": entry, "data": resolved.data}), resolved.source


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended. keys: of all its cells; results: what the store holds of them."""

    keys: list[str]
    results: list[Result]
    interrupted: bool

    @property
    def exit_code(self) -> int:
        """0: every cell has a scientific answer; 1: some cell failed; 130: interrupted."""
        if self.interrupted:
            return 130
        whole = len(self.results) == len(self.keys)
        return 0 if whole and all(result.status in ANSWERS for result in self.results) else 1


def plan(sweep: Sweep) -> list[Planned]:
    """The cells of a sweep, shortest sequences first.

    Raises:
        CatalogError: an unknown task, model, option or value; a length below a task's minimum.
    """
    planned = []
    for task_entry in sweep.tasks:
        task = catalog.card("task", task_entry.name)
        options = task.values(task_entry.options)
        request = _request(task, options)
        task_text = _canonical(task, options)
        for length in sweep.lengths:
            if length < task.minimum_length:
                raise catalog.CatalogError(
                    f"task {task.name}: length must be at least {task.minimum_length}, got {length}. Change --lengths."
                )
        for model_entry in sweep.models:
            model = catalog.card("model", model_entry.name)
            model_text = _canonical(model, model.values(model_entry.options))
            versions = Versions(task=task.version, model=model.version)
            for length, seed, recipe in _recipes(sweep, task, model):
                cell = Cell(
                    task=task_text, model=model_text, length=length, seed=seed, recipe=recipe, versions=versions
                )
                planned.append(Planned(cell, task.name, tuple(options.items()), request))
    return sorted(dict.fromkeys(planned), key=lambda item: item.cell.length)


def _recipes(sweep: Sweep, task: catalog.Card, model: catalog.Card) -> Iterator[tuple[int, int, Recipe]]:
    for length in sweep.lengths:
        for seed in sweep.resolved_seeds:
            for rate in sweep.resolved_rates(model.documented_learning_rate):
                yield length, seed, sweep.recipe(length, task.tokens_per_step, rate)


def _request(task: catalog.Card, options: dict[str, Any]) -> Request | None:
    if task.fallback is None:
        return None
    return Request(options.get("corpus", task.options["corpus"].default), task.fallback)


def _canonical(card: catalog.Card, options: dict[str, Any]) -> str:
    return Entry(card.name, tuple(options.items())).text


def share(planned: list[Planned], part: tuple[int, int] | None) -> list[Planned]:
    """Part i of n (from 1) of a sweep's cells, the same wherever it is computed; None: all of them."""
    return planned if part is None else shard(planned, lambda item: Estimate().seconds(item.cell), *part)


def execute(
    sweep: Sweep,
    store: Store,
    engine: Engine,
    console: Console,
    resolve: Resolve,
    *,
    retry_failed: bool = False,
    part: tuple[int, int] | None = None,
) -> Outcome:
    """Measure what is missing of `sweep` and store it. resolve: finds the corpora (may download). part: as for `share`.

    Raises:
        CatalogError: the sweep asks for what does not exist or cannot be built.
        StoreError: a result could not be stored.
    """
    planned = plan(sweep)
    store.record_sweep(sweep.hash, {"sweep": sweep.described(), "cells": [_asked(item, None) for item in planned]})
    for name in store.set_aside():
        console.note(f"corrupt record {name} moved to {store.path / 'corrupt'}; its cell runs again")
    if store.hard_links is False:
        console.note(f"{store.path} has no hard links: let no two runners write to it (see python -m bench.doctor)")
    forget_the_dead(store.path)
    mine = frozenset(share(planned, part))
    queue = _Queue(planned, mine, store, console, resolve, sweep, retry_failed=retry_failed)
    if queue.empty():
        return Outcome(queue.keys, queue.results(), interrupted=False)
    with _interrupts(engine, console) as interrupted, engine, announce(store.path, sweep.hash, engine.workers):
        faults = engine.check(queue.samples())
        if faults:
            raise catalog.CatalogError("\n".join(faults))
        console.start(queue.waiting(), queue.stored, engine.workers)
        try:
            for finished in engine.run(queue.jobs(engine.workers)):
                store.publish(finished.result, finished.weights)
                console.finished(finished.result)
        finally:
            console.stop()
    return Outcome(queue.keys, queue.results(), interrupted=bool(interrupted))


def _asked(item: Planned, job: Job | None) -> dict[str, Any]:
    """A cell as the sweep's file holds it: without `data` as long as its corpus is not known."""
    if job is not None:
        return job[0].model_dump(mode="json")
    return item.cell.model_dump(mode="json", exclude={"data"} if item.request else None)


class _Queue:
    """The jobs of a sweep that are not stored yet. Corpora that must be fetched are fetched meanwhile; their cells come
    when they are here, or become rows that say why they are not."""

    def __init__(
        self,
        planned: list[Planned],
        mine: frozenset[Planned],
        store: Store,
        console: Console,
        resolve: Resolve,
        sweep: Sweep,
        *,
        retry_failed: bool,
    ) -> None:
        self.store, self.console, self.sweep = store, console, sweep
        self.stored = 0
        self._mine = mine  # of a sweep in several parts
        self.keys: list[str] = []
        self._failed = frozenset[str]() if retry_failed else frozenset(store.failures())
        self._asked: dict[Planned, Job | None] = dict.fromkeys(planned)
        self._fetching: dict[Request, Future[Resolved | None]] = {}
        found: dict[Request | None, Resolved | None] = {None: None}
        for request in dict.fromkeys(item.request for item in planned if item.request):
            found[request] = resolve(request, False)
            self._tell(found[request])
            if found[request] is None:
                self._fetching[request] = _in_background(resolve, request, True)
        self._later = [item for item in planned if item.request in self._fetching and item in mine]
        ready = [item for item in planned if item.request not in self._fetching]
        self._jobs = self._missing({item: item.with_data(found[item.request]) for item in ready})

    def _tell(self, resolved: Resolved | None) -> None:
        if resolved is not None and resolved.note:
            self.console.note(resolved.note)

    def _missing(self, jobs: dict[Planned, Job]) -> list[Job]:
        """Those that are not stored. What was asked is written down again, now with its data."""
        self._asked |= jobs
        if any(item.request for item in jobs):
            cells = [_asked(item, job) for item, job in self._asked.items()]
            self.store.record_sweep(self.sweep.hash, {"sweep": self.sweep.described(), "cells": cells})
        missing = []
        for item, job in jobs.items():
            if item not in self._mine:
                continue
            key = job[0].key
            self.keys.append(key)
            if self.store.has(key) or key in self._failed:
                self.stored += 1
                self.console.skipped(job[0])
            else:
                missing.append(job)
        return missing

    def _arrived(self) -> tuple[list[Job], list[Result]]:
        """The jobs whose corpora are here by now, and rows for those whose corpora cannot be had."""
        done = {request: future for request, future in self._fetching.items() if future.done()}
        failed: dict[Request | None, BaseException | None] = {
            request: future.exception() for request, future in done.items()
        }
        for request, future in done.items():
            del self._fetching[request]
            if failed[request] is None:
                self._tell(future.result())
            elif not isinstance(failed[request], ValueError | OSError):
                future.result()  # a fault of ours: not to be hidden
        jobs: dict[Planned, Job] = {}
        rows, later = [], []
        for item in self._later:
            if item.request not in done:
                later.append(item)
            elif (error := failed[item.request]) is not None:
                rows.append(self._unavailable(item, error))
            else:
                jobs[item] = item.with_data(done[item.request].result())
        self._later = later
        return self._missing(jobs), rows

    def _unavailable(self, item: Planned, error: BaseException) -> Result:
        self.keys.append(item.cell.key)
        result = Result(cell=item.cell, status="unavailable", error=str(error))
        if item.cell.key not in self._failed:
            self.store.publish(result)
        return result

    def empty(self) -> bool:
        """Whether nothing is left to run. Where nothing but fetching is to be done, this waits for it."""
        while not self._jobs and self._later:
            wait(self._fetching.values())
            self._jobs, rows = self._arrived()
            self.stored += len(rows)
            for row in rows:
                self.console.note(described(row).plain)
        return not self._jobs

    def samples(self) -> list[Job]:
        """For each task with each model the longest job at hand, and for each task the shortest."""
        shortest = {job[0].task: job for job in reversed(self._jobs)}
        longest = {(job[0].task, job[0].model): job for job in self._jobs}
        return [*shortest.values(), *longest.values()]

    def waiting(self) -> list[Cell]:
        """Every cell that may have to run."""
        return [job[0] for job in self._jobs] + [item.cell for item in self._later]

    def jobs(self, workers: int) -> Iterator[Job | None]:
        """The jobs, in the order for so many workers; None while those that remain wait for their corpora."""
        yield from ordered(self._jobs, self._cost, workers)
        while self._later:
            jobs, rows = self._arrived()
            for row in rows:
                self.console.finished(row)
            yield from ordered(jobs, self._cost, workers)
            if self._later and not jobs:
                yield None

    def _cost(self, job: Job) -> float:
        return self.console.estimate.seconds(job[0])

    def results(self) -> list[Result]:
        """What the store holds of this sweep's cells."""
        failures = self.store.failures()
        found = (self.store.answer(key) or failures.get(key) for key in self.keys)
        return [result for result in found if result is not None]


def _in_background(resolve: Resolve, request: Request, download: bool) -> Future[Resolved | None]:
    """A call in a thread that no one waits for when the process ends, unlike those of an executor."""
    future: Future[Resolved | None] = Future()

    def work() -> None:
        try:
            future.set_result(resolve(request, download))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


@contextmanager
def _interrupts(engine: Engine, console: Console) -> Iterator[list[int]]:
    """Ctrl-C once finishes what is running, twice stops now, as does a scheduler's SIGTERM."""
    received: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1 or number == signal.SIGTERM:
            raise KeyboardInterrupt
        engine.stop()
        console.note("Finishing the cells that are running; press Ctrl-C again to stop now. Nothing stored is lost.")

    try:
        before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: signals are the caller's business
        yield received
        return
    try:
        yield received
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
