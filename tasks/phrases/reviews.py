"""Reviews whose sense is known, and those of a user's file."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path

import torch
from torch import Generator, Tensor

from tasks.base import Split
from tasks.corpora.decoding import CorpusFormatError
from tasks.corpora.tabbed import Row, of_split, read_tabbed, short

FOR = ("good", "great", "fine", "funny")
AGAINST = ("bad", "dull", "weak", "sad")
NEUTRAL = (
    "the",
    "a",
    "film",
    "plot",
    "scene",
    "actor",
    "music",
    "end",
    "of",
    "in",
    "with",
    "at",
    "was",
    "we",
    "saw",
    "it",
)
WORDS = ("really", "not", "although", "but", *FOR, *AGAINST, *NEUTRAL, ".")
REALLY, NOT, ALTHOUGH, BUT, ADJECTIVES = 0, 1, 2, 3, 4
FIRST_NEUTRAL = ADJECTIVES + len(FOR) + len(AGAINST)
STOP = len(WORDS) - 1
OPPOSITE = torch.tensor([NOT, REALLY, BUT, ALTHOUGH, *range(8, 12), *range(4, 8), *range(FIRST_NEUTRAL, len(WORDS))])
CERTAIN = 7.0  # half a logit; e^−14 is the probability of the other answer

BLANK, RARE, END = 0, 1, 2  # ids of a user's texts; its words follow

Texts = tuple[Tensor, Tensor]  # words (texts, T+1), labels (texts,)


def draw(generator: Generator, texts: int, length: int) -> Texts:
    """Draw reviews and whether they are for (1) or against (0); see `tasks.sentiment`."""
    words = torch.randint(FIRST_NEUTRAL, STOP, (texts, length + 1), generator=generator)
    words[:, 2] = torch.randint(ALTHOUGH, BUT + 1, (texts,), generator=generator)
    for first in (0, length - 2):
        words[:, first] = torch.randint(REALLY, NOT + 1, (texts,), generator=generator)
        words[:, first + 1] = torch.randint(ADJECTIVES, FIRST_NEUTRAL, (texts,), generator=generator)
    words[:, -1] = STOP
    decides = words[:, 2] == ALTHOUGH
    return words, torch.where(decides, sense(words[:, :2]), sense(words[:, -3:-1])).long()


def sense(clause: Tensor) -> Tensor:
    """Tell whether clauses (texts, 2) are for something: booleans (texts,)."""
    return (clause[:, 0] == NOT) ^ (clause[:, 1] < ADJECTIVES + len(FOR))


def predict(x: Tensor, window: int | None) -> Tensor:
    """Return logits (texts, 1, 2) of the best predictor that sees the last `window` words of one-hot x (texts, T+1,
    words): of a clause or a link that is not wholly in sight either sense is as likely."""
    start = 0 if window is None else max(0, x.size(1) - window)

    def sign(step: int, plus: slice, minus: slice) -> Tensor:
        word = x[:, step]
        return (word[:, plus].sum(1) - word[:, minus].sum(1)) * (step % x.size(1) >= start)

    def clause(step: int) -> Tensor:
        adjective = sign(step + 1, slice(4, 8), slice(8, 12))
        return adjective * sign(step, slice(REALLY, REALLY + 1), slice(NOT, NOT + 1))

    link = sign(2, slice(ALTHOUGH, BUT), slice(BUT, BUT + 1))
    mean = ((1 + link) * clause(0) + (1 - link) * clause(-3)) / 2  # of the answer as ±1
    half = torch.atanh(mean * torch.tanh(torch.tensor(CERTAIN, dtype=x.dtype)).item())
    return torch.stack([-half, half], dim=-1)[:, None]


class Own:
    """The texts of a file, a label, a tab and a text in each line.

    words: of the ids. labels: in the order of their characters. chance: the share of the test part's most frequent one.

    Raises:
        CorpusFormatError: a malformed line, fewer than ten, one label only, or one that no line to train on has.
    """

    def __init__(self, path: Path, sha256: str, length: int) -> None:
        self.rows = _read(path, sha256)
        self.length = length
        self.labels = sorted({row.left for row in self.rows})
        if len(self.labels) < 2:
            raise CorpusFormatError(
                f"{path.name}: expected two labels or more, got {short(self.labels[0])} in every line"
            )
        taught = {row.left for row in of_split(self.rows, "training")}
        for row in [*of_split(self.rows, "validation"), *of_split(self.rows, "test")]:
            if row.left not in taught:
                raise CorpusFormatError(
                    f"{path.name}, line {row.line}: expected a label that lines to train on have too, got "
                    f"{short(row.left)}. Shuffle the lines, or take it out"
                )
        seen = Counter(word for row in of_split(self.rows, "training") for word in row.right.lower().split())
        self.words = ["_", "?", ".", *sorted(word for word, count in seen.items() if count > 1)]
        self._training = self._texts(of_split(self.rows, "training"))
        self.chance = float(self.held_out("test")[1].bincount().max() / len(self.held_out("test")[1]))
        if self.chance == 1:
            raise CorpusFormatError(
                f"{path.name}: every line that tests (10, 20, 30 …) has one label, so nothing can be told. Shuffle the "
                f"lines"
            )

    def training(self, generator: Generator, count: int) -> Texts:
        """Draw `count` texts to train on."""
        chosen = torch.randint(len(self._training[0]), (count,), generator=generator)
        return self._training[0][chosen], self._training[1][chosen]

    def held_out(self, split: Split) -> Texts:
        """Return the texts of a split."""
        return self._texts(of_split(self.rows, split))

    def _texts(self, rows: list[Row]) -> Texts:
        number = {word: i for i, word in enumerate(self.words) if i > END}
        words = torch.full((len(rows), self.length + 1), BLANK)
        for i, row in enumerate(rows):
            last = row.right.lower().split()[-self.length :]
            words[i, self.length - len(last) :] = torch.tensor([*(number.get(word, RARE) for word in last), END])
        return words, torch.tensor([self.labels.index(row.left) for row in rows])


@lru_cache(maxsize=4)
def _read(path: Path, sha256: str) -> list[Row]:
    """The rows of a file with this content."""
    return read_tabbed(path, "a label", "a text")
