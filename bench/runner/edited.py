"""What the store holds of code that is not the present one: such results are never shown as new without a word.

An entry by import path is known by its source text: results of other code are other cells. An entry by its name is
known by its version, so that results of a file that was edited, and states the same version, are shown as they are.
Nothing is refused here, and nothing is imported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import catalog
from bench.records import checkout
from bench.records.cell import Cell
from bench.records.entry import Entry
from bench.records.result import Result
from bench.store import Store

Named = tuple[catalog.Kind, str, int]  # task or model, name, version


def warnings(cells: Iterable[Cell], store: Store) -> list[str]:
    """Return lines for people about stored results of the cells' entries that other source text gave."""
    cells = list(cells)
    codes = {cell.foreign: cell.code for cell in cells if cell.foreign}
    files = {name: path for cell in cells for name, path in _files(cell)}
    own = set(checkout.altered(files.values()))
    files = {name: path for name, path in files.items() if path in own}
    if not (codes or files):
        return []
    results = store.results()
    return [*_of_other_code(codes, results), *_of_other_files(files, results)]


def _of_other_code(now: dict[tuple[str, ...], str | None], results: list[Result]) -> Iterator[str]:
    """Yield a line for each other code of entries by import path."""
    others = Counter(
        (result.cell.foreign, result.cell.code)
        for result in results
        if result.cell.foreign in now and result.cell.code != now[result.cell.foreign]
    )
    for (names, code), count in others.items():
        which = f"{code[:8] if code else 'not recorded'}; now {(now[names] or '')[:8]}"
        yield (
            f"the store holds {_counted(count)} of {' and '.join(names)} with other code ({which}): "
            f"they are not used here"
        )


def _of_other_files(files: dict[Named, Path], results: list[Result]) -> Iterator[str]:
    """Yield a line for each file of the suite's folders that is not as it was released and that was written after
    results of its entry, of the version that it states, were begun."""
    for (kind, name, version), path in files.items():
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        older = [
            result for result in results if _named(result.cell, kind) == (name, version) and _before(result, written)
        ]
        if older:
            yield (
                f"{path.relative_to(checkout.ROOT)} was written after {_counted(len(older))} of {kind} {name}, version "
                f"{version}, and states the same version: they are shown as they are. Where it computes other numbers "
                f"now, raise its `version`"
            )


def _files(cell: Cell) -> Iterator[tuple[Named, Path]]:
    """Yield a cell's entries that are given by name, each with its file."""
    kinds: tuple[catalog.Kind, ...] = ("task", "model")
    for kind in kinds:
        name, version = _named(cell, kind)
        if ":" not in name:
            yield (kind, name, version), checkout.ROOT / catalog.PACKAGES[kind] / f"{name}.py"


def _named(cell: Cell, kind: catalog.Kind) -> tuple[str, int]:
    text, version = (cell.task, cell.versions.task) if kind == "task" else (cell.model, cell.versions.model)
    return Entry.parse(text).name, version


def _before(result: Result, written: datetime) -> bool:
    """Return whether a result was begun before a time; what is recorded is its whole second."""
    if result.provenance is None:
        return False
    try:
        began = datetime.fromisoformat(result.provenance.started)
    except ValueError:
        return False
    return began.astimezone(UTC) + timedelta(seconds=1) <= written


def _counted(count: int) -> str:
    return "1 result" if count == 1 else f"{count} results"
