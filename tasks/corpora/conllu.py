"""A reader of treebanks in CoNLL-U (universaldependencies.org/format.html) into documents with part-of-speech tags.

Ten columns between tabs; of them ID, FORM and UPOS are read. A line `1-2` is a multi-word token (French `du`): the
words 1 and 2 that it is made of follow in lines of their own, and are what is tagged. A line `8.1` is an empty node, a
word that is understood but not there: it is left out. A document begins at `# newdoc`; in a file without such lines
each sentence is one. Of ten documents in order the ninth validates and the tenth tests.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from tasks.corpora.conll import SPLITS, Document
from tasks.corpora.decoding import CorpusFormatError, decoded

# fmt: off
TAGS = (
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM",
    "PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X",
)
# fmt: on
COLUMNS = 10
_RANGE, _EMPTY = re.compile(r"\d+-\d+"), re.compile(r"\d+\.\d+")


def read_conllu(path: Path) -> dict[str, list[Document]]:
    """Read the documents of a file by split.

    Raises:
        CorpusFormatError: a malformed line, with its number, or fewer than ten documents.
    """
    documents = [
        Document(f"{path.stem}:{number}", *map(tuple, zip(*words, strict=True)))
        for number, words in enumerate(_documents(path))
    ]
    if len(documents) < 10:
        raise CorpusFormatError(
            f"{path}: expected at least 10 documents (every tenth tests, the one before it validates), got "
            f"{len(documents)}. `# newdoc` lines divide documents; in a file without them each sentence is one"
        )
    chosen = [range(8), (8,), (9,)]
    return {
        split: [document for i, document in enumerate(documents) if i % 10 in places]
        for split, places in zip(SPLITS, chosen, strict=True)
    }


def _documents(path: Path) -> Iterator[list[tuple[str, str]]]:
    """The words of each document with their tags."""
    text = decoded(path.read_bytes(), path)
    divided = re.search(r"^# *newdoc\b", text, re.MULTILINE) is not None
    words: list[tuple[str, str]] = []
    expected = 1  # the ID of the next word
    for number, raw in enumerate([*text.split("\n"), ""], start=1):
        line = raw.rstrip("\r")
        ends = not line.strip()
        if ends:
            expected = 1
        if words and ((ends and not divided) or re.match(r"# *newdoc\b", line)):
            yield words
            words = []
        if ends or line.startswith("#"):
            continue
        columns = line.split("\t")
        where = f"{path}, line {number}"
        if len(columns) != COLUMNS:
            raise CorpusFormatError(
                f"{where}: expected {COLUMNS} columns between tabs, got {len(columns)}: {line[:60]!r}"
            )
        if _RANGE.fullmatch(columns[0]) or _EMPTY.fullmatch(columns[0]):
            continue
        if columns[0] != str(expected):
            raise CorpusFormatError(f"{where}: expected the word with ID {expected}, got {columns[0]!r}")
        expected += 1
        words.append((columns[1], _tag(columns[3], where)))
    if words:
        yield words


def _tag(text: str, where: str) -> str:
    if text not in TAGS:
        near = difflib.get_close_matches(text, TAGS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise CorpusFormatError(f"{where}: expected a tag of {' '.join(TAGS)} in column 4, got {text!r}.{hint}")
    return text
