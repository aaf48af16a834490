"""What runners of cells and of questions do alike: hand what is missing to the engine, and keep what comes back."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Generic

from bench.cli.console import Console
from bench.engines.base import Engine
from bench.engines.placement import ordered
from bench.records import foreign
from bench.records.job import Finished, Job
from bench.records.reading import Reading
from bench.records.rung import Rung
from bench.runner.corpora import Corpora, Wanted
from bench.runner.ledger import Ledger
from bench.runner.pending import pending
from bench.store import Store
from bench.store.leases import Leases, forget_the_dead
from bench.store.shelf import Record


class Running(Generic[Record, Wanted]):
    """One runner's work: what is missing of it, and how that is done.

    came: called when a corpus that was waited for is here. made: makes a job whole before it is handed to the engine,
    or returns the outcome of one that cannot be made whole.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        console: Console,
        corpora: Corpora[Wanted],
        ledger: Ledger[Record],
        *,
        came: Callable[[], None] = lambda: None,
        made: Callable[[Job], Job | Finished] = lambda job: job,
    ) -> None:
        self.store, self.engine, self.console = store, engine, console
        self.corpora, self.ledger = corpora, ledger
        self.came, self.made = came, made

    def first(self, *, all_of_them: bool = False) -> list[Job]:
        """Return the missing jobs whose corpora are here; of all corpora, or where there are none, wait for some."""
        jobs = self.ledger.missing(self.corpora.here().values())
        while self.corpora.waiting and (all_of_them or not jobs):
            self.corpora.wait()
            jobs += self.arrived()
        return jobs

    def arrived(self) -> list[Job]:
        """Enter the jobs whose corpora came since the last call, or cannot be had; return those that must run."""
        complete, unavailable = self.corpora.arrived()
        if complete:
            self.came()
        for item, error in unavailable.items():
            finished, new = self.ledger.unavailable(item.with_data(None), error)
            if new:
                self._publish(finished)
            self._say(finished)
        return self.ledger.missing(complete.values())

    def limit(self, jobs: list[Job]) -> None:
        """Start no more workers than so many jobs can use, before any is started."""
        self.engine.limit(len(jobs) + len(self.corpora.waiting))

    def start(self, jobs: list[Job]) -> None:
        """Show the progress from here on."""
        work = [job.work for job in jobs] + [item.with_data(None).work for item in self.corpora.waiting]
        self.console.start(work, self.ledger.stored, self.engine.workers)

    def run(self, jobs: list[Job], leases: Leases, arrived: Callable[[], list[Job]]) -> None:
        """Hand jobs to the engine, those that arrive too, and store each outcome as it comes."""
        left = pending(
            self._ordered(jobs), lambda: self._ordered(arrived()), self.corpora, self.ledger, leases, self.console.note
        )
        try:
            for finished in self.engine.run(self._whole(left, leases)):
                self._keep(finished, leases)
        except BaseException:
            self.console.stop()
            raise

    def _ordered(self, jobs: list[Job]) -> list[Job]:
        return ordered(jobs, lambda job: self.console.estimate.seconds(job.work), self.engine.workers)

    def _whole(self, jobs: Iterable[Job | None], leases: Leases) -> Iterator[Job | None]:
        """Yield whole jobs; what cannot be made whole has its outcome."""
        for job in jobs:
            made = None if job is None else self.made(job)
            if isinstance(made, Finished):
                self._keep(made, leases)
            else:
                yield made

    def _keep(self, finished: Finished, leases: Leases) -> None:
        """Store what a job came to, and say it."""
        self._publish(finished)
        leases.release(finished.lease)
        self._say(finished)

    def _say(self, finished: Finished) -> None:
        if isinstance(finished.record, Rung):
            self.console.paused(finished.record)
        else:
            self.console.finished(finished.record)

    def _publish(self, finished: Finished) -> None:
        if isinstance(finished.record, Rung):
            self.store.publish_kept("rungs", finished.record)
        elif isinstance(finished.record, Reading):
            self.store.publish_reading(finished.record)
        else:
            self.store.publish(finished.record, finished.weights)


def tidy(store: Store, console: Console) -> None:
    """Move aside what is corrupt, and forget runners that are dead."""
    for name in store.set_aside():
        console.note(f"corrupt record {foreign.line(name)} moved to {store.path / 'corrupt'}; its cell runs again")
    if store.hard_links is False:
        console.note(f"{store.path} has no hard links: let no two runners write to it (see python -m bench.doctor)")
    forget_the_dead(store)


@contextmanager
def interrupts(engine: Engine, console: Console) -> Iterator[list[int]]:
    """Finish the running cells at the first Ctrl-C; stop now at the second, or at a scheduler's SIGTERM."""
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
