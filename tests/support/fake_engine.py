"""An engine that answers at once, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bench.engines.local import LocalEngine
from bench.records.cell import Cell
from bench.records.job import Finished, Job, Surroundings
from bench.records.result import Result
from tests.support.factories import a_result


class FakeEngine(LocalEngine):
    """Answers at once, in this process. answer: the result of a cell."""

    def __init__(self, answer: Callable[[Cell], Result] = a_result) -> None:
        super().__init__(Surroundings(), workers=1)
        self.answer = answer
        self.ran: list[Job] = []
        self.checked: list[Job] = []
        self.faults: list[str] = []

    def check(self, jobs: list[Job]) -> list[str]:
        self.checked = jobs
        return self.faults

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Finished]:
        for job in jobs:
            if self._stopping:
                return
            if job is not None:
                self.ran.append(job)
                yield Finished(self.answer(job.cell), b"weights")

    @property
    def labels(self) -> list[str]:
        return [job.cell.label.partition(" / seed")[0] for job in self.ran]
