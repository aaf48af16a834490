"""From a sweep to stored results: plan its cells, skip what is stored, run the rest, store each result as it comes.

plan      every cell that was asked for                        bench.runner.plan
corpora   which of the cells' corpora are here                 bench.runner.corpora
ledger    which of the cells are stored, or leased             bench.runner.ledger
pending   the jobs that are left, in the order they can run    bench.runner.pending
engine    measures each job's cell, here or on a cluster       bench.engines
store     keeps the results                                    bench.store
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from bench import catalog
from bench.cli.console import Console
from bench.engines.base import Engine
from bench.engines.placement import ordered
from bench.records import foreign
from bench.records.asked import Asked, AskedCell
from bench.records.job import Finished, Job
from bench.records.result import ANSWERS, Result
from bench.records.rung import Rung
from bench.records.sweep import Sweep
from bench.runner import edited, halving
from bench.runner.corpora import Corpora
from bench.runner.ledger import Ledger
from bench.runner.pending import pending
from bench.runner.plan import Planned, Resolve, plan, share
from bench.store import Store
from bench.store.leases import Leases, forget_the_dead


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
    """Measure the cells of `sweep` that the store does not hold, and store their results.

    resolve: finds the corpora (may download). part: as for `share`.

    Raises:
        CatalogError: the sweep asks for what does not exist or cannot be built.
        StoreError: a result could not be stored.
    """
    planned = plan(sweep)
    _tidy(store, console)
    for line in edited.warnings((item.cell for item in planned), store):
        console.note(line)
    corpora = Corpora(planned, share(planned, part), resolve, console.note)
    ledger = Ledger(store, console.skipped, retry_failed=retry_failed)
    stopped: dict[str, int] = {}
    ledger.write_down(_asked(sweep, planned, corpora, stopped))

    def arrived() -> list[Job]:
        """Enter the cells whose corpora came since the last call, or cannot be had; return those that must run."""
        complete, unavailable = corpora.arrived()
        if complete:
            ledger.write_down(_asked(sweep, planned, corpora, stopped))
        for item, error in unavailable.items():
            console.finished(ledger.unavailable(item.cell, error))
        return ledger.missing(complete.values())

    def stop(jobs: list[Job]) -> list[Job]:
        """Stop the rates that cannot win; return the jobs of all others."""
        cells = {job.cell.key: job.cell for job in (corpora.job(item) for item in planned) if job}
        new = {key: step for key, step in halving.stopped(cells.values(), store).items() if key not in stopped}
        for key, step in new.items():
            console.stopped(cells[key], step)
            store.discard(key)
        stopped.update(new)
        ledger.stop(new)
        ledger.write_down(_asked(sweep, planned, corpora, stopped))
        return [job for job in jobs if job.cell.key not in stopped]

    def order(jobs: list[Job]) -> list[Job]:
        return ordered(jobs, lambda job: console.estimate.seconds(job.cell), engine.workers)

    jobs, interrupted = ledger.missing(corpora.here().values()), list[int]()
    while corpora.waiting and (sweep.halving or not jobs):  # rates are compared once all of them can run
        corpora.wait()
        jobs += arrived()
    if sweep.halving:
        jobs = stop(jobs)
    if jobs:
        console.estimate.learn_from(store.answers())
        engine.limit(len(jobs) + len(corpora.waiting))
        with _interrupts(engine, console) as interrupted, engine, Leases(store, sweep.hash, engine.workers) as leases:
            _check(jobs, engine)
            cells = [job.cell for job in jobs] + [item.cell for item in corpora.waiting]
            console.start(cells, ledger.stored, engine.workers)
            for level in range(len(halving.PARTS) if sweep.halving else 0):
                steps = halving.due((job.cell for job in jobs), level, store)
                paused = [job._replace(until=steps[job.cell.key]) for job in jobs if job.cell.key in steps]
                left = pending(order(paused), list, corpora, ledger, leases, console.note)
                _measure(left, store, engine, console, leases)
                jobs = stop(jobs)
            left = pending(order(jobs), lambda: order(arrived()), corpora, ledger, leases, console.note)
            _measure(left, store, engine, console, leases)
        console.stop()
    results = ledger.results()
    return Outcome(list(results), [result for result in results.values() if result], interrupted=bool(interrupted))


def _tidy(store: Store, console: Console) -> None:
    """Move aside what is corrupt, and forget runners that are dead."""
    for name in store.set_aside():
        console.note(f"corrupt record {foreign.line(name)} moved to {store.path / 'corrupt'}; its cell runs again")
    if store.hard_links is False:
        console.note(f"{store.path} has no hard links: let no two runners write to it (see python -m bench.doctor)")
    forget_the_dead(store)


def _asked(sweep: Sweep, planned: list[Planned], corpora: Corpora, stopped: dict[str, int]) -> Asked:
    """Return what was asked, with the corpora that are here by now, and the rates that were stopped."""

    def one(item: Planned) -> AskedCell:
        job = corpora.job(item)
        return AskedCell(job.cell, stopped=stopped.get(job.cell.key)) if job else AskedCell(item.cell, known=False)

    return Asked.of(sweep, map(one, planned))


def _check(jobs: list[Job], engine: Engine) -> None:
    """Build, before anything is trained, each task's longest job with each model, and each task's shortest job."""
    shortest = {job.cell.task: job for job in reversed(jobs)}
    longest = {(job.cell.task, job.cell.model): job for job in jobs}
    faults = engine.check([*shortest.values(), *longest.values()])
    if faults:
        raise catalog.CatalogError("\n".join(faults))


def _measure(jobs: Iterator[Job | None], store: Store, engine: Engine, console: Console, leases: Leases) -> None:
    """Hand the jobs to the engine, and store each result as it comes."""
    try:
        for finished in engine.run(jobs):
            _keep(finished, store, console, leases)
    except BaseException:
        console.stop()
        raise


def _keep(finished: Finished, store: Store, console: Console, leases: Leases) -> None:
    """Store what a job came to, and say it."""
    if isinstance(finished.record, Rung):
        store.publish_kept("rungs", finished.record)
        leases.release(finished.record.cell.key)
    else:
        store.publish(finished.result, finished.weights)
        leases.release(finished.result.cell.key)
        console.finished(finished.result)


@contextmanager
def _interrupts(engine: Engine, console: Console) -> Iterator[list[int]]:
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
