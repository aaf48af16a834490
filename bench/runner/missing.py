"""What is missing of a sweep: the jobs that are neither stored nor with another runner, and when they can run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from bench.cli.console import Console, described
from bench.engines.placement import ordered
from bench.records.cell import Cell
from bench.records.job import Job
from bench.records.result import Result
from bench.records.sweep import Sweep
from bench.runner.plan import Planned, Request, Resolve, Resolved
from bench.store import Store
from bench.store.leases import Leases


class Missing:
    """The jobs of a sweep that are not stored yet. Corpora that must be fetched are fetched meanwhile; their cells come
    when they are here, or become rows that say why they are not. Cells that another runner measures come when it died.

    planned: all cells; mine: those of this part of the sweep. resolve: finds the corpora. Writes down what was asked.

    Attributes: stored, how many cells need nothing.
    """

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
        self._keys: dict[str, None] = {}  # in order: of the cells of this part whose data are known, or cannot be had
        self._mine = mine
        failures = store.failures()
        self._tried = {key: failure.attempt for key, failure in failures.items()}
        self._failed = frozenset[str]() if retry_failed else frozenset(failures)
        self._asked: dict[Planned, Job | None] = dict.fromkeys(planned)
        self._record()
        self._fetching: dict[Request, Future[Resolved | None]] = {}
        found: dict[Request | None, Resolved | None] = {None: None}
        for request in dict.fromkeys(item.request for item in planned if item.request):
            found[request] = resolve(request, False)
            self._tell(found[request])
            if found[request] is None:
                self._fetching[request] = _in_background(resolve, request, True)
        self._later = [item for item in planned if item.request in self._fetching and item in mine]
        ready = [item for item in planned if item.request not in self._fetching]
        self._jobs = self._not_stored({item: item.with_data(found[item.request]) for item in ready})

    def _tell(self, resolved: Resolved | None) -> None:
        if resolved is not None and resolved.note:
            self.console.note(resolved.note)

    def _record(self) -> None:
        cells = [_asked(item, job) for item, job in self._asked.items()]
        self.store.record_sweep(self.sweep.hash, {"sweep": self.sweep.described(), "cells": cells})

    def _not_stored(self, jobs: dict[Planned, Job]) -> list[Job]:
        """Those that are not stored. What was asked is written down again, now with its data."""
        self._asked |= jobs
        if any(item.request for item in jobs):
            self._record()
        missing = []
        for item, job in jobs.items():
            if item not in self._mine:
                continue
            key = job[0].key
            if key in self._keys:  # two paths to one text, say
                continue
            self._keys[key] = None
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
        return self._not_stored(jobs), rows

    def _unavailable(self, item: Planned, error: BaseException) -> Result:
        key = item.cell.key
        self._keys[key] = None
        result = Result(cell=item.cell, status="unavailable", error=str(error))
        if key not in self._failed and not self._settled(key):
            self.store.publish(result)
        return result

    def empty(self) -> bool:
        """Whether nothing is left to run. Where nothing but fetching is to be done, this waits for it."""
        while not self._jobs and self._later:
            wait(self._fetching.values(), return_when=FIRST_COMPLETED)
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

    def jobs(self, workers: int, leases: Leases) -> Iterator[Job | None]:
        """The jobs, in the order for so many workers, each under a lease of this runner; None while those that remain
        wait for their corpora, or for another runner that measures them."""
        jobs, told = ordered(self._jobs, self._cost, workers), False
        elsewhere: list[Job] = []
        while True:
            for job in jobs:
                elsewhere = self._unsettled(elsewhere)  # what others did meanwhile shows soon
                if not self._unsettled([job]):
                    continue
                if not leases.take(job[0].key):
                    elsewhere.append(job)
                    continue
                self.store.refresh()
                if self._unsettled([job]):  # it may have been stored between these lines
                    yield job
                else:
                    leases.release(job[0].key)
            elsewhere = self._unsettled(elsewhere)
            if not elsewhere and not self._later:
                return
            if elsewhere and not self._later and not told:
                told = True
                self.console.note(f"{_cells(len(elsewhere))} left, with other runners; this one ends when they end")
            yield None
            arrived, rows = self._arrived()
            for row in rows:
                self.console.finished(row)
            jobs, elsewhere = ordered(arrived, self._cost, workers) + elsewhere, []

    def _unsettled(self, jobs: list[Job]) -> list[Job]:
        """Those jobs that no other runner settled."""
        waiting = []
        for job in jobs:
            if self._settled(job[0].key):
                self.console.skipped(job[0])
            else:
                waiting.append(job)
        return waiting

    def _settled(self, key: str) -> bool:
        """Whether another runner stored something of this cell since this one began."""
        return self.store.has(key) or self.store.failed(key, self._tried.get(key, 0) + 1)

    def _cost(self, job: Job) -> float:
        return self.console.estimate.seconds(job[0])

    def stored_results(self) -> dict[str, Result | None]:
        """What the store holds of this sweep's cells, by key. Of a cell whose corpus could not be had here, that is
        what runners found that had it."""
        failures = self.store.failures()
        found: dict[str, Result | None] = {}
        for key in self._keys:
            result = self.store.answer(key) or failures.get(key)
            if result is None:
                found[key] = None
                continue
            for each in self.store.instead(result) or [result]:
                found[each.cell.key] = each
        return found


def _asked(item: Planned, job: Job | None) -> dict[str, Any]:
    """A cell as the sweep's file holds it: without `data` as long as its corpus is not known."""
    if job is not None:
        return job[0].model_dump(mode="json")
    return item.cell.model_dump(mode="json", exclude={"data"} if item.request else None)


def _cells(count: int) -> str:
    return "1 cell is" if count == 1 else f"{count} cells are"


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
