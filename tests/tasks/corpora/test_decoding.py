"""Files in other encodings: taken where nothing is lost, else refused with their name and a command that converts."""

import shlex
import subprocess
from pathlib import Path

import pytest

from tasks.corpora.conll import Document, read_conll
from tasks.corpora.decoding import CorpusFormatError, decoded
from tasks.corpora.download import CorpusError
from tasks.corpora.resolving import resolve, text

TEXT = "Der Käufer in Köln — 数\n" * 50


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "iso-8859-1"]
)
def test_another_encoding_is_refused_with_a_command_that_converts(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "it's mine.txt"
    content = TEXT.replace("—", "-").replace("数", "n") if encoding == "iso-8859-1" else TEXT
    path.write_bytes(content.encode(encoding))
    with pytest.raises(CorpusFormatError, match=r"it's mine\.txt: expected UTF-8 text, got ") as refused:
        decoded(path.read_bytes(), path)
    command = str(refused.value).partition("Convert it: ")[2]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    converted = Path(tmp_path, shlex.split(command)[-1])
    assert decoded(converted.read_bytes(), converted) == content


def test_a_mark_before_the_text_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "marked.txt"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert text(resolve(str(path), fallback="python", folder=None)) == TEXT


def test_a_stray_nul_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusFormatError, match=r"mine\.txt: expected UTF-8 text, got a NUL character in line 2"):
        decoded(b"a fine line\nand one\0with more\n", tmp_path / "mine.txt")


@pytest.mark.parametrize("where", ["start", "joined"])
def test_a_mark_before_a_separator_still_separates(tmp_path: Path, where: str) -> None:
    path = tmp_path / "own.txt"
    article = "-DOCSTART- O\n\nAnn B-PER\n\n"
    path.write_text("\ufeff" + article * 10 if where == "start" else ("\ufeff" + article) * 10, encoding="utf-8")
    splits = read_conll([path])
    assert splits["test"] == [Document("own:10", ("Ann",), ("B-PER",))]
    assert [document.tokens for document in splits["training"]] == [("Ann",)] * 8


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(tmp_path: Path, ends: str) -> None:
    path = tmp_path / "own.txt"
    path.write_bytes(f"Ann B-PER{ends}ran O{ends}{ends}".encode() * 10)
    assert read_conll([path])["test"][0].tokens == ("Ann", "ran")


def test_a_file_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.txt"
    path.write_text(TEXT, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"not UTF-8, so no record can hold it\. Rename it"):
        resolve(str(path), fallback="python", folder=None)


def test_a_path_that_no_system_takes() -> None:
    for name in ("x" * 5000, "~nobodyatall/x.txt", "a\0b"):
        with pytest.raises(CorpusError, match="corpus"):
            resolve(name, fallback="python", folder=None)
