"""A text as numbers, its training and held-out parts, and which held-out characters are scored by which window."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tasks.base import Split
from tasks.characters.ngram import Floors, floors
from tasks.corpora import resolving
from tasks.corpora.resolving import Corpus, CorpusError

HELD_OUT = 55_770
SHORTEST_TEXT = 1_000


@dataclass(frozen=True, eq=False)
class Text:
    """A text as numbers. ids (characters,): index into `characters`. train: how many characters train."""

    ids: Tensor
    characters: str
    train: int
    sha256: str

    @property
    def longest(self) -> int:
        """The longest window that has a target for every output in the training text."""
        return self.train - 1


@functools.lru_cache(maxsize=2)
def read_text(corpus: Corpus) -> Text:
    """Read the text of a corpus, its characters numbered in the order of their code points.

    Raises:
        CorpusError: a text below 1,000 characters, or one that cannot be read.
    """
    content = resolving.text(corpus)
    if len(content) < SHORTEST_TEXT:
        raise CorpusError(f"CharLM: {corpus.name} has {len(content)} characters, expected at least {SHORTEST_TEXT}")
    points = np.frombuffer(content.encode("utf-32-le"), dtype=np.uint32)
    seen = np.bincount(points) > 0
    kind = np.uint8 if seen.sum() <= 256 else np.int32  # a hundred million characters must fit
    numbers = (np.cumsum(seen) - 1).astype(kind)
    characters = "".join(chr(point) for point in np.flatnonzero(seen))
    return Text(torch.from_numpy(numbers[points]), characters, len(content) * 9 // 10, corpus.sha256)


@functools.lru_cache(maxsize=8)
def reference(text: Text, first: int, stop: int) -> Floors:
    """Return unigram and n-gram scores, in bits, on the characters first … stop−1."""
    return floors(text.ids.numpy(), text.train, first, stop, sha256=text.sha256)


@dataclass(frozen=True)
class Scored:
    """Held-out characters first … stop−1, `hop` of them per window."""

    first: int
    stop: int
    hop: int


def windows(text: Text, length: int) -> dict[Split, Scored]:
    """Return what `evaluation=windows` of `tasks.char_lm.CharLM` scores: the last half of each window of `length`."""
    hop = max(1, length // 2)
    middle = text.train + (len(text.ids) - text.train) // 2
    return {
        "validation": Scored(text.train, min(middle, text.train + HELD_OUT), hop),
        "test": Scored(middle, min(len(text.ids), middle + HELD_OUT), hop),
    }


def blocks(text: Text, length: int) -> dict[Split, Scored]:
    """Return what `evaluation=blocks` scores: every held-out character from the second on, `length` in each block.

    The first is never scored, because the input of the first block begins with it.
    """
    part = Scored(text.train + 1, min(len(text.ids), text.train + 2 * HELD_OUT), length)
    return {"validation": part, "test": part}


SCORED: dict[str, Callable[[Text, int], dict[Split, Scored]]] = {"windows": windows, "blocks": blocks}
