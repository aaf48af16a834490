"""What the report commands share: the view that options choose, and files that may not be written."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.records.errors import UsageError
from bench.records.result import Result
from bench.store import Store
from reports.view.blocks import Rank
from reports.view.view import asked_order, select


def chosen(store: Store, tasks: str, models: str, lengths: str) -> tuple[list[Result], Rank]:
    """The results of a view, given as on the command line, and the order to show them in.

    Raises:
        UsageError: the store is empty, or no result is in the view.
    """
    stored = store.results()
    rank = asked_order(store)
    for line in corrupt(store):
        print(line, file=sys.stderr)
    if not stored:
        raise UsageError(
            f"nothing to show from {store.path}: it holds no results yet. Run `python -m bench.run` first."
        )
    results = select(stored, tasks=names(tasks), models=names(models), lengths=numbers(lengths))
    if not results:
        raise UsageError(f"nothing to show from {store.path}: no result has these tasks, models and lengths together")
    return results, rank


def save(path: Path, content: str) -> None:
    """Write a text file.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.write_text(content, "utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}. Give a file in a writable folder.") from None


def corrupt(store: Store) -> list[str]:
    """What to say of records that could not be read; call after reading."""
    broken = ", ".join(path.name for path in store.corrupt)
    return [f"left out, because the record is corrupt: {broken}"] if broken else []


def names(text: str) -> list[str]:
    """The parts of `a,b,c`."""
    return [part.strip() for part in text.split(",") if part.strip()]


def numbers(text: str) -> list[int]:
    """The numbers in `10,100`.

    Raises:
        UsageError: a part is no whole number.
    """
    try:
        return [int(part) for part in names(text)]
    except ValueError:
        raise UsageError(f"--lengths expects whole numbers separated by commas, got {text!r}") from None
