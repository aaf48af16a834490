"""Pairs of phrases, a source and what is to be said of it: generated, or from a user's file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Generator, Tensor

from tasks.base import Split
from tasks.corpora.decoding import CorpusFormatError
from tasks.corpora.tabbed import Row, of_split, read_tabbed
from tasks.phrases import numbers

Phrases = tuple[Tensor, Tensor]  # sources (pairs, T), −1 before a short one; symbols (pairs, longest), −1 after the end


class Pairs(ABC):
    """Where pairs come from.

    words: of sources. symbols: what can be said, the last of them the end. longest: the most symbols of a pair, the end
    included. shortest: the least length of sources. chance: the score of the best constant transcript.
    """

    words: Sequence[str]
    symbols: Sequence[str]
    longest: int
    shortest: int = 1
    chance: float

    @abstractmethod
    def training(self, generator: Generator, count: int) -> Phrases:
        """Draw `count` pairs to train on."""

    def held_out(self, split: Split) -> Phrases | None:
        """Return the pairs of a split; None where they are drawn as training pairs are."""
        return None


class Numbers(Pairs):
    """Numbers in words and in digits, see `tasks.phrases.numbers`."""

    words, symbols = numbers.WORDS, numbers.SYMBOLS

    def __init__(self, length: int) -> None:
        self.length = length
        self.longest = numbers.most_symbols(length)
        self.chance = numbers.constant_score(length)

    def training(self, generator: Generator, count: int) -> Phrases:
        return numbers.draw(generator, count, self.length)


class OwnPairs(Pairs):
    """The pairs of a file, a source, a tab and a target in each line, both as words between spaces.

    Raises:
        CorpusFormatError: a malformed line, a source of more than `length` words, fewer than ten pairs, or targets that
            need no source.
    """

    def __init__(self, path: Path, sha256: str, length: int) -> None:
        self.rows = _read(path, sha256)
        for row in self.rows:
            if len(row.left.split()) > length:
                raise CorpusFormatError(
                    f"{path.name}, line {row.line}: expected a source of at most {length} words, the length asked for, "
                    f"got {len(row.left.split())}. Ask for a longer length, or take the line out"
                )
        self.length = length
        self.words = _vocabulary([row.left for row in self.rows])
        self.symbols = [*_vocabulary([row.right for row in self.rows]), "end"]
        self.shortest = max(1, *(len(row.left.split()) for row in self.rows))
        self.longest = 1 + max(len(row.right.split()) for row in self.rows)
        self._training = self._phrases(of_split(self.rows, "training"))
        said, test = self._training[1], self._phrases(of_split(self.rows, "test"))[1]
        likeliest = torch.stack([(said == symbol).sum(0) for symbol in range(len(self.symbols))]).argmax(0)
        self.chance = float((test == likeliest).sum() / (test >= 0).sum())
        if self.chance == 1:
            raise CorpusFormatError(
                f"{path.name}: every line that tests (10, 20, 30 …) has the likeliest target of those to train on, so "
                f"nothing can be told. Shuffle the lines, or give others"
            )

    def training(self, generator: Generator, count: int) -> Phrases:
        chosen = torch.randint(len(self._training[0]), (count,), generator=generator)
        return self._training[0][chosen], self._training[1][chosen]

    def held_out(self, split: Split) -> Phrases:
        return self._phrases(of_split(self.rows, split))

    def _phrases(self, rows: list[Row]) -> Phrases:
        word, symbol = ({name: i for i, name in enumerate(names)} for names in (self.words, self.symbols))
        sources, symbols = torch.full((len(rows), self.length), -1), torch.full((len(rows), self.longest), -1)
        for i, row in enumerate(rows):
            left, right = [word[w] for w in row.left.split()], [symbol[w] for w in row.right.split()]
            sources[i, self.length - len(left) :] = torch.tensor(left)
            symbols[i, : len(right) + 1] = torch.tensor([*right, len(self.symbols) - 1])
        return sources, symbols


@lru_cache(maxsize=4)
def _read(path: Path, sha256: str) -> list[Row]:
    """The rows of a file with this content."""
    return read_tabbed(path, "a source", "a target")


def _vocabulary(phrases: list[str]) -> list[str]:
    return sorted({word for phrase in phrases for word in phrase.split()})
