"""Two folders of a store: the answers to one kind of work, once each, and the attempts that gave none."""

from __future__ import annotations

from typing import Generic, Protocol, Self, TypeVar

from bench.store.files import Files
from bench.store.folder import Folder
from bench.store.sealed import Kept, encode


class Attempted(Kept, Protocol):
    """A record of work that is attempted until it has an answer."""

    @property
    def attempt(self) -> int:
        """The number of the attempt, from 1."""

    def model_copy(self, *, update: dict[str, int]) -> Self:
        """Return the record with other values of some fields."""


Record = TypeVar("Record", bound=Attempted)


class Shelf(Generic[Record]):
    """The answers of one kind, `<key>.json`, and the failed attempts, `<key>-<attempt>.json`: an answer is never
    rewritten."""

    def __init__(self, answers: Folder[Record], failures: Folder[Record], files: Files) -> None:
        self.answers, self.attempts, self.files = answers, failures, files

    def has(self, key: str) -> bool:
        """Return whether an answer is stored."""
        return self.answers.has(key)

    def answer(self, key: str) -> Record | None:
        """Return the stored answer; None where there is none that is whole."""
        return self.answers.get(key)

    def failures(self) -> dict[str, Record]:
        """Return the last failed attempt at all work without an answer, by key."""
        last: dict[str, Record] = {}
        for record in self.attempts:
            if not self.has(record.key) and (record.key not in last or last[record.key].attempt < record.attempt):
                last[record.key] = record
        return last

    def failed(self, key: str, attempt: int) -> bool:
        """Return whether this attempt is stored as failed."""
        return self.attempts.has(f"{key}-{attempt}")

    def tried(self, key: str) -> int:
        """Return the number of the last failed attempt; 0: none is stored."""
        names = (path.stem for path in self.attempts.path.glob(f"{key}-*.json"))
        return max((int(number) for name in names if (number := name.rpartition("-")[2]).isdecimal()), default=0)

    def publish_failure(self, record: Record) -> bool:
        """Store a failed attempt under the first number that is free; return True.

        Raises:
            OSError: it cannot be written.
        """
        attempt = self.tried(record.key) + 1
        while True:
            numbered = record.model_copy(update={"attempt": attempt})
            if self.files.publish(self.attempts.file(f"{record.key}-{attempt}"), encode(numbered)):
                return True
            attempt += 1

    def refresh(self) -> None:
        """Read the folders' names anew, so that what other hosts stored up to now is seen."""
        for folder in (self.answers, self.attempts):
            self.files.refresh(folder.path)
