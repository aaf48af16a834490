"""Bitmap fonts to test with, written in BDF from the glyphs drawn for this suite."""

from __future__ import annotations

from pathlib import Path

from tasks.glyphs.shapes import EASTERN, LATIN, Script

HEBREW = "".join(chr(0x5D0 + number) for number in range(10))


def character(letter: str, rows: list[str], descent: int = 1) -> str:
    """A glyph in BDF. rows: of # for ink."""
    width = len(rows[0])
    digits = 2 * ((width + 7) // 8)
    bits = [int("".join("01"[point == "#"] for point in row).ljust(4 * digits, "0"), 2) for row in rows]
    lines = [f"STARTCHAR U+{ord(letter):04X}", f"ENCODING {ord(letter)}", f"SWIDTH {width * 72} 0", f"DWIDTH {width} 0"]
    lines += [f"BBX {width} {len(rows)} 0 {-descent}", "BITMAP", *(f"{value:0{digits}X}" for value in bits), "ENDCHAR"]
    return "\n".join(lines)


def bdf(*glyphs: str, head: str = "STARTFONT 2.1\nFONT -suite-\nFONTBOUNDINGBOX 5 7 0 -1") -> str:
    """A font of some glyphs."""
    return "\n".join([head, f"CHARS {len(glyphs)}", *glyphs, "ENDFONT", ""])


def drawn(script: Script) -> list[list[str]]:
    """The glyphs of a script as rows of # and points."""
    return [
        ["".join(".#"[int(point)] for point in row[:width]) for row in bitmap.T.tolist()]
        for bitmap, width in zip(script.bitmaps, script.widths.tolist(), strict=True)
    ]


def suites_font(path: Path) -> Path:
    """Write a font that holds the glyphs of this suite: the Latin ones, and the eastern ones as Hebrew letters."""
    letters = [*zip(LATIN.letters, drawn(LATIN), strict=True), *zip(HEBREW, drawn(EASTERN), strict=True)]
    path.write_text(bdf(*(character(letter, rows) for letter, rows in letters)))
    return path
