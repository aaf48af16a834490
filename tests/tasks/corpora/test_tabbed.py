from __future__ import annotations

from pathlib import Path

import pytest

from tasks.corpora.decoding import CorpusFormatError
from tasks.corpora.tabbed import Row, of_split, read_tabbed


def test_rows_keep_the_numbers_of_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_bytes("\ufeffa \tb c\r\n\r\n".encode() + b"x\ty\r\n" * 9)
    rows = read_tabbed(path, "a source", "a target")
    assert rows[:2] == [Row(1, "a", "b c"), Row(3, "x", "y")]
    assert len(rows) == 10


def test_every_tenth_row_tests_and_the_one_before_validates() -> None:
    rows = list(range(25))
    assert of_split(rows, "validation") == [8, 18]
    assert of_split(rows, "test") == [9, 19]
    assert sorted([*of_split(rows, "training"), 8, 9, 18, 19]) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a b\n", r"^own.tsv, line 1: expected left, one tab and right, got no tab in 'a b'$"),
        (b"a\tb\n\nc\td\te\n", r"^own.tsv, line 3: expected left, one tab and right, got 2 tabs in "),
        (b"a\t\n", r"^own.tsv, line 1: expected left, one tab and right, but right is missing in "),
        (b"a\tb\n" * 9, r"^own.tsv: expected at least 10 lines of left, a tab and right .*, got 9$"),
        (b"\xff\xfea", r"expected UTF-8 text, got UTF-16"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "own.tsv"
    path.write_bytes(text)
    with pytest.raises(CorpusFormatError, match=message):
        read_tabbed(path, "left", "right")
