"""Readers of entity-tagged text in columns (the CoNLL family) into documents with BIO tags.

One token per line, its columns, and a blank line after each sentence. Corpora differ in what a document is:

    litbank    one file each (`*.tsv`, tab-separated, column 2 = the outermost layer of entities); sentences join up
    wnut17     one sentence each, in three files that are the corpus's own splits
    wikigold   one article each, between `-DOCSTART-` lines, tags in IOB1
    any file   as wikigold where the file has `-DOCSTART-` lines; where it has none, one sentence each, as in wnut17

The first column of any file is the token, or the second where the first one counts the tokens; the last is the tag.
Tags may come as BIO, IOB1 or IOBES, and leave as BIO. A chunk never runs over a sentence's end.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.corpora.columns import TABS, Layout, Line, layout_of
from tasks.corpora.decoding import CorpusFormatError, decoded

__all__ = [
    "READERS",
    "SPLITS",
    "CorpusFormatError",
    "Document",
    "read_conll",
    "read_litbank",
    "read_wnut17",
    "to_bio",
]

SPLITS = ("training", "validation", "test")
_SEPARATOR = "-DOCSTART-"

Sentence = list[tuple[str, str]]


@dataclass(frozen=True)
class Document:
    """A text as tokens with one BIO tag each."""

    name: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...]


def read_litbank(paths: Sequence[Path]) -> dict[str, list[Document]]:
    """Read the documents of LitBank's `entities/tsv` folder by split, in the order of their file names.

    Source: Bamman, Popat & Shen 2019, An annotated dataset of literary entities; github.com/dbamman/litbank.

    Raises:
        CorpusFormatError: a malformed line, or a split without documents.
    """
    documents = [
        _joined(path.stem, [sentence for section in _sections(path, TABS) for sentence in section])
        for path in sorted(paths, key=lambda path: path.name)
    ]
    return _by_index(documents, paths)


def read_wnut17(paths: Sequence[Path]) -> dict[str, list[Document]]:
    """Read the sentences of WNUT-17 by split: the file whose name holds `train` trains, `dev` validates, `test` tests.

    Source: Derczynski et al. 2017, Results of the WNUT2017 shared task; github.com/leondz/emerging_entities_17.

    Raises:
        CorpusFormatError: a malformed line, or not one file per split.
    """
    splits: dict[str, list[Document]] = {}
    for split, mark in zip(SPLITS, ("train", "dev", "test"), strict=True):
        named = [path for path in paths if mark in path.name]
        if len(named) != 1:
            raise CorpusFormatError(
                f"wnut17: expected one file whose name holds {mark!r}, got {[path.name for path in paths]}"
            )
        splits[split] = _sentences(named[0], TABS)
    return splits


def read_conll(paths: Sequence[Path]) -> dict[str, list[Document]]:
    """Read the documents of any files whose last column is the tag, by split; see `tasks.corpora.columns`.

    Raises:
        CorpusFormatError: a malformed line, or fewer than ten documents (a split would be empty).
    """
    documents: list[Document] = []
    for path in sorted(paths, key=lambda path: path.name):
        sections = list(_sections(path, None))
        if len(sections) == 1:
            documents += _sentences(path, None)
        else:
            parts = [_joined(f"{path.stem}:{number}", section) for number, section in enumerate(sections)]
            documents += [part for part in parts if part.tokens]
    return _by_index(documents, paths)


READERS: dict[str, Callable[[Sequence[Path]], dict[str, list[Document]]]] = {
    "litbank": read_litbank,
    "wnut17": read_wnut17,
    "wikigold": read_conll,
}


def to_bio(tags: Sequence[str]) -> list[str]:
    """Convert the tags of one sentence from BIO, IOB1 or IOBES to BIO.

    One rule serves all three: I- or E- continues a chunk of its type that is still open at the tag to the left; every
    other tag but O begins a chunk; E- and S- close their chunk.
    """
    converted = []
    open_type = ""
    for tag in tags:
        prefix, _, kind = tag.partition("-")
        if tag == "O":
            converted.append("O")
        else:
            converted.append(f"{'I' if prefix in 'IE' and kind == open_type else 'B'}-{kind}")
        open_type = kind if prefix in "BI" else ""
    return converted


def _by_index(documents: list[Document], paths: Sequence[Path]) -> dict[str, list[Document]]:
    """Documents by their index: mod 10, 8 validates and 9 tests."""
    if len(documents) < 10:
        raise CorpusFormatError(
            f"{', '.join(path.name for path in paths) or 'no file'}: expected at least 10 documents (every tenth "
            f"tests, the one before it validates), got {len(documents)}. {_SEPARATOR} lines divide documents; in a "
            "file without them each sentence, up to a blank line, is a document"
        )
    return {
        "training": [document for i, document in enumerate(documents) if i % 10 < 8],
        "validation": documents[8::10],
        "test": documents[9::10],
    }


def _sentences(path: Path, layout: Layout | None) -> list[Document]:
    sentences = [sentence for section in _sections(path, layout) for sentence in section]
    return [_joined(f"{path.stem}:{number}", [sentence]) for number, sentence in enumerate(sentences)]


def _joined(name: str, sentences: list[Sentence]) -> Document:
    tags = [tag for sentence in sentences for tag in to_bio([tag for _, tag in sentence])]
    return Document(name, tuple(token for sentence in sentences for token, _ in sentence), tuple(tags))


def _sections(path: Path, layout: Layout | None) -> Iterator[list[Sentence]]:
    """The sentences of each section between document separators; one section where the file has none.

    layout: of the file's columns; None: inferred from its lines.
    """
    sections = list(_cut(decoded(path.read_bytes(), path)))
    sentences = [sentence for section in sections for sentence in section]
    if layout is None:
        _check_ends(sentences, path)
    columns = layout or layout_of(sentences, path)
    for section in sections:
        yield [[columns.pair(line, path) for line in sentence] for sentence in section]


def _check_ends(sentences: list[list[Line]], path: Path) -> None:
    """Refuse a file of somebody's own in which some lines end with a line feed, others with a carriage return alone."""
    for number, text in (line for sentence in sentences for line in sentence if "\r" in line[1]):
        name, new = shlex.quote(str(path)), shlex.quote(f"lines-{path.name}")
        raise CorpusFormatError(
            f"{path.name}, line {number}: a carriage return inside the line, so lines end in two ways: {text[:60]!r}. "
            f"Convert the file: sed 's/\\r*$//' {name} | tr '\\r' '\\n' > {new}"
        )


def _cut(text: str) -> Iterator[list[list[Line]]]:
    """The lines of each section, sentence by sentence."""
    sentences: list[list[Line]] = []
    sentence: list[Line] = []
    # Cut at line feeds only: str.splitlines would also cut inside tokens that hold exotic line separators. Where there
    # are none, carriage returns end the lines.
    lines = text.split("\n" if "\n" in text else "\r")
    for number, line in enumerate([*lines, ""], start=1):
        line = line.lstrip("\ufeff")  # joined files keep the byte-order mark that each began with
        separates = line.lstrip(" \t").startswith(_SEPARATOR)
        if line.strip() and not separates:
            sentence.append((number, line.rstrip("\r")))
            continue
        if sentence:
            sentences.append(sentence)
            sentence = []
        if separates:
            yield sentences
            sentences = []
    yield sentences
