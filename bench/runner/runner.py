"""From sweeps to stored results: plan their cells, skip what is stored, run the rest, store each result as it comes.

plan      every cell that was asked for                        bench.runner.plan
corpora   which of the cells' corpora are here                 bench.runner.corpora
ledger    which of the cells are stored, or leased             bench.runner.ledger
pending   the jobs that are left, in the order they can run    bench.runner.pending
engine    measures each job's cell, here or on a cluster       bench.engines
store     keeps the results                                    bench.store
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench import catalog
from bench.cli.console import Console
from bench.engines.base import Engine
from bench.records.asked import Asked, AskedCell
from bench.records.job import Job
from bench.records.result import ANSWERS, Result
from bench.records.sweep import Sweep
from bench.runner import edited, halving
from bench.runner.corpora import Corpora
from bench.runner.ledger import Ledger
from bench.runner.plan import Planned, Resolve, plan, share
from bench.runner.running import Running, interrupts, tidy
from bench.store import Store
from bench.store.leases import Leases


@dataclass(frozen=True)
class Outcome:
    """How sweeps ended. keys: of all their cells; results: what the store holds of them."""

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
    sweeps: Sequence[Sweep],
    store: Store,
    engine: Engine,
    console: Console,
    resolve: Resolve,
    *,
    retry_failed: bool = False,
    part: tuple[int, int] | None = None,
) -> Outcome:
    """Measure the cells of sweeps that the store does not hold, and store their results.

    sweeps: all with halving, or all without; their cells share the engine's workers, so that none waits for the last
    cell of a sweep. resolve: finds the corpora (may download). part: as for `share`.

    Raises:
        CatalogError: a sweep asks for what does not exist or cannot be built.
        StoreError: a result could not be stored.
    """
    plans = [plan(sweep) for sweep in sweeps]
    planned = sorted({item: None for items in plans for item in items}, key=lambda item: item.cell.length)
    halved = any(sweep.halving for sweep in sweeps)
    tidy(store, console)
    for line in edited.warnings((item.cell for item in planned), store):
        console.note(line)
    corpora = Corpora(planned, share(planned, part), resolve, console.note)
    ledger = Ledger(store, store.results_shelf, console.skipped, retry_failed=retry_failed)
    stopped: dict[str, int] = {}
    held: list[Asked] = []

    def write_down() -> None:
        """Store what was asked, where it differs from what was stored last."""
        asked = [_asked(sweep, items, corpora, stopped) for sweep, items in zip(sweeps, plans, strict=True)]
        for each in asked:
            if each not in held:
                store.record_sweep(each)
        held[:] = asked

    def stop(jobs: list[Job]) -> list[Job]:
        """Stop the rates that cannot win; return the jobs of all others."""
        cells = {job.cell.key: job.cell for job in (corpora.job(item) for item in planned) if job}
        new = {key: step for key, step in halving.stopped(cells.values(), store).items() if key not in stopped}
        for key, step in new.items():
            console.stopped(cells[key], step)
            store.discard(key)
        stopped.update(new)
        ledger.stop(new)
        write_down()
        return [job for job in jobs if job.cell.key not in stopped]

    write_down()
    running = Running(store, engine, console, corpora, ledger, came=write_down)
    jobs, interrupted = running.first(all_of_them=halved), list[int]()  # rates are compared once all can run
    if halved:
        jobs = stop(jobs)
    if jobs:
        console.estimate.learn_from(store.answers())
        running.limit(jobs)
        names = ",".join(sweep.hash for sweep in sweeps)
        with interrupts(engine, console) as interrupted, engine, Leases(store, names, engine.workers) as leases:
            _check(jobs, engine)
            running.start(jobs)
            for level in range(len(halving.PARTS) if halved else 0):
                steps = halving.due((job.cell for job in jobs), level, store)
                paused = [job._replace(until=steps[job.cell.key]) for job in jobs if job.cell.key in steps]
                running.run(paused, leases, list)
                jobs = stop(jobs)
            running.run(jobs, leases, running.arrived)
        console.stop()
    results = _results(ledger)
    return Outcome(list(results), [result for result in results.values() if result], interrupted=bool(interrupted))


def _results(ledger: Ledger[Result]) -> dict[str, Result | None]:
    """Return what the store holds of a runner's cells, by key. Where a cell's corpus could not be had here, these are
    the answers of runners that had the corpus."""
    by_key: dict[str, Result | None] = {}
    for key, result in ledger.records().items():
        instead = ledger.store.instead(result) if result else []
        by_key |= {each.cell.key: each for each in instead} if instead else {key: result}
    return by_key


def _asked(sweep: Sweep, planned: list[Planned], corpora: Corpora[Planned], stopped: dict[str, int]) -> Asked:
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
