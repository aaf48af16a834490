"""What the report commands share: the view of a store that options choose, and how a report is written."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from cyclopts import Parameter

from bench.records import foreign
from bench.records.asked import AskedCell
from bench.records.errors import UsageError
from bench.records.result import Result
from bench.store import Store
from reports.view import delivery
from reports.view.looks import Look, looks
from reports.view.names import read, renamed
from reports.view.view import Order, View, name_of

Row = dict[str, Any]  # of a study's file
T = TypeVar("T")


class NothingError(UsageError):
    """A view without any result."""


class Place(NamedTuple):
    """Where a cell stands: what options choose by."""

    task: str
    model: str
    length: int
    seed: int


def of_result(result: Result) -> Place:
    """Say where a stored result stands."""
    cell = result.cell
    return Place(cell.task, cell.model, cell.length, cell.seed)


def of_row(row: Mapping[str, Any]) -> Place:
    """Say where a row of a study stands."""
    return Place(*(row[name] for name in Place._fields))


@Parameter(name="*")
@dataclass(frozen=True)
class Choice:
    """Which results to show.

    Parameters
    ----------
    tasks
        Only these, separated by commas; a unique beginning is enough.
    models
        Only these, separated by commas; a unique beginning is enough.
    lengths
        Only these, separated by commas.
    seeds
        Only these, separated by commas: those that are reported, where others chose the learning rates.
    """

    tasks: str = ""
    models: str = ""
    lengths: str = ""
    seeds: str = ""

    def of(self, store: Store) -> View:
        """Work out the chosen view of a store, and say on stderr which records could not be read.

        Raises:
            NothingError: no result is in the view.
            UsageError: a name, a length or a seed that the store does not hold.
        """
        seeds = numbers(self.seeds, "--seeds")
        stored = _of_seeds(store.results(), seeds, of_result)
        order = asked_order(store)
        for line in corrupt(store):
            print(foreign.block(line), file=sys.stderr)
        results = self._selected(stored, of_result)
        if not results:
            why = "no stored result has these tasks, models and lengths together"
            empty = "it holds no results yet. Run `python -m bench.run` first."
            raise NothingError(f"nothing to show from {store.path}: {why if stored else empty}")
        asked = [item for item in asked_cells(store) if not seeds or item.cell.seed in seeds]
        return View.of(results, order, stored, asked)

    def rows(self, held: Sequence[Row]) -> list[Row]:
        """Pick the chosen rows of a study, of the settings that it reports: others are only being tuned yet.

        Raises:
            NothingError: none is left.
            UsageError: a name, a length or a seed that the study does not hold.
        """
        reported = {of_row(row)[:3] for row in held if row["chosen"]}
        held = [row for row in held if of_row(row)[:3] in reported]
        rows = self._selected(_of_seeds(held, numbers(self.seeds, "--seeds"), of_row), of_row)
        if not any(row["chosen"] for row in rows):
            raise NothingError(
                "nothing to show: the study reports no cell of these tasks, models, lengths and seeds together"
            )
        return rows

    def _selected(self, held: Sequence[T], of: Callable[[T], Place]) -> list[T]:
        return select(held, of, names(self.tasks), names(self.models), numbers(self.lengths, "--lengths"))


@Parameter(name="*")
@dataclass(frozen=True)
class Naming(Choice):
    """Which results to show, and what to call their models.

    Parameters
    ----------
    label
        ENTRY=NAME: call a model by another name, as in --label mypackage.mymodule:MyModel=Ours; once for each model.
    """

    label: Annotated[tuple[str, ...], Parameter(negative="")] = ()

    def of(self, store: Store) -> View:
        """Work out the chosen view of a store, its models renamed.

        Raises:
            NothingError: no result is in the view.
            UsageError: a name, a length or a label's entry that the view does not hold.
        """
        view = super().of(store)
        return renamed(view, read(self.label, (label for topic in view.topics for label in topic.labels)))

    def named(self, held: Sequence[Row]) -> tuple[list[Row], dict[str, Look]]:
        """Pick the chosen rows of a study, its models renamed, and how each is drawn: as in every view of the study.

        Raises:
            NothingError: none is left.
            UsageError: a name, a length, a seed or a label's entry that the study does not hold.
        """
        rows = self.rows(held)
        called = read(self.label, (row["model"] for row in rows))
        drawn = {called.get(model, model): look for model, look in looks(row["model"] for row in held).items()}
        return [row | {"model": called.get(row["model"], row["model"])} for row in rows], drawn


ALL = Choice()
AS_THEY_ARE = Naming()


def asked_order(store: Store) -> Order:
    """Read the order in which the store's sweeps name tasks and models, the largest sweep first."""
    asked = [recorded.sweep for recorded in store.sweeps()]
    asked.sort(key=lambda sweep: -len(sweep["tasks"]) * len(sweep["models"]))
    tasks, models = ([name_of(entry) for sweep in asked for entry in sweep[kind]] for kind in ("tasks", "models"))
    return Order(tuple(tasks), tuple(models))


def asked_cells(store: Store) -> list[AskedCell]:
    """Read the cells that the store's sweeps asked for, whether they have run or not."""
    return [item for recorded in store.sweeps() for item in recorded.cells]


def with_keys(results: Sequence[Result], keys: Collection[str] | None) -> list[Result]:
    """Pick the results of some cells; all of them where None is given."""
    return [result for result in results if keys is None or result.cell.key in keys]


def select(
    results: Iterable[T],
    of: Callable[[T], Place],
    tasks: Sequence[str] = (),
    models: Sequence[str] = (),
    lengths: Sequence[int] = (),
) -> list[T]:
    """Pick what has these tasks, models and lengths (empty: all of them). of: where each stands.

    A name stands for an entry as written, or for all entries of that name, or for the only name it begins.

    Raises:
        UsageError: a name or length that nothing has.
    """
    held = [(of(result), result) for result in results]
    if not held:
        return []
    wanted_tasks = _entries("task", tasks, {place.task for place, _ in held})
    wanted_models = _entries("model", models, {place.model for place, _ in held})
    stored = {place.length for place, _ in held}
    for length in lengths:
        if length not in stored:
            nearest = min(stored, key=lambda other: abs(other - length))
            known = ", ".join(map(str, sorted(stored)))
            raise UsageError(f"no results of length {length}; the nearest is {nearest} (stored: {known})")
    return [
        result
        for place, result in held
        if place.task in wanted_tasks and place.model in wanted_models and (not lengths or place.length in lengths)
    ]


def _entries(kind: str, wanted: Sequence[str], held: Collection[str]) -> set[str]:
    if not wanted:
        return set(held)
    chosen: set[str] = set()
    for text in wanted:
        begun = {name_of(entry) for entry in held if entry.startswith(text)}
        matching = (
            {entry for entry in held if entry == text}
            or {entry for entry in held if name_of(entry) == text}
            or {entry for entry in held if len(begun) == 1 and name_of(entry) in begun and text}
        )
        if not matching:
            near = nearest_name(text, {*held, *map(name_of, held)})
            raise UsageError(f"no results of {kind} {text!r}: {near}(stored: {', '.join(sorted(held))})")
        chosen |= matching
    return chosen


def nearest_name(text: str, known: Collection[str]) -> str:
    """Write `did you mean lstm? `; empty where no name is near."""
    near = difflib.get_close_matches(text, sorted(known), n=1)
    return f"did you mean {near[0]}? " if near else ""


def chosen(kind: str, text: str, known: Collection[str]) -> str:
    """Check that a name is known.

    Raises:
        UsageError: it is not; the message holds the nearest name, or all of them.
    """
    if text in known:
        return text
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}."
    raise UsageError(f"no {kind} {text!r}: {hint}")


def names(text: str) -> list[str]:
    """Read the parts of `a,b,c`."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _of_seeds(results: Sequence[T], seeds: Sequence[int], of: Callable[[T], Place]) -> list[T]:
    """Pick what has one of some seeds; all without any.

    Raises:
        UsageError: a seed that nothing has.
    """
    stored = {of(result).seed for result in results}
    for seed in seeds if results else ():
        if seed not in stored:
            raise UsageError(f"no results of seed {seed} (stored: {', '.join(map(str, sorted(stored)))})")
    return [result for result in results if not seeds or of(result).seed in seeds]


def numbers(text: str, flag: str) -> list[int]:
    """Read the numbers of `10,100`. flag: where they were given, for the message.

    Raises:
        UsageError: a part is no whole number.
    """
    try:
        return [int(part) for part in names(text)]
    except ValueError:
        raise UsageError(f"{flag} expects whole numbers separated by commas, got {text!r}") from None


def corrupt(store: Store) -> list[str]:
    """Name the records that could not be read, in one line or none. Call it after the results are read."""
    broken = ", ".join(path.name for path in store.corrupt)
    return [f"left out, because the record is corrupt: {broken}"] if broken else []


def deliver(content: str, output: Path | None) -> None:
    """Write a report to a file, or to stdout without one.

    Raises:
        UsageError: the file cannot be written.
    """
    if output is None:
        sys.stdout.write(content)
    else:
        save(output, content)


def save(path: Path, content: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        delivery.write(path, content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}. Give a file in a writable folder.") from None
