"""Which results a report is about, and in which order tasks and models appear."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence

from bench.records.errors import UsageError
from bench.records.result import Result
from bench.store import Store
from reports.view.blocks import Rank


def select(
    results: Iterable[Result],
    tasks: Sequence[str] = (),
    models: Sequence[str] = (),
    lengths: Sequence[int] = (),
    keys: Collection[str] | None = None,
) -> list[Result]:
    """The results with these tasks, models and lengths (empty: all of them) and, where given, of these cells.

    A name stands for an entry as written, or for all entries of that name, or for the only name it begins.

    Raises:
        UsageError: a name or length that the results do not hold.
    """
    found = [result for result in results if keys is None or result.cell.key in keys]
    if not found:
        return []
    wanted_tasks = _entries("task", tasks, {result.cell.task for result in found})
    wanted_models = _entries("model", models, {result.cell.model for result in found})
    held = {result.cell.length for result in found}
    for length in lengths:
        if length not in held:
            nearest = min(held, key=lambda other: abs(other - length))
            known = ", ".join(map(str, sorted(held)))
            raise UsageError(f"no results of length {length}; the nearest is {nearest} (stored: {known})")
    return [
        result
        for result in found
        if result.cell.task in wanted_tasks
        and result.cell.model in wanted_models
        and (not lengths or result.cell.length in lengths)
    ]


def _entries(kind: str, wanted: Sequence[str], held: Collection[str]) -> set[str]:
    if not wanted:
        return set(held)
    found: set[str] = set()
    for text in wanted:
        begun = {_name(entry) for entry in held if entry.startswith(text)}
        matching = (
            {entry for entry in held if entry == text}
            or {entry for entry in held if _name(entry) == text}
            or {entry for entry in held if len(begun) == 1 and _name(entry) in begun and text}
        )
        if not matching:
            names = sorted({*held, *map(_name, held)})
            near = difflib.get_close_matches(text, names, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"no results of {kind} {text!r}: {hint}(stored: {', '.join(sorted(held))})")
        found |= matching
    return found


def _name(entry: str) -> str:
    """`lstm` of `lstm:layers=2`; an import path keeps its class, which follows the first colon."""
    parts = entry.split(":")
    return ":".join(parts[:2]) if len(parts) > 1 and "=" not in parts[1] else parts[0]


def asked_order(store: Store) -> Rank:
    """Tasks and models in the order in which the store's sweeps name them; what no sweep names follows, by name."""
    order: dict[str, list[str]] = {"task": [], "model": []}
    asked = [recorded.sweep for recorded in store.sweeps()]
    for sweep in sorted(asked, key=lambda sweep: -len(sweep["tasks"]) * len(sweep["models"])):
        order["task"] += map(_name, sweep["tasks"])
        order["model"] += map(_name, sweep["models"])

    def rank(kind: str, entry: str) -> tuple[int, str]:
        names, name = order[kind], _name(entry)
        return (names.index(name) if name in names else len(names), entry)

    return rank
