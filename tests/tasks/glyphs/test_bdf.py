from __future__ import annotations

from pathlib import Path

import pytest

from tasks.corpora.decoding import CorpusFormatError
from tasks.glyphs.bdf import read_bdf
from tests.support.fonts import bdf, character

BY_HAND = """STARTFONT 2.1
COMMENT caf\u00e9
FONT -a-
STARTPROPERTIES 2
CHARSET_REGISTRY "ISO8859"
CHARSET_ENCODING "5"
ENDPROPERTIES
CHARS 3
STARTCHAR be
ENCODING 177
BBX 9 2 0 -1
BITMAP
8080
4000
ENDCHAR
STARTCHAR nobody
ENCODING -1
BBX 1 1 0 0
BITMAP
80
ENDCHAR
STARTCHAR space
ENCODING 32
BBX 0 0 0 0
BITMAP
ENDCHAR
ENDFONT
"""


def test_a_font_by_hand(tmp_path: Path) -> None:
    """Nine columns need two bytes; 177 is the Cyrillic Be in ISO 8859-5; no code and no column: left out."""
    (path := tmp_path / "hand.bdf").write_text(BY_HAND, encoding="latin-1")
    found = read_bdf(path)
    assert list(found) == ["Б"]
    assert found["Б"].ink.tolist() == [[1, 0, 0, 0, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0, 0, 0, 0]]
    assert found["Б"].bottom == -1
    assert found["Б"].line == 9


def test_a_code_of_no_known_set_is_of_unicode(tmp_path: Path) -> None:
    (path := tmp_path / "unicode.bdf").write_text(bdf(character("Б", ["#"])))
    assert list(read_bdf(path)) == ["Б"]


A = character("a", ["#.", ".#"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: expected a bitmap font in BDF, which begins with STARTFONT, got ''. An outline font becomes one"),
        ("OTTO\0\0", "line 1: expected a bitmap font in BDF"),
        (bdf(A.replace("BBX 2 2 0 -1\n", "")), "line 9: a broken glyph, which begins in line 5: expected BBX before"),
        (
            bdf(A.replace("80\n", "8\n")),
            "line 11: a broken glyph, which begins in line 5: expected 2 hexadecimal digit",
        ),
        (bdf(A.replace("80\n", "G0\n")), "line 11: a broken glyph"),
        (
            bdf(A.replace("40\n", "40\n40\n")),
            "line 13: a broken glyph, which begins in line 5: expected ENDCHAR after 2",
        ),
        (bdf(A.replace("40\n", "")), "line 12: a broken glyph, which begins in line 5: expected 2 hexadecimal digits"),
        (bdf(A.replace("BBX 2 2", "BBX 2 x")), "line 9: a broken glyph"),
        (
            bdf(A.replace("BBX 2 2", "BBX 2000000000 2")),
            "line 9: a broken glyph, which begins in line 5: expected BBX wit",
        ),
        (bdf(A.replace("ENCODING 97", "ENCODING")), "line 6: a broken glyph"),
        (
            bdf(A.replace("BITMAP\n80\n40\n", "")),
            "line 10: a broken glyph, which begins in line 5: expected BITMAP, got",
        ),
        (bdf(A)[:-20], "the file ends within the glyph that begins in line 5"),
        (bdf(A, A), "line 14: expected one glyph of 'a', got another one after line 5. Take one out"),
    ],
)
def test_a_broken_font_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (path := tmp_path / "broken.bdf").write_text(text)
    with pytest.raises(CorpusFormatError) as caught:
        read_bdf(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (path := tmp_path / "huge.bdf").open("wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(CorpusFormatError, match=r"expected a font of at most 2\^26 bytes, got 67108865"):
        read_bdf(path)
