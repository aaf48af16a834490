"""Where the ner task's windows come from: a real corpus, or generated documents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from tasks.base import Batch, Predict, Split, UnscorableError, generator, log_frequencies
from tasks.corpora.conll import SPLITS, CorpusFormatError, Document
from tasks.entities.gazetteer import Tagged, gazetteer_f1
from tasks.entities.generated import CHANCE, TYPES, WORDS, generate, solve
from tasks.entities.spans import begin, inside
from tasks.entities.vocabulary import encoder
from tasks.entities.windows import Encoded, Windows, hop

GENERATED_DOCUMENTS = 100
SOLVED = 0.99


class Text(ABC):
    """Where windows come from, and what is known of their documents.

    shortest: the least length of a window. words: of the ids of the first column, `?` for those of no known word.
    cues: ids (types, columns) of the words that alone decide a mention's type; reach: steps to the farthest of them;
    symbols, predict, prior: see `tasks.base.Tokens` and `tasks.base.Spec`. Each is None where it is not known.
    """

    types: tuple[str, ...]
    shortest: int
    words: Sequence[str]
    chance: float
    solved_threshold: float | None
    floors: dict[str, float]
    cues: Tensor | None = None
    reach: int | None = None
    symbols: int | None = None
    predict: Predict | None = None
    prior: Tensor | None = None

    @abstractmethod
    def training_batch(self, count: int, rng: Generator) -> Batch:
        """Draw `count` random windows of training documents."""

    @abstractmethod
    def windows(self, split: Split) -> Windows:
        """Return the documents of a split, laid out in windows."""


class Documents(Text):
    """The documents of a corpus. task, corpus, otherwise: what a message about the length names, and its last words."""

    def __init__(
        self,
        task: str,
        splits: dict[str, Encoded],
        longest: Document,
        length: int,
        lookahead: int,
        corpus: str,
        otherwise: str,
    ) -> None:
        if length <= lookahead:
            raise ValueError(f"{task}: length must be above lookahead = {lookahead}, got {length}")
        if length > len(longest.tokens):
            raise ValueError(
                f"{task}: length {length} is above the longest document of {corpus}: {longest.name} has "
                f"{len(longest.tokens)} tokens. Ask for a shorter length{otherwise}"
            )
        self.shortest = lookahead + 1
        self._splits, self._length, self._lookahead = splits, length, lookahead
        self._training = Windows(splits["training"], length, lookahead)

    def training_batch(self, count: int, rng: Generator) -> Batch:
        return self._training.random(count, rng)

    def windows(self, split: Split) -> Windows:
        return Windows(self._splits[split], self._length, self._lookahead)


class RealText(Documents):
    """The documents of a corpus whose tokens are tagged with entities."""

    def __init__(self, loaded: Loaded, length: int, lookahead: int, corpus: str) -> None:
        super().__init__("NER", loaded.splits, loaded.longest, length, lookahead, corpus, " or another corpus")
        self.types, self.words = loaded.types, loaded.words
        self.chance, self.solved_threshold = 0.0, None
        self.floors = {"gazetteer": loaded.gazetteer}
        self.prior = log_frequencies(loaded.splits["training"].tags, 1 + 2 * len(loaded.types))


class GeneratedText(Text):
    """Generated documents: new ones, one for each window, at every training step; fixed ones to validate and test."""

    def __init__(self, length: int, lookahead: int) -> None:
        if length < lookahead + 5:
            raise ValueError(
                f"NER: corpus 'generated' needs a length of at least lookahead + 5 = {lookahead + 5}, so that its "
                f"far cues lie 2 tokens back or more; got {length}"
            )
        self.types, self.shortest = TYPES, lookahead + 5
        self.chance, self.solved_threshold, self.floors = CHANCE, SOLVED, {}
        self._distance = length - lookahead - hop(length, lookahead) - 1
        self.reach = self._distance
        self._length, self._lookahead = length, lookahead
        encode = encoder(WORDS)
        self._ids, self.words = encode(WORDS), encode.words
        self.cues = self._ids[: len(TYPES)]
        self.symbols = 1 + len(WORDS)
        self.predict = self._predict

    def training_batch(self, count: int, rng: Generator) -> Batch:
        return self._lay_out(count, rng).random(count, rng)

    def windows(self, split: Split) -> Windows:
        # Seed 0 whatever the task's seed: every training seed is judged on the same documents.
        rng = generator(0, split, "NER", self._length, self._lookahead)
        return self._lay_out(GENERATED_DOCUMENTS, rng)

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        words = self._ids[:, 0].to(x.device)
        return solve(x.index_select(-1, words), window, self._lookahead)

    def _lay_out(self, documents: int, rng: Generator) -> Windows:
        words, tags, groups, lengths = generate(documents, self._distance, rng)
        return Windows(Encoded(self._ids[words], tags, groups, lengths), self._length, self._lookahead)


class EmptySplitError(CorpusFormatError, UnscorableError):
    """A corpus of which a split holds nothing to find."""


class Loaded(NamedTuple):
    """A corpus, encoded."""

    splits: dict[str, Encoded]
    types: tuple[str, ...]
    words: Sequence[str]
    longest: Document
    gazetteer: float


@lru_cache(maxsize=2)
def load(reader: Callable[[Sequence[Path]], dict[str, list[Document]]], paths: tuple[Path, ...], sha256: str) -> Loaded:
    """Read, encode and score a corpus; once per process and content (`sha256`), because it takes about a second.

    Raises:
        CorpusFormatError: a malformed file.
        EmptySplitError: a split without tokens, or without entities.
    """
    documents = reader(paths)
    _check(documents, paths)
    everything = [document for split in SPLITS for document in documents[split]]
    types = tuple(sorted({tag[2:] for document in everything for tag in document.tags if tag != "O"}))
    numbers = {"O": 0}
    for kind, name in enumerate(types):
        numbers |= {f"B-{name}": begin(kind), f"I-{name}": inside(kind)}
    encode = encoder(token for document in documents["training"] for token in document.tokens)
    splits: dict[str, Encoded] = {}
    tagged: list[Tagged] = []
    for split in SPLITS:
        tags = torch.tensor([numbers[tag] for document in documents[split] for tag in document.tags])
        ids = encode(token for document in documents[split] for token in document.tokens)
        lengths = torch.tensor([len(document.tokens) for document in documents[split]])
        splits[split] = Encoded(ids, tags, torch.zeros_like(tags), lengths)
        tagged.append(([[token.lower() for token in document.tokens] for document in documents[split]], tags))
    longest = max(everything, key=lambda document: len(document.tokens))
    return Loaded(splits, types, encode.words, longest, gazetteer_f1(*tagged))


def _check(documents: dict[str, list[Document]], paths: Sequence[Path]) -> None:
    """Refuse a split without entities, because its F1 would be 0 whatever a model answers."""
    named = f"{paths[0].name}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}"
    tags = {split: [tag for document in documents[split] for tag in document.tags] for split in SPLITS}
    if not any(tag != "O" for every in tags.values() for tag in every):
        raise EmptySplitError(
            f"{named}: every tag of the {', '.join(SPLITS)} documents is O, so there is no entity to find. Is the last "
            "column the tag?"
        )
    for split, every in tags.items():
        if not every:
            raise EmptySplitError(f"{named}: the {split} documents hold no token. Every split needs some")
        if all(tag == "O" for tag in every):
            raise EmptySplitError(
                f"{named}: the {split} documents hold no entity (all their {len(every)} tags are O), so no score can "
                "be measured on them. Of ten documents in order, the ninth validates and the tenth tests: order or "
                "divide them otherwise"
            )
