"""Tokens as ids: word, last three letters and shape, so that an unseen word still tells something.

The sizes are fixed, because they decide the scores: a corpus with a larger vocabulary has more unseen tokens.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor

from tasks.base import Column

COLUMNS = (Column(4000, 16), Column(1000, 8), Column(50, 4))  # word, last three letters, shape


class Encoder:
    """A function from tokens to ids (tokens, 3): word, last three letters and shape.

    words: lower-cased, of the ids of the first column; `?` for id 0.
    """

    def __init__(self, words: dict[str, int], endings: dict[str, int], shapes: dict[str, int]) -> None:
        self.words = ("?", *words)
        self._ids = words, endings, shapes

    def __call__(self, tokens: Iterable[str]) -> Tensor:
        words, endings, shapes = self._ids
        known: dict[str, tuple[int, int, int]] = {}
        rows = []
        for token in tokens:
            if token not in known:
                lower = token.lower()
                known[token] = words.get(lower, 0), endings.get(lower[-3:], 0), shapes.get(_shape(token), 1)
            rows.append(known[token])
        return torch.tensor(rows)


def encoder(training: Iterable[str]) -> Encoder:
    """Return the ids of tokens, of vocabularies made from the training tokens.

    Each vocabulary holds the most frequent of the training tokens. Id 0 is a word or ending outside its vocabulary; a
    shape outside has id 1, because three ids 0 mean padding.
    """
    counts = Counter(training)
    word, letters, shape = (Counter[str]() for _ in COLUMNS)
    for token, count in counts.items():
        word[token.lower()] += count
        letters[token.lower()[-3:]] += count
        shape[_shape(token)] += count
    words, endings = (_numbered(c, 1, column.size) for c, column in ((word, COLUMNS[0]), (letters, COLUMNS[1])))
    return Encoder(words, endings, _numbered(shape, 2, COLUMNS[2].size))


def _numbered(counts: Counter[str], first: int, size: int) -> dict[str, int]:
    """The most frequent as ids first … size−1; of equally frequent ones the first met."""
    return {name: first + i for i, (name, _) in enumerate(islice(counts.most_common(), size - first))}


def _shape(token: str) -> str:
    """Capitals as X, other letters as x, digits as d, runs of one kind as one: `Jean-Luc3` -> `Xx-Xxd`."""
    kinds = "".join("X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c for c in token)
    return re.sub(r"(.)\1+", r"\1", kinds, flags=re.DOTALL)
