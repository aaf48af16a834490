"""From the bytes of a corpus file to its text: UTF-8, or one message that names the file and how to convert it."""

from __future__ import annotations

import codecs
import shlex
from pathlib import Path

from tasks.corpora.download import CorpusError

SAMPLE = 2**16  # bytes that tell UTF-16 and UTF-32 without a byte-order mark
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class CorpusFormatError(CorpusError):
    """A corpus file breaks its format; the message says file, line, what was expected and what was got."""


def decoded(content: bytes, path: Path) -> str:
    """Decode UTF-8, without the mark that some editors set before it.

    Raises:
        CorpusFormatError: the file is in another encoding, or holds NUL characters.
    """
    for mark, name in _MARKS:
        if content.startswith(mark):
            raise _other(path, f"{name} (its mark is there)", name)
    if name := _unmarked(content[:SAMPLE]):
        raise _other(path, f"what looks like {name} without its mark (every second character would be NUL)", name)
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        what = f"a byte that is not UTF-8 (0x{content[error.start]:02X}, byte {error.start}, line {number})"
        raise _other(path, f"{what}; where it is latin-1", "ISO-8859-1") from None
    if "\0" in text:
        number = text.count("\n", 0, text.index("\0")) + 1
        raise CorpusFormatError(f"{path}: expected UTF-8 text, got a NUL character in line {number}: it is no text")
    return text


def _other(path: Path, what: str, encoding: str) -> CorpusFormatError:
    command = f"iconv -f {encoding} -t UTF-8 {shlex.quote(str(path))} > {shlex.quote(f'utf8-{path.name}')}"
    return CorpusFormatError(f"{path}: expected UTF-8 text, got {what}. Convert it: {command}")


def _unmarked(sample: bytes) -> str:
    """The name of the encoding whose empty bytes stand in the sample; empty where none does."""
    if len(sample) < 4 or sample.count(0) < len(sample) / 5:
        return ""
    # Of a text in letters, the first bytes of a character are full and the others empty, or the other way round.
    full = [sum(map(bool, sample[place::4])) for place in range(4)]
    if min(full[0], full[3]) == 0 and (full[1] + full[2]) * 4 < sum(full):
        return "UTF-32LE" if full[0] else "UTF-32BE"
    return "UTF-16LE" if full[0] + full[2] > full[1] + full[3] else "UTF-16BE"
