"""The jobs of a sweep in the order in which they can run: as corpora come, and as leases are free."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bench.records.job import Job
from bench.runner.corpora import Corpora
from bench.runner.ledger import Ledger
from bench.store.leases import Leases


def pending(
    jobs: list[Job],
    arrived: Callable[[], list[Job]],
    corpora: Corpora[Any],
    ledger: Ledger[Any],
    leases: Leases,
    say: Callable[[str], None],
) -> Iterator[Job | None]:
    """Yield each job under a lease of this runner; None while those that remain wait for their corpora, or for other
    runners. A cell leased by another runner is yielded only if that runner dies without storing a result.

    arrived: the jobs, in order, whose corpora came since the last call.
    """
    elsewhere: list[Job] = []
    told = False
    while True:
        for job in jobs:
            elsewhere = ledger.unsettled(elsewhere)  # what other runners stored meanwhile shows soon
            if ledger.take(job, leases):
                yield job
            else:
                elsewhere.append(job)
        elsewhere = ledger.unsettled(elsewhere)
        if not elsewhere and not corpora.waiting:
            return
        if elsewhere and not corpora.waiting and not told:
            told = True
            cells = "1 cell is" if len(elsewhere) == 1 else f"{len(elsewhere)} cells are"
            say(f"{cells} left, with other runners; this one ends when they end")
        yield None
        jobs, elsewhere = arrived() + elsewhere, []
