"""Columns of files of one's own: a token is never cut, a number that counts is never read as one."""

from pathlib import Path

import pytest

from tasks.corpora.conll import CorpusFormatError, read_conll


def own(tmp_path: Path, sentence: str, times: int = 10) -> Path:
    path = tmp_path / "own.txt"
    path.write_text(f"{sentence}\n\n" * times, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("New York\tB-LOC\nis\tO", ("New York", "is")),  # a token with a space, between tabs
        ("New York \t B-LOC\t\nis\tO", ("New York", "is")),  # and spaces about the tabs
        ("New\u00a0York B-LOC\nis O", ("New\u00a0York", "is")),
        ("New\u00a0York\tB-LOC\nis\tO", ("New\u00a0York", "is")),
        ("a\u2028b B-LOC\nis O", ("a\u2028b", "is")),
        ("a\u2029b\x85c\x1cd B-LOC\nis O", ("a\u2029b\x85c\x1cd", "is")),
        ("1 \u3000x\u2009y B-LOC\nis z O", ("1", "is")),  # the middle column may hold anything
        ("  Ann\t B-LOC\nis O", ("Ann", "is")),  # tabs here, spaces there
        ("1\tAnn\tB-LOC\n2\tis\tO", ("Ann", "is")),  # index, token, tag
        ("1 Ann NNP B-LOC\n2 is VBZ O", ("Ann", "is")),
        ("0\tAnn\tB-LOC\n1\tis\tO", ("Ann", "is")),
        ("1984 B-LOC\nis O", ("1984", "is")),
        ("3 B-LOC\nof O\n4 O", ("3", "of", "4")),
    ],
)
def test_tokens_are_whole(tmp_path: Path, sentence: str, tokens: tuple[str, ...]) -> None:
    document = read_conll([own(tmp_path, sentence)])["test"][0]
    assert document.tokens == tokens
    assert document.tags[0] == "B-LOC"


def test_numbers_that_go_on_through_the_file(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("".join(f"{2 * i}\tAnn\tB-PER\n{2 * i + 1}\tran\tO\n\n" for i in range(10)), encoding="utf-8")
    assert {document.tokens for document in read_conll([path])["training"]} == {("Ann", "ran")}


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("New York B-LOC\nis O", r"line 2: expected 3 columns with spaces between them, as in line 1, got 2: 'is O'"),
        ("is O\nNew York\tB-LOC", r"line 2: expected 2 columns .* got 3"),
        ("a\tx\tO\nb\tO", r"line 2: expected 3 columns with tabs"),
        ("Ann NNP\tB-PER\nran VBD\tO", "line 1: tabs and spaces both separate columns"),
        ("# id 7\nAnn B-PER\nran O", "line 1: expected the tag O .* got '7' in '# id 7'. Take comments out"),
        ("1-2 am O\n1 a O\n2 m O\n3 Ann B-PER", "line 1: the first column counts the tokens, but not here, .*'1-2 am"),
        ("Ann B-PER\rran O\ris O", "line 1: a carriage return inside the line, so lines end in two ways: .*Convert"),
        ("1 B-PER\n2 O", r"line 1: expected a token and a tag, got a number that counts \(1, 2, 3 …\) and a tag"),
    ],
)
def test_what_is_unclear_is_refused(tmp_path: Path, sentence: str, message: str) -> None:
    with pytest.raises(CorpusFormatError, match=rf"own\.txt, {message}"):
        read_conll([own(tmp_path, sentence)])


def test_numbers_that_break_off(tmp_path: Path) -> None:
    path = own(tmp_path, "1\tAnn\tB-PER\n2\tran\tO", times=20)
    path.write_text(path.read_text() + "1-2\tam\tO\n1\ta\tO\n2\tm\tO\n", encoding="utf-8")
    with pytest.raises(CorpusFormatError, match=r"line 61: the first column counts the tokens .* begins here: '1-2"):
        read_conll([path])
