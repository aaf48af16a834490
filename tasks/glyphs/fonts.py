"""Scripts from a user's font: its glyphs cut to their ink and set on one base line."""

from __future__ import annotations

import itertools
import unicodedata
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from tasks.corpora.decoding import CorpusFormatError
from tasks.corpora.resolving import Corpus, files, resolve
from tasks.glyphs.bdf import Glyph, read_bdf
from tasks.glyphs.lines import MARGIN
from tasks.glyphs.shapes import Script

DRAWN = "drawn"  # the glyphs of `tasks.glyphs.shapes`
MOST = 1000  # letters of a script
LETTERS = ("LETTER", "SYLLABLE", "IDEOGRAPH")  # in the names that Unicode gives


def given(task: str, font: str, folder: Path | None, **letters: str) -> Corpus | None:
    """Return a user's font; None for the glyphs drawn for this suite. letters: options that name some.

    Raises:
        CorpusError: there is no such file.
        ValueError: a letter is given twice, or `letters` are none.
    """
    for option, group in letters.items():
        if twice := sorted({letter for letter in group if group.count(letter) > 1}):
            raise ValueError(f"{task}: option {option!r} expects each letter once, got {''.join(twice)} more often")
    if not letters["letters"]:
        raise ValueError(f"{task}: option 'letters' expects at least one letter, got none")
    return None if font == DRAWN else resolve(font, fallback=DRAWN, folder=folder)


def fewest_columns(task: str, length: int, script: Script) -> int:
    """Return the columns that hold any glyph wherever it begins: a margin, the widest, and the empty one at the end.

    Raises:
        ValueError: the length is below.
    """
    fewest = MARGIN + script.widest + 1
    if length < fewest:
        raise ValueError(
            f"{task}: length must be at least {fewest} columns, because the widest letter of this font has "
            f"{script.widest}, got {length}"
        )
    return fewest


def of_font(font: Corpus, *groups: str) -> list[Script]:
    """Return one script for each group of letters, all of them with the same rows and the same widest glyph.

    A group that is empty stands for the letters of the font that are not Latin.

    Raises:
        CorpusFormatError: a malformed font (`read_bdf`); letters that it lacks, that are given twice, without ink or
            too many.
    """
    path = files(font)[0]
    glyphs = _read(path, font.sha256)
    chosen = [group or _others(path, glyphs) for group in groups]
    for group in chosen:
        _check(path, glyphs, group)
    inks = {letter: _cut(glyphs[letter]) for letter in "".join(chosen)}
    top = max(bottom + len(ink) for ink, bottom in inks.values())
    low = min(bottom for _, bottom in inks.values())
    widest = max(ink.shape[1] for ink, _ in inks.values())
    scripts = []
    for group in chosen:
        bitmaps = torch.zeros(len(group), widest, top - low)
        for number, letter in enumerate(group):
            ink, bottom = inks[letter]
            first = top - bottom - len(ink)
            bitmaps[number, : ink.shape[1], first : first + len(ink)] = torch.from_numpy(ink.T.copy())
        widths = torch.tensor([inks[letter][0].shape[1] for letter in group])
        scripts.append(Script(group, bitmaps, widths))
    return scripts


def distinct(font: Corpus, script: Script) -> None:
    """Look for two letters that nobody can tell apart.

    Raises:
        CorpusFormatError: there are some.
    """
    for one, other in itertools.combinations(range(len(script.letters)), 2):
        if torch.equal(script.bitmaps[one], script.bitmaps[other]):
            raise CorpusFormatError(
                f"{font.source}: {script.letters[one]!r} and {script.letters[other]!r} have the same glyph, so that no "
                f"model can tell them apart. Leave one of them out: letters=…"
            )


@lru_cache(maxsize=4)
def _read(path: Path, sha256: str) -> dict[str, Glyph]:
    """The glyphs of a file with this content."""
    return read_bdf(path)


def _others(path: Path, glyphs: dict[str, Glyph]) -> str:
    """The letters with ink of a font that are not Latin; no ordinals and no marks."""
    names = {letter: unicodedata.name(letter, "") for letter in sorted(glyphs) if glyphs[letter].ink.any()}
    others = [letter for letter, name in names.items() if "LATIN" not in name and any(kind in name for kind in LETTERS)]
    if not others:
        raise CorpusFormatError(
            f"{path}: expected letters of another script than Latin, got none in {len(glyphs)} glyphs"
        )
    return "".join(letter for letter in others if unicodedata.category(letter) in ("Lu", "Ll", "Lo"))


def _check(path: Path, glyphs: dict[str, Glyph], letters: str) -> None:
    if len(letters) > MOST:
        raise CorpusFormatError(
            f"{path}: expected a script of at most {MOST} letters, got {len(letters)}. Choose some by name"
        )
    if lacking := [letter for letter in letters if letter not in glyphs]:
        held = "".join(letter for letter in sorted(glyphs) if letter.isalnum())
        raise CorpusFormatError(
            f"{path}: expected a glyph of each of {letters!r}, got none of {', '.join(map(repr, lacking))}. It has "
            f"{held[:80]}{'…' * (len(held) > 80)}"
        )
    for letter in letters:
        if not glyphs[letter].ink.any():
            raise CorpusFormatError(f"{path}, line {glyphs[letter].line}: the glyph of {letter!r} has no ink")


def _cut(glyph: Glyph) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.uint8]], int]:
    """The ink of a glyph without its empty edges, and where its lowest row then is."""
    rows, columns = np.flatnonzero(glyph.ink.any(1)), np.flatnonzero(glyph.ink.any(0))
    inked = glyph.ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inked, glyph.bottom + len(glyph.ink) - 1 - int(rows[-1])
