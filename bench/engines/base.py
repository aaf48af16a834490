"""The interface of every engine, and the errors that engines raise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol, Self

from bench.records.errors import BenchError
from bench.records.job import Finished, Job

if TYPE_CHECKING:
    from bench.records.job import Work

Report = Callable[[int, "Work | None", int, int], None]


class EngineError(BenchError):
    """No cell can be measured here: what, why, how to fix."""

    exit_code = 1


class AddressError(EngineError):
    """An address that cannot be used, or at which no cluster answers. Nothing was run."""

    exit_code = 2


class Engine(Protocol):
    """A place where cells run. An engine stores nothing: its caller stores the outcomes."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None:
        """End whatever is running, and free all that the engine holds."""

    @property
    def workers(self) -> int:
        """How many cells run at the same time."""

    def limit(self, cells: int) -> None:
        """Start no more workers than so many cells can use; before anything is started."""

    def check(self, jobs: list[Job]) -> list[str]:
        """Build the task and model of each job without training; return one message per distinct fault."""

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Finished]:
        """Measure the cell of every job and yield each outcome once. A None says that the next job is not known yet."""

    def stop(self) -> None:
        """Begin no further cell; running cells finish."""
