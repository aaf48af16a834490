"""What the store says of a runner's work, cells or questions: stored, missing, leased to or settled by another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic

from bench.records.job import Finished, Job
from bench.records.rung import name
from bench.store import Store
from bench.store.leases import Leases
from bench.store.shelf import Record, Shelf

if TYPE_CHECKING:
    from bench.records.job import Work


class Ledger(Generic[Record]):
    """The work whose records this runner reports, and what the store says of it.

    shelf: where the records of this work are kept. retry_failed: what failed before this runner began is missing too.
    skipped: called with all work that does not have to be done.

    Attributes: stored, how much work did not have to be done when it was entered.
    """

    def __init__(
        self,
        store: Store,
        shelf: Shelf[Record],
        skipped: Callable[[Work], None],
        *,
        retry_failed: bool,
    ) -> None:
        self.store, self.shelf, self.skipped = store, shelf, skipped
        self.stored = 0
        self.keys: dict[str, None] = {}  # in the order they were entered
        failures = shelf.failures()
        self._tried = {key: failure.attempt for key, failure in failures.items()}
        self._failed = frozenset[str]() if retry_failed else frozenset(failures)

    def missing(self, jobs: Iterable[Job]) -> list[Job]:
        """Enter jobs; return those whose records are not stored."""
        missing = []
        for job in jobs:
            if job.key in self.keys:  # two paths to one corpus, say
                continue
            self.keys[job.key] = None
            if self.shelf.has(job.key) or job.key in self._failed:
                self.stored += 1
                self.skipped(job.work)
            else:
                missing.append(job)
        return missing

    def unavailable(self, job: Job, error: str) -> tuple[Finished, bool]:
        """Enter a job whose corpus cannot be had; return its outcome, and whether that must be stored: not where the
        job failed before."""
        self.keys[job.key] = None
        self.stored += 1
        return job.failed("unavailable", error), job.key not in self._failed and not self._settled(job)

    def unsettled(self, jobs: list[Job]) -> list[Job]:
        """Return the jobs that no other runner settled."""
        waiting = []
        for job in jobs:
            if not self._settled(job):
                waiting.append(job)
            elif job.until is None:
                self.skipped(job.work)
        return waiting

    def stop(self, keys: Iterable[str]) -> None:
        """Report no longer the cells whose rates were stopped."""
        for key in keys:
            self.keys.pop(key, None)

    def take(self, job: Job, leases: Leases) -> bool:
        """Lease a job to this runner; return False where another runner has the lease or settled the job."""
        if self._settled(job) or not leases.take(job.key):
            return False
        self.shelf.refresh()
        if self._settled(job):  # another runner stored it between these lines
            leases.release(job.key)
            return False
        return True

    def _settled(self, job: Job) -> bool:
        """Return whether another runner stored an answer or a new failure of a job since this runner began, or the rung
        that the job ends with."""
        if job.until is not None and self.store.holds("rungs", name(job.cell, job.until)):
            return True
        return self.shelf.has(job.key) or self.shelf.failed(job.key, self._tried.get(job.key, 0) + 1)

    def records(self) -> dict[str, Record | None]:
        """Return what the store holds of the entered work, by key."""
        failures = self.shelf.failures()
        return {key: self.shelf.answer(key) or failures.get(key) for key in self.keys}
