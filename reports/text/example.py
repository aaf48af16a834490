"""An example of a task in columns of text: words under their steps, shades as blocks."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from bench.records import foreign

WIDTH = 80
SHADES = " ░▒▓█"  # from white to black
LONGEST = 16  # letters of a word; the rest of a longer one is left out
TENTH = 10  # steps that are numbered where each has one letter
VISIBLE = str.maketrans({" ": "␣", "\n": "↵", "\t": "→"})

Cell = str | float
NamedRow = tuple[str, Sequence[Cell]]


def columns(rows: Sequence[NamedRow], numbered: bool = True) -> list[str]:
    """Lay rows of equal length out in lines of at most 80 letters, cells below each other.

    numbered: the first row holds the numbers of the steps. Steps that do not fit go on below, after an empty line.
    Where every cell is one letter and not all fit with spaces between, the letters touch and every tenth is numbered.
    """
    named = [(foreign.line(name), [_word(cell) for cell in cells]) for name, cells in rows]
    margin = max(len(name) for name, _ in named) + 1
    steps = max((len(cells) for _, cells in named), default=0)
    wide = max((_width(c) for _, cells in named for c in cells if isinstance(c, str)), default=1) + 1
    body = named[1:] if numbered else named
    touching = margin + steps * wide > WIDTH and all(_width(c) == 1 for _, cells in body for c in cells)
    if touching and numbered:
        wide = 1
        named[0] = (named[0][0], _tenths(steps))
    elif touching:
        wide = 1
    fitting = max(1, (WIDTH - margin) // wide)
    if touching and fitting > TENTH:
        fitting -= fitting % TENTH
    lines: list[str] = []
    for first in range(0, steps, fitting):
        lines += [""] if first else []
        for name, cells in named:
            line = "".join(_set(cell, wide) for cell in cells[first : first + fitting])
            lines.append(f"{name:<{margin}}{line}".rstrip())
    return lines


def shade(value: float) -> str:
    """Return the block for a shade from 0 (white) to 1 (black)."""
    return SHADES[min(len(SHADES) - 1, int(max(0.0, value) * len(SHADES)))]


def _word(cell: Cell) -> Cell:
    """A cell with every letter visible and harmless."""
    if not isinstance(cell, str):
        return cell
    word = foreign.line(cell.translate(VISIBLE)) or "?"
    return word if len(word) <= LONGEST else f"{word[: LONGEST - 1]}…"


def _tenths(steps: int) -> list[Cell]:
    """The numbers 0, 10, 20 … a letter at each step, blanks between."""
    written = "".join(f"{step:<{TENTH}}" for step in range(0, steps, TENTH))
    return list(written[:steps])


def _set(cell: Cell, wide: int) -> str:
    """A cell in its column: a word at the right, a shade over the whole of it."""
    return shade(cell) * wide if not isinstance(cell, str) else " " * (wide - _width(cell)) + cell


def _width(cell: Cell) -> int:
    """How many places a cell takes: letters of East Asia take two, marks above letters none."""
    return sum(_places(letter) for letter in cell) if isinstance(cell, str) else 1


def _places(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def described(docstring: str, beginnings: Mapping[str, str]) -> dict[str, str]:
    """Return the first paragraph of a docstring as `what`, and those that begin so, under their names.

    A last sentence that announces an example is left out.
    """
    said: dict[str, str] = {}
    for paragraph in docstring.split("\n\n"):
        text = " ".join(paragraph.split())
        if text.endswith(":") and ". " in text:
            text = f"{text.rpartition('. ')[0]}."
        if not said:
            said["what"] = text
        for name, beginning in beginnings.items():
            if text.startswith(beginning):
                said.setdefault(name, text[len(beginning) :].lstrip(" ,:"))
    return said


def paragraphs(parts: Sequence[tuple[str, str]], margin: int = 10) -> Iterator[str]:
    """Yield the lines of named paragraphs, each name at the left of its text."""
    for name, text in parts:
        yield from textwrap.wrap(
            foreign.line(text, foreign.BLOCK),
            WIDTH,
            initial_indent=f"{name:<{margin}}",
            subsequent_indent=" " * margin,
            break_on_hyphens=False,
        )
