"""The corpora that cells or questions read: those on this machine, and those that are being fetched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Generic, Protocol, TypeVar

from bench.records.errors import BenchError
from bench.records.job import Job
from bench.runner.plan import Request, Resolve, Resolved


class Waiting(Protocol):
    """What is planned and may wait for its corpus."""

    @property
    def request(self) -> Request | None:
        """The corpus that is asked for; None: none."""

    def with_data(self, resolved: Resolved | None) -> Job:
        """Return the job, with its data."""


Wanted = TypeVar("Wanted", bound=Waiting)


class Corpora(Generic[Wanted]):
    """The corpora of what is planned. Those that `mine` need and are not here are fetched in the background.

    mine: those of them that are to run. say: called once with the note on a corpus, where there is one.

    Attributes: waiting, the cells of `mine` that were not handed over yet.

    Raises:
        BenchError, OSError: a corpus cannot be had, which shows without the network.
    """

    def __init__(
        self,
        planned: Iterable[Wanted],
        mine: Iterable[Wanted],
        resolve: Resolve,
        say: Callable[[str], None],
    ) -> None:
        self._say = say
        self._here: dict[Request | None, Resolved | None] = {None: None}
        for request in dict.fromkeys(item.request for item in planned if item.request):
            resolved = resolve(request, False)
            if resolved is not None:
                self._take(request, resolved)
        self.waiting = list(mine)
        absent = dict.fromkeys(item.request for item in self.waiting if item.request not in self._here)
        self._fetching = {request: _in_background(resolve, request) for request in absent if request}

    def job(self, item: Wanted) -> Job | None:
        """Return the job of a planned cell, with its corpus; None as long as the corpus is not here."""
        return item.with_data(self._here[item.request]) if item.request in self._here else None

    def here(self) -> dict[Wanted, Job]:
        """Return, once, the jobs of the waiting cells whose corpus is here."""
        jobs = {item: job for item in self.waiting if (job := self.job(item)) is not None}
        self.waiting = [item for item in self.waiting if item not in jobs]
        return jobs

    def arrived(self) -> tuple[dict[Wanted, Job], dict[Wanted, str]]:
        """Return, once, the jobs of the waiting cells whose corpus came, and why the others' cannot be had."""
        lost: dict[Request | None, str] = {}
        for request, future in list(self._fetching.items()):
            if future.done():
                del self._fetching[request]
                try:
                    self._take(request, future.result())
                except (BenchError, OSError) as error:
                    lost[request] = str(error)
        unavailable = {item: lost[item.request] for item in self.waiting if item.request in lost}
        self.waiting = [item for item in self.waiting if item not in unavailable]
        return self.here(), unavailable

    def wait(self) -> None:
        """Wait until another corpus is here, or cannot be had."""
        wait(self._fetching.values(), return_when=FIRST_COMPLETED)

    def _take(self, request: Request, resolved: Resolved | None) -> None:
        self._here[request] = resolved
        if resolved is not None and resolved.note:
            self._say(resolved.note)


def _in_background(resolve: Resolve, request: Request) -> Future[Resolved | None]:
    """Fetch a corpus in a thread. Not in an executor, because the process would wait for its threads when it ends."""
    future: Future[Resolved | None] = Future()

    def work() -> None:
        try:
            future.set_result(resolve(request, True))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future
