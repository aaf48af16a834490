"""Cells of a study side by side, as rows: each once, two recipes under two names, rates on the edge of those tried."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from bench.records.errors import UsageError
from bench.records.row import RECIPE

Row = dict[str, Any]
ON_EDGE = "rate_on_edge"  # of a row: its learning rate is the smallest or the largest of those tried
# What two rows must share to be of one recipe; a rate is chosen for each.
ALIKE = (*(column for column in RECIPE.values() if column != "learning_rate"), "task_version", "data")
# What the seeds of one setting must share besides. A cell that failed may not know the last ones.
APART = (*ALIKE, "model_version", "code", "device")
UNSURE = ("data", "device")


class TwiceError(UsageError):
    """A cell, or a reported seed, that would count twice."""


def told_apart(rows: Iterable[Row]) -> list[Row]:
    """Return rows as they are shown together: where cells of a task, model and length differ in more than seed and
    rate, the model is called by it, `gru (clip none)`; and each says whether its rate is on the edge.

    Raises:
        TwiceError: a cell stands there twice, or a seed is reported twice.
    """
    rows = checked_once(rows)
    apart, edges = _apart(rows), _edges(rows)
    return [
        row | {"model": _name(row, apart.get((row["task"], row["model"]), ())), ON_EDGE: row["learning_rate"] in edges}
        for row in rows
    ]


def shown(value: object) -> str:
    """Write a value of a recipe: none, 5,000, tinyshakespeare ab12cd34."""
    return "none" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def checked_once(rows: Iterable[Row]) -> list[Row]:
    """Return the rows, once it is checked that every cell stands there once, and every seed is reported once.

    Raises:
        TwiceError: it does not.
    """
    rows = list(rows)
    seen: set[tuple[Any, ...]] = set()
    for row in rows:
        seed = (*_place(row), row["seed"], *(str(row[column]) for column in APART))
        for cell in ((*seed, row["learning_rate"]), *([seed] if row["chosen"] else [])):
            if cell in seen:
                raise TwiceError(
                    f"{row['task']} {row['model']} T={row['length']} seed {row['seed']} stands there twice, of one "
                    "recipe. Expected every cell once, and one reported rate of every seed."
                )
            seen.add(cell)
    return rows


def _place(row: Row) -> tuple[str, str, int]:
    return row["task"], row["model"], row["length"]


def _apart(rows: Iterable[Row]) -> dict[tuple[str, str], list[str]]:
    """Find the columns in which the cells of a task and model differ at one length."""
    at: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        at.setdefault(_place(row), []).append(row)
    found: dict[tuple[str, str], dict[str, None]] = {}
    for (task, model, _), cells in at.items():
        several = (column for column in APART if _differ(cells, column))
        found.setdefault((task, model), {}).update(dict.fromkeys(several))
    return {place: list(columns) for place, columns in found.items()}


def _differ(cells: Iterable[Row], column: str) -> bool:
    values = {cell[column] if cell[column] is None else str(cell[column]) for cell in cells}
    return len(values - {None} if column in UNSURE else values) > 1


def _name(row: Row, columns: Sequence[str]) -> str:
    said = ", ".join(f"{column.replace('_', ' ')} {shown(row[column])}" for column in columns)
    return f"{row['model']} ({said})" if said else row["model"]


def _edges(rows: Sequence[Row]) -> Collection[float]:
    """Find the smallest and the largest rate that was tried, where one of several was chosen."""
    grid = {row["learning_rate"] for row in rows} - {None}
    return {min(grid), max(grid)} if len(grid) > 1 and not all(row["chosen"] for row in rows) else ()
