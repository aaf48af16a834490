"""From a Sweep to stored results: plan its cells, skip what is stored, run the rest, store each as it comes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from bench import catalog
from bench.cli.console import Console
from bench.engines.base import Engine
from bench.records.result import ANSWERS, Result
from bench.records.sweep import Sweep
from bench.runner.missing import Missing
from bench.runner.plan import Resolve, plan, share
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
    """Measure what is missing of `sweep` and store it. resolve: finds the corpora (may download). part: as for `share`.

    Raises:
        CatalogError: the sweep asks for what does not exist or cannot be built.
        StoreError: a result could not be stored.
    """
    planned = plan(sweep)
    for name in store.set_aside():
        console.note(f"corrupt record {name} moved to {store.path / 'corrupt'}; its cell runs again")
    if store.hard_links is False:
        console.note(f"{store.path} has no hard links: let no two runners write to it (see python -m bench.doctor)")
    missing = Missing(
        planned, frozenset(share(planned, part)), store, console, resolve, sweep, retry_failed=retry_failed
    )
    forget_the_dead(store)
    interrupted: list[int] = []
    if not missing.empty():
        with _interrupts(engine, console) as interrupted, engine, Leases(store, sweep.hash, engine.workers) as leases:
            _measure(missing, store, engine, console, leases)
    found = missing.stored_results()
    return Outcome(list(found), [result for result in found.values() if result], interrupted=bool(interrupted))


def _measure(missing: Missing, store: Store, engine: Engine, console: Console, leases: Leases) -> None:
    faults = engine.check(missing.samples())
    if faults:
        raise catalog.CatalogError("\n".join(faults))
    console.start(missing.waiting(), missing.stored, engine.workers)
    try:
        for finished in engine.run(missing.jobs(engine.workers, leases)):
            store.publish(finished.result, finished.weights)
            leases.release(finished.result.cell.key)
            console.finished(finished.result)
    finally:
        console.stop()


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
