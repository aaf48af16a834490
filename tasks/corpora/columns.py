"""How the columns of a tagged file are told apart: what separates them, and which holds the token.

A file of somebody's own says neither, so its lines must show both. An unclear file is refused, because a wrong guess
would silently cut tokens, or read their numbers as words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tasks.corpora.decoding import CorpusFormatError

Line = tuple[int, str]  # number, from 1, and text without its end
# Only these separate: a no-break space or a line separator of Unicode is part of its token.
_SPACES = re.compile(r"[ \t]+")
_TAG = re.compile(r"O|[BIES]-\S+")
_SEVERAL_OR_NONE = re.compile(r"\d+[-.]\d+")  # how CoNLL-U numbers words that are written as one, or not at all


@dataclass(frozen=True)
class Layout:
    """tabs: whether tabs alone separate columns, so that a token may hold spaces. token, tag: places of the two."""

    tabs: bool
    token: int
    tag: int

    def cells(self, line: str) -> list[str]:
        """Cut a line into its columns."""
        return line.rstrip(" \t").split("\t") if self.tabs else _SPACES.split(line.strip(" \t"))

    def pair(self, line: Line, path: Path) -> tuple[str, str]:
        """Read token and tag of a line.

        Raises:
            CorpusFormatError: the line has no token, or its last column is no tag.
        """
        number, text = line
        cells = self.cells(text)
        if len(cells) < 2 + max(0, self.token) or not cells[self.token].strip():
            raise CorpusFormatError(
                f"{path.name}, line {number}: expected a token and a tag, {'a tab' if self.tabs else 'spaces'} "
                f"between them, got {text!r}"
            )
        token, tag = cells[self.token].strip(" "), cells[self.tag].strip(" ")
        if not _TAG.fullmatch(tag):
            raise CorpusFormatError(
                f"{path.name}, line {number}: expected the tag O or B-, I-, E- or S- and a type, got {tag!r} in "
                f"{text!r}{'. Take comments out' if text.startswith('#') else ''}"
            )
        return token, tag


TABS = Layout(tabs=True, token=0, tag=1)  # of the corpora this suite knows, LitBank and WNUT-17


def layout_of(sentences: Sequence[Sequence[Line]], path: Path) -> Layout:
    """Infer the layout of a file whose last column is the tag.

    Columns are separated by tabs where every line holds one, else by spaces. The first column is the token, or the
    second where the first one counts the tokens (1, 2, 3 …).

    Raises:
        CorpusFormatError: lines differ in their number of columns; tabs and spaces both separate columns; the first
            column counts in most sentences but not in all, or only a tag follows it.
    """
    lines = [line for sentence in sentences for line in sentence]
    tabs = bool(lines) and all("\t" in text.strip(" \t") for _, text in lines)
    layout = Layout(tabs, 0, -1)
    _check_widths(lines, layout, path)
    if tabs and all(" " in layout.cells(text)[0].strip(" ") for _, text in lines):
        raise CorpusFormatError(
            f"{path.name}, line {lines[0][0]}: tabs and spaces both separate columns, so a token with a space in it "
            f"cannot be told from two columns: {lines[0][1]!r}. Use tabs alone, or spaces alone"
        )
    return Layout(tabs, 1, -1) if _counts(sentences, layout, path) else layout


def _check_widths(lines: Sequence[Line], layout: Layout, path: Path) -> None:
    widths = [len(layout.cells(text)) for _, text in lines]
    usual = Counter(widths).most_common(1)[0][0] if lines else 0  # of two that are as common, the first
    for (number, text), width in zip(lines, widths, strict=True):
        if width != usual:
            layout.pair((number, text), path)  # where the line holds no token and tag at all, that says more
            between = "tabs" if layout.tabs else "spaces"
            raise CorpusFormatError(
                f"{path.name}, line {number}: expected {usual} columns with {between} between them, as in line "
                f"{lines[widths.index(usual)][0]}, got {width}: {text!r}. A token may hold a space only where tabs "
                f"separate all columns"
            )


def _counts(sentences: Sequence[Sequence[Line]], layout: Layout, path: Path) -> bool:
    """Whether the first column counts the tokens."""
    several = [sentence for sentence in sentences if len(sentence) > 1]
    odd = [sentence for sentence in several if not _in_turn([layout.cells(text)[0] for _, text in sentence])]
    if 2 * len(odd) >= len(several):
        _check_parts(odd, layout, path)
        return False
    number, text = (odd or several)[0][0]
    if odd:
        raise CorpusFormatError(
            f"{path.name}, line {number}: the first column counts the tokens (1, 2, 3 …) in most sentences, but not "
            f"in the one that begins here: {text!r}. Take the numbers out, or number all tokens"
        )
    if len(layout.cells(text)) < 3:
        raise CorpusFormatError(
            f"{path.name}, line {number}: expected a token and a tag, got a number that counts (1, 2, 3 …) and a tag: "
            f"{text!r}. The token is missing"
        )
    return True


def _check_parts(sentences: Sequence[Sequence[Line]], layout: Layout, path: Path) -> None:
    """Refuse a first column that counts but for numbers such as 1-2: its other column would not be read as the token,
    and what is written as one word stands there twice, whole and in parts."""
    for sentence in sentences:
        numbers = [layout.cells(text)[0] for _, text in sentence]
        parts = [line for line, number in zip(sentence, numbers, strict=True) if _SEVERAL_OR_NONE.fullmatch(number)]
        whole = [number for number in numbers if not _SEVERAL_OR_NONE.fullmatch(number)]
        if parts and len(whole) > 1 and _in_turn(whole):
            raise CorpusFormatError(
                f"{path.name}, line {parts[0][0]}: the first column counts the tokens, but not here, where one is "
                f"written in parts (CoNLL-U): {parts[0][1]!r}. Take such lines out, or their parts, and number anew"
            )


def _in_turn(cells: Sequence[str]) -> bool:
    """Whether these are whole numbers that follow each other."""
    if not all(cell.isascii() and cell.isdecimal() and len(cell) < 10 for cell in map(str.strip, cells)):
        return False
    return all(after == before + 1 for before, after in pairwise(map(int, cells)))
