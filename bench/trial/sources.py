"""The version of the suite, by its sources, because a commit does not tell of what was changed since."""

from __future__ import annotations

import hashlib
import inspect
import sys
from pathlib import Path
from types import ModuleType

from bench import catalog
from bench.records.cell import Cell, Entry, by_path
from bench.records.code import SUITE, digest, files


class CodeChangedError(Exception):
    """Source text that is not the one that a cell was planned with."""


def unchanged(cell: Cell) -> None:
    """Check that the source text, which was imported before, is the one that the cell was planned with.

    Raises:
        CodeChangedError: it is another. The cell then has no score.
    """
    sha256 = catalog.code(*(Entry.parse(text).name for text in cell.foreign)) if cell.code is not None else None
    if sha256 != cell.code:
        raise CodeChangedError(
            f"the code of {' and '.join(cell.foreign)} is not what the sweep was planned with: expected sha256 "
            f"{(cell.code or '')[:8]}, got {(sha256 or 'none')[:8]}. Run the same command again; on a cluster, install "
            f"the same on every node."
        )


def own(cell: Cell) -> list[ModuleType]:
    """Import a cell's task and model where they are given by import path; return the loaded modules among those behind
    `Cell.code`. None where the import fails: the cell itself says so, with the reason."""
    try:
        cards = [catalog.card("task", Entry.parse(cell.task).name)] if by_path(cell.task) else []
        cards += [catalog.card("model", Entry.parse(cell.model).name)] if by_path(cell.model) else []
        for card in cards:
            card.load()
        paths = {card.module: Path(str(sys.modules[card.module].__file__)) for card in cards}
        return [sys.modules[name] for name in sorted(files(paths)) if name in sys.modules]
    except Exception:  # a module of one's own may raise anything
        return []


def sources(*classes: type) -> str:
    """Return the sha256 over every source file that a cell's numbers may depend on, names included; also over the files
    of `classes`, which may be a user's own, and what these import of their own."""
    whole = hashlib.sha256()
    root = Path(__file__).parents[2]
    for package in ("bench", "tasks", "models"):
        for path in sorted((root / package).rglob("*.py")):
            whole.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    own = {each.__module__: Path(inspect.getfile(each)) for each in classes}
    own = {name: path for name, path in own.items() if name.partition(".")[0] not in SUITE}
    whole.update(digest(own).encode() if own else b"")
    return whole.hexdigest()
