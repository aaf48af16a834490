"""The command `python -m bench.merge A B --into C`: one store from several, such as the shards of a sweep.

Everything is read and checked before anything is written: a corrupt record, weights that are not their record's,
records of different schemas, or two answers to one cell that differ end with one message. Two measurements of one cell
may differ in when, where and how fast they ran (`MEASURED`); then the first store's stays. Failures are all kept, also
of cells that have an answer; the same failure in two stores is one. The same command again changes nothing, or
completes what was interrupted. Exit code: 0, or 2 with the one message.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import App, Parameter

from bench.cli import command
from bench.records import foreign
from bench.records.asked import Asked
from bench.records.cell import canonical_json
from bench.records.reading import Reading
from bench.records.result import Result
from bench.store import Store, StoreError
from bench.store.sealed import Kept
from bench.store.store import KINDS

Read = TypeVar("Read")
Attempt = TypeVar("Attempt", Result, Reading)

MEASURED = ("attempt", "seconds", "steps_per_second", "peak_memory_mb", "provenance")

app = App(name="python -m bench.merge", help="Join stores, such as the shards of a sweep.", version_flags=[])


class MergeError(StoreError):
    """Stores that cannot be joined: which, why, how to fix. Nothing was written."""


@dataclass
class Merged:
    """What several stores hold together.

    answers: by key, with the store each is from. failures: by their text without the number of their attempt, with how
    often each is held; unanswered: those of questions, likewise. sweeps: by hash. kept: the records of other kinds, by
    folder and key, with the store each is from. schemas: a store for each schema number.
    """

    answers: dict[str, tuple[Store, Result]] = field(default_factory=dict)
    failures: dict[str, tuple[Result, int]] = field(default_factory=dict)
    unanswered: dict[str, tuple[Reading, int]] = field(default_factory=dict)
    sweeps: dict[str, Asked] = field(default_factory=dict)
    kept: dict[tuple[str, str], tuple[Store, Kept]] = field(default_factory=dict)
    schemas: dict[int, Store] = field(default_factory=dict)

    def add(self, store: Store) -> None:
        """Add what a store holds.

        Raises:
            MergeError: the store holds what is corrupt, is of another schema, or contradicts the stores before.
        """
        for answer in _read(store, store.answers()):
            self._same_schema(store, answer)
            if answer.weights_sha256 is not None:
                store.weights(answer.cell.key)  # raises where the weights are not the record's
            before = self.answers.setdefault(answer.cell.key, (store, answer))
            differing = sorted(_differences(before[1], answer))
            if differing:
                raise MergeError(_conflict(before, (store, answer), differing))
        for failure in _read(store, store.attempts()):
            self._same_schema(store, failure)
        _count(_read(store, store.attempts()), self.failures)
        _count(_read(store, iter(store.readings.attempts)), self.unanswered)
        for asked in store.sweeps():
            known = self.sweeps.get(asked.hash)
            self.sweeps[asked.hash] = asked if known is None else known.joined(asked)
        self._add_kept(store)
        self._refuse_damage(store)

    def _add_kept(self, store: Store) -> None:
        for kind in KINDS:
            for record in _read(store, store.kept(kind)):
                first, held = self.kept.setdefault((kind, record.key), (store, record))
                if _differing(held.model_dump(mode="json"), record.model_dump(mode="json")):
                    raise MergeError(
                        f"{first.path} and {store.path} hold different {kind} of one key. Keep one: remove "
                        f"{kind}/{record.key}.json from the other store."
                    )

    @staticmethod
    def _refuse_damage(store: Store) -> None:
        for path in store.foreign:
            raise MergeError(f"{path} is a sweep in the words of another version. Join these stores with that version.")
        if store.corrupt:
            raise MergeError(
                f"{foreign.line(str(store.corrupt[0]))} is corrupt. Run its sweep again there, which moves it aside "
                f"and measures its cell anew, or remove it."
            )

    def _same_schema(self, store: Store, result: Result) -> None:
        self.schemas.setdefault(result.schema_number, store)
        if len(self.schemas) > 1:
            (one, first), (other, second) = self.schemas.items()
            raise MergeError(
                f"{first.path} holds records of schema {one}, {second.path} of schema {other}: stores are joined only "
                f"where all records have the same one. Measure the older cells again with this version."
            )


def _count(attempts: Iterator[Attempt], known: dict[str, tuple[Attempt, int]]) -> None:
    """Add a store's failed attempts to those that are known: the same one in two stores is one."""
    counts: Counter[str] = Counter()
    for failure in sorted(attempts, key=lambda failure: failure.attempt):
        text = canonical_json(failure.model_dump(mode="json") | {"attempt": None})
        counts[text] += 1
        _, often = known.get(text, (failure, 0))
        known[text] = failure, max(often, counts[text])


def _read(store: Store, results: Iterator[Read]) -> Iterator[Read]:
    """Yield the records; where one cannot be read, the error names the store that holds it."""
    try:
        yield from results
    except StoreError as error:
        raise MergeError(f"{store.path} cannot be joined: {error}") from None


def _differences(one: Result, other: Result) -> Iterator[str]:
    """Return the fields in which two answers to one cell contradict each other."""
    return (name for name in _differing(one.model_dump(), other.model_dump()) if name != "cell")


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the names of the fields that differ, but for those in which two measurements may."""
    return [name for name in {**one, **other} if name not in MEASURED and one.get(name) != other.get(name)]


def _conflict(one: tuple[Store, Result], other: tuple[Store, Result], differing: list[str]) -> str:
    devices = [result.provenance.device if result.provenance else "unknown" for _, result in (one, other)]
    key = one[1].cell.key
    return (
        f"{one[0].path} (measured on {devices[0]}) and {other[0].path} (on {devices[1]}) hold different answers to "
        f"{one[1].cell.label}, in {', '.join(differing)}. Keep one: remove cells/{key}.json from the other store."
    )


def merge(sources: list[Store], target: Path) -> tuple[Merged, int]:
    """Write into the store `target`, which may exist, what it and the sources hold together.

    Returns what they hold together, and the number of answers that were new to `target`.

    Raises:
        StoreError: they cannot be joined, and nothing was written; or the target could not be written, and the same
            call again completes it.
    """
    merged = Merged()
    present = Merged()
    if (target / "cells").is_dir():
        held = Store(target)
        present.add(held)
        merged.add(held)
    for store in sources:
        merged.add(store)
    try:
        into = Store(target, create=True)
    except StoreError as error:  # its message names the flag of the command that measures
        raise MergeError(str(error).replace("--store", "--into")) from None
    for name, sweep in merged.sweeps.items():
        if sweep != present.sweeps.get(name):
            into.record_sweep(sweep)
    for text, (failure, often) in merged.failures.items():
        for _ in range(often - present.failures.get(text, (failure, 0))[1]):
            into.publish(failure)
    for text, (reading, often) in merged.unanswered.items():
        for _ in range(often - present.unanswered.get(text, (reading, 0))[1]):
            into.publish_reading(reading)
    for (kind, key), (_, record) in merged.kept.items():
        if (kind, key) not in present.kept:
            into.publish_kept(kind, record)
    new = 0
    for key, (store, answer) in merged.answers.items():
        if key not in present.answers:
            new += into.publish(answer, None if answer.weights_sha256 is None else store.weights(key))
    return merged, new


@app.default
def run(
    *stores: Annotated[Path, Parameter(help="Stores to join.")],
    into: Annotated[Path, Parameter(help="The store that gets all of it; it may be one of them.")],
) -> int:
    """Join stores into one. Nothing of the joined stores is changed."""
    if not stores:
        raise MergeError("expected one store or more, got none: python -m bench.merge A B --into C")
    merged, new = merge([Store(path) for path in stores], into)
    failures = sum(often for _, often in merged.failures.values())
    counts = f"{len(merged.answers)} answers ({new} new), {failures} failures, {len(merged.sweeps)} sweeps"
    print(foreign.block(f"{into}: {counts}"))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; stores that cannot be joined end with one message and exit code 2."""
    return command.run(app, arguments, "bench.merge")


if __name__ == "__main__":
    sys.exit(main())
