"""What the store says of a sweep's cells: stored, missing, leased to or settled by another runner."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bench.records.asked import Asked
from bench.records.cell import Cell
from bench.records.job import Job
from bench.records.result import Result
from bench.records.rung import name
from bench.store import Store
from bench.store.leases import Leases


class Ledger:
    """The cells whose results this runner reports, and what the store says of them.

    retry_failed: cells that failed before this runner began are missing too. skipped: called with each cell that does
    not have to run.

    Attributes: stored, how many cells did not have to run when they were entered.
    """

    def __init__(self, store: Store, skipped: Callable[[Cell], None], *, retry_failed: bool) -> None:
        self.store, self.skipped = store, skipped
        self.stored = 0
        self._asked: Asked | None = None
        self._keys: dict[str, None] = {}  # in the order they were entered
        failures = store.failures()
        self._tried = {key: failure.attempt for key, failure in failures.items()}
        self._failed = frozenset[str]() if retry_failed else frozenset(failures)

    def write_down(self, asked: Asked) -> None:
        """Store what was asked, where it differs from what was stored last."""
        if asked != self._asked:
            self._asked = asked
            self.store.record_sweep(asked)

    def missing(self, jobs: Iterable[Job]) -> list[Job]:
        """Enter the cells of jobs; return the jobs whose cells are not stored."""
        missing = []
        for job in jobs:
            key = job.cell.key
            if key in self._keys:  # two paths to one corpus, say
                continue
            self._keys[key] = None
            if self.store.has(key) or key in self._failed:
                self.stored += 1
                self.skipped(job.cell)
            else:
                missing.append(job)
        return missing

    def unavailable(self, cell: Cell, error: str) -> Result:
        """Enter a cell whose corpus cannot be had; return its result, which is stored unless the cell failed before."""
        self._keys[cell.key] = None
        self.stored += 1
        result = Result(cell=cell, status="unavailable", error=error)
        if cell.key not in self._failed and not self._settled(Job(cell)):
            self.store.publish(result)
        return result

    def unsettled(self, jobs: list[Job]) -> list[Job]:
        """Return the jobs that no other runner settled."""
        waiting = []
        for job in jobs:
            if not self._settled(job):
                waiting.append(job)
            elif job.until is None:
                self.skipped(job.cell)
        return waiting

    def stop(self, keys: Iterable[str]) -> None:
        """Report no longer the cells whose rates were stopped."""
        for key in keys:
            self._keys.pop(key, None)

    def take(self, job: Job, leases: Leases) -> bool:
        """Lease a job's cell to this runner; return False where another runner has the lease or settled the cell."""
        key = job.cell.key
        if self._settled(job) or not leases.take(key):
            return False
        self.store.refresh()
        if self._settled(job):  # another runner stored it between these lines
            leases.release(key)
            return False
        return True

    def _settled(self, job: Job) -> bool:
        """Return whether another runner stored an answer or a new failure of a job's cell since this runner began, or
        the rung that the job ends with."""
        key = job.cell.key
        if job.until is not None and self.store.holds("rungs", name(job.cell, job.until)):
            return True
        return self.store.has(key) or self.store.failed(key, self._tried.get(key, 0) + 1)

    def results(self) -> dict[str, Result | None]:
        """Return what the store holds of the entered cells, by key. Where a cell's corpus could not be had here, these
        are the answers of runners that had the corpus."""
        failures = self.store.failures()
        by_key: dict[str, Result | None] = {}
        for key in self._keys:
            result = self.store.answer(key) or failures.get(key)
            instead = self.store.instead(result) if result else []
            for each in instead:
                by_key[each.cell.key] = each
            if not instead:
                by_key[key] = result
        return by_key
