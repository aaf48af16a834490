"""Bitmap fonts in the Glyph Bitmap Distribution Format (Adobe, BDF 2.1 and 2.2), a text format."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.corpora.decoding import CorpusFormatError

LARGEST_FILE = 2**26  # bytes; GNU Unifont, of 57,000 glyphs, has 2^23
LARGEST = 32  # columns, and rows, of a glyph

Lines = Iterator[tuple[int, list[str]]]


class Glyph(NamedTuple):
    """Ink (rows, columns) of 0 and 1. bottom: of the lowest row above the base line. line: where it begins."""

    ink: NDArray[np.uint8]
    bottom: int
    line: int


def read_bdf(path: Path) -> dict[str, Glyph]:
    """Read the glyphs of a font by character.

    A code is a code point of Unicode, or of ISO 8859-n where CHARSET_REGISTRY says so. Glyphs without a code, and
    spaces of no columns or rows, are left out.

    Raises:
        CorpusFormatError: no BDF font, a broken glyph, one of more than 32 columns or rows, one code twice.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise CorpusFormatError(f"{path}: expected a font of at most 2^26 bytes, got {path.stat().st_size}")
    text = path.read_bytes().decode("latin-1")  # the format is ASCII; a comment may be in any encoding
    if not text.startswith("STARTFONT"):
        raise CorpusFormatError(
            f"{path}, line 1: expected a bitmap font in BDF, which begins with STARTFONT, got {text[:20]!r}. "
            f"An outline font becomes one with otf2bdf -p 12 FONT.ttf -o FONT.bdf"
        )
    lines: Lines = ((number, line.split()) for number, line in enumerate(text.splitlines(), start=1) if line.strip())
    found: dict[str, Glyph] = {}
    charset = ["", ""]
    for number, (word, *rest) in lines:
        if word in ("CHARSET_REGISTRY", "CHARSET_ENCODING"):
            charset[word == "CHARSET_ENCODING"] = " ".join(rest).strip('"').upper()
        elif word == "STARTCHAR":
            code, glyph = _glyph(path, number, lines)
            character = _character(code, *charset)
            if character is None or not glyph.ink.size:
                continue
            if character in found:
                raise CorpusFormatError(
                    f"{path}, line {number}: expected one glyph of {character!r}, got another one after line "
                    f"{found[character].line}. Take one out"
                )
            found[character] = glyph
    return found


def _glyph(path: Path, start: int, lines: Lines) -> tuple[int, Glyph]:
    """Read a glyph from the line after STARTCHAR to ENDCHAR; return its code (−1: none) and the glyph."""
    code, box, number = -1, None, start
    try:
        for number, (word, *rest) in lines:
            if word == "ENCODING":
                code = int(rest[0])
            elif word == "BBX":
                box = _box(rest)
            elif word == "BITMAP":
                if box is None:
                    raise ValueError("expected BBX before BITMAP")
                width, height, _, bottom = box
                rows = np.zeros((height, width), np.uint8)
                for row in rows:
                    number, digits = next(lines)
                    row[:] = _row(digits, width)
                number, end = next(lines)
                if end != ["ENDCHAR"]:
                    raise ValueError(f"expected ENDCHAR after {height} rows, the height in BBX, got {' '.join(end)!r}")
                return code, Glyph(rows, bottom, start)
            elif word in ("STARTCHAR", "ENDCHAR", "ENDFONT"):
                raise ValueError(f"expected BITMAP, got {word}")
    except (ValueError, IndexError) as error:
        raise CorpusFormatError(
            f"{path}, line {number}: a broken glyph, which begins in line {start}: {error}"
        ) from None
    except StopIteration:
        pass
    raise CorpusFormatError(f"{path}, line {number}: the file ends within the glyph that begins in line {start}")


def _box(words: list[str]) -> list[int]:
    """Columns, rows, left side and bottom of a glyph."""
    box = [int(word) for word in words]
    if len(box) != 4 or not (0 <= box[0] <= LARGEST and 0 <= box[1] <= LARGEST):
        raise ValueError(f"expected BBX with 0 … {LARGEST} columns, as many rows, left and bottom, got {words}")
    return box


def _row(words: list[str], width: int) -> list[int]:
    """The pixels of a row of hexadecimal digits, the first in the highest bit."""
    digits = "".join(words)
    expected = 2 * ((width + 7) // 8)
    if len(digits) != expected:
        raise ValueError(f"expected {expected} hexadecimal digits for {width} columns, got {digits!r}")
    return [int(bit) for byte in bytes.fromhex(digits) for bit in f"{byte:08b}"][:width]


def _character(code: int, registry: str, encoding: str) -> str | None:
    """The character of a code; None where there is none."""
    if not 0 <= code < 0x110000 or 0xD800 <= code < 0xE000:
        return None
    if registry != "ISO8859" or code > 255:
        return chr(code)
    try:
        return bytes([code]).decode(codecs.lookup(f"iso8859-{encoding}").name)
    except (LookupError, UnicodeDecodeError):
        return None
