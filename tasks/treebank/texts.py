"""Where the pos task's windows come from: a treebank of the user's, or generated documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from tasks.base import Batch, Split, generator, log_frequencies
from tasks.corpora.conll import SPLITS, Document
from tasks.corpora.conllu import TAGS, read_conllu
from tasks.entities.generated import CERTAIN, FILLERS, NAMES, generate, last_cue
from tasks.entities.texts import GENERATED_DOCUMENTS, SOLVED, Documents, EmptySplitError, Text
from tasks.entities.vocabulary import encoder
from tasks.entities.windows import Encoded, Windows, hop

SCORED = 1  # the group of tokens that are scored, where none is near or far

# Cues, and the tags that the words behind them have: the cat, to walk, very old, so slowly.
CUES = ("the", "to", "very", "so")
KINDS = ("NOUN", "VERB", "ADJ", "ADV")
CUE_TAGS = ("DET", "PART", "ADV", "ADV")
FILLER_TAGS = ("ADP", "CCONJ", "PRON", "PUNCT")
WORDS = (*CUES, *(f"w{i:02}" for i in range(FILLERS)), *(f"Word{i:03}" for i in range(NAMES)))


class Treebank(Documents):
    """The documents of a CoNLL-U file; every token is scored."""

    def __init__(self, loaded: Loaded, length: int, lookahead: int, corpus: str) -> None:
        otherwise = ", or mark documents with `# newdoc`"
        super().__init__("PartOfSpeech", loaded.splits, loaded.longest, length, lookahead, corpus, otherwise)
        self.types, self.words = TAGS, loaded.words
        self.chance, self.solved_threshold = loaded.by_word, None
        self.floors = {"most frequent tag": loaded.by_tag}
        self.prior = log_frequencies(loaded.splits["training"].tags, len(TAGS))


class Grammar(Text):
    """Generated documents, those of `tasks.entities.generated` with words and tags of another kind: names are words
    that have four possible tags, and these alone are scored; the cue before one tells which."""

    def __init__(self, length: int, lookahead: int) -> None:
        if length < lookahead + 5:
            raise ValueError(
                f"PartOfSpeech: corpus 'grammar' needs a length of at least lookahead + 5 = {lookahead + 5}, so that "
                f"its far cues lie 2 tokens back or more; got {length}"
            )
        self.types, self.shortest = TAGS, lookahead + 5
        self.chance, self.solved_threshold, self.floors = 1 / len(KINDS), SOLVED, {}
        self._distance = length - lookahead - hop(length, lookahead) - 1
        self.reach = self._distance
        self._length, self._lookahead = length, lookahead
        encode = encoder(WORDS)
        self._ids, self.words = encode(WORDS), encode.words
        self._kinds = torch.tensor([TAGS.index(tag) for tag in KINDS])
        fixed = [*CUE_TAGS, *(FILLER_TAGS[i % len(FILLER_TAGS)] for i in range(FILLERS))]
        self._fixed = torch.tensor([TAGS.index(tag) for tag in fixed])
        self.cues = self._ids[: len(CUES)]
        self.symbols = 1 + len(WORDS)
        self.predict = self._predict

    def training_batch(self, count: int, rng: Generator) -> Batch:
        return self._lay_out(count, rng).random(count, rng)

    def windows(self, split: Split) -> Windows:
        # Seed 0 whatever the task's seed: every training seed is judged on the same documents.
        return self._lay_out(GENERATED_DOCUMENTS, generator(0, split, "PartOfSpeech", self._length, self._lookahead))

    def _lay_out(self, documents: int, rng: Generator) -> Windows:
        words, spans, groups, lengths = generate(documents, self._distance, rng)
        own = self._fixed[words.clamp(max=len(self._fixed) - 1)]
        tags = torch.where(groups > 0, self._kinds[(spans - 1).clamp(min=0) // 2], own)
        return Windows(Encoded(self._ids[words], tags, groups, lengths), self._length, self._lookahead)

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        """Logits (batch, time, tags): at step p those of token i = p − lookahead. A word with one tag has it; of one
        with four, the last cue in sight tells which, and where none is in sight all four are equal."""
        seen = (
            x.size(1) if window is None else window - self._lookahead
        )  # tokens in sight up to token i, itself included
        logits = x.new_zeros(*x.shape[:2], len(TAGS))
        if seen < 1:
            return logits
        x = x.index_select(-1, self._ids[:, 0].to(x.device))
        own, ambiguous = x[..., : len(self._fixed)], x[..., len(self._fixed) :].sum(-1, keepdim=True)
        fixed = torch.nn.functional.one_hot(self._fixed, len(TAGS)).to(x)
        told = last_cue(x[..., : len(CUES)], seen) + CERTAIN  # 0 or more
        kinds = torch.nn.functional.one_hot(self._kinds, len(TAGS)).to(x)
        told = 2 * CERTAIN * (own @ fixed) + ambiguous * (CERTAIN + told) @ kinds
        return torch.nn.functional.pad(told, (0, 0, self._lookahead, 0))[:, : x.size(1)]


class Loaded(NamedTuple):
    """A treebank, encoded. by_word, by_tag: accuracy on the test part of each word's most frequent tag in training (of
    an unknown word the most frequent of all), and of the most frequent tag alone."""

    splits: dict[str, Encoded]
    words: Sequence[str]
    longest: Document
    by_word: float
    by_tag: float


@lru_cache(maxsize=2)
def load(path: Path, sha256: str) -> Loaded:
    """Read and encode a treebank; once per process and content (`sha256`).

    Raises:
        CorpusFormatError: a malformed file.
        EmptySplitError: the tag of every test token follows from its word, so that no context is needed.
    """
    documents = read_conllu(path)
    everything = [document for split in SPLITS for document in documents[split]]
    encode = encoder(token for document in documents["training"] for token in document.tokens)
    splits = {}
    for split in SPLITS:
        tags = torch.tensor([TAGS.index(tag) for document in documents[split] for tag in document.tags])
        ids = encode(token for document in documents[split] for token in document.tokens)
        lengths = torch.tensor([len(document.tokens) for document in documents[split]])
        splits[split] = Encoded(ids, tags, torch.full_like(tags, SCORED), lengths)
    by_word, by_tag = _without_context(documents["training"], documents["test"])
    if by_word == 1:
        raise EmptySplitError(
            f"{path}: every word of the test documents has the tag it has most often in training, so no score above "
            "chance can be measured. Give a larger treebank"
        )
    return Loaded(splits, encode.words, max(everything, key=lambda document: len(document.tokens)), by_word, by_tag)


def _without_context(training: list[Document], test: list[Document]) -> tuple[float, float]:
    """The accuracy of each word's most frequent tag, and of the most frequent tag."""
    by_word: dict[str, Counter[str]] = {}
    for document in training:
        for token, tag in zip(document.tokens, document.tags, strict=True):
            by_word.setdefault(token.lower(), Counter())[tag] += 1
    overall = sum(by_word.values(), Counter[str]()).most_common(1)[0][0]
    guesses = {word: tags.most_common(1)[0][0] for word, tags in by_word.items()}
    pairs = [pair for document in test for pair in zip(document.tokens, document.tags, strict=True)]
    known = sum(guesses.get(token.lower(), overall) == tag for token, tag in pairs)
    return known / len(pairs), sum(tag == overall for _, tag in pairs) / len(pairs)
