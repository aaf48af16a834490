"""A reader of files with two cells in each line, separated by a tab."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TypeVar

from tasks.corpora.decoding import CorpusFormatError, decoded

FEWEST = 10  # rows, so that no split is empty
SHOWN = 60  # characters of a line that a message shows

Item = TypeVar("Item")


class Row(NamedTuple):
    """One line of a file: its number, from 1, and its two cells."""

    line: int
    left: str
    right: str


def short(text: str) -> str:
    """Return a cell or a line as a message shows it: quoted, and cut where it is long."""
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}…"


def read_tabbed(path: Path, left: str, right: str) -> list[Row]:
    """Read the rows of a file. left, right: what the cells are, for messages. Blank lines are left out.

    Raises:
        CorpusFormatError: a line without a tab or with several, an empty cell, or fewer than ten rows.
    """
    rows = []
    for number, text in enumerate(decoded(path.read_bytes(), path).splitlines(), start=1):
        if not text.strip():
            continue
        cells = [cell.strip() for cell in text.split("\t")]
        expected = f"{path.name}, line {number}: expected {left}, one tab and {right}"
        if len(cells) != 2:
            raise CorpusFormatError(
                f"{expected}, got {len(cells) - 1 or 'no'} tab{'s' * (len(cells) > 2)} in {short(text)}"
            )
        if not all(cells):
            raise CorpusFormatError(f"{expected}, but {right if cells[0] else left} is missing in {short(text)}")
        rows.append(Row(number, *cells))
    if len(rows) < FEWEST:
        raise CorpusFormatError(
            f"{path.name}: expected at least {FEWEST} lines of {left}, a tab and {right} (of every ten, one validates "
            f"and one tests), got {len(rows)}"
        )
    return rows


def of_split(rows: list[Item], split: str) -> list[Item]:
    """Return the rows of `validation` (number mod 10 is 8, from 0), `test` (9) or `training` (the others)."""
    rest = {"training": range(8), "validation": (8,), "test": (9,)}[split]
    return [row for number, row in enumerate(rows) if number % 10 in rest]
