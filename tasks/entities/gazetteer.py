"""A dictionary tagger: the score of entity recognition that looks forms up and uses no context.

Every lower-cased form that is an entity in the training documents is an entry, with its most frequent type and its
entity share: how often it is an entity, among all its occurrences. Entries whose share reaches a threshold tag a text
from left to right, the longest match first. The threshold is the one with the best span F1 on the validation documents.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from tasks.entities.spans import begin, inside, span_ends, span_score

THRESHOLDS = tuple(i / 10 for i in range(11))

Words = Sequence[str]
# By first word: the rest of the form -> (share, type).
Entries = dict[str, dict[tuple[str, ...], tuple[float, int]]]
# Per position at which any entry matches: (number of words, share, type), the longest first.
Matches = list[tuple[int, list[tuple[int, float, int]]]]
Tagged = tuple[Sequence[Words], Tensor]


def gazetteer_f1(training: Tagged, validation: Tagged, test: Tagged) -> float:
    """Return the strict span F1 of the dictionary tagger on the test documents.

    Each split: the lower-cased words of its documents, and their tag numbers end to end (tokens,).
    """
    entries = _learn(*training)
    held_out = _Matched(entries, *validation)
    threshold = max(THRESHOLDS, key=held_out.f1)
    return _Matched(entries, *test).f1(threshold)


class _Matched:
    """Documents and where which entries match them, ready to be scored at any threshold."""

    def __init__(self, entries: Entries, documents: Sequence[Words], tags: Tensor) -> None:
        self.tags = tags
        self.documents = _numbers(documents)
        self.matches: Matches = []
        first = 0
        for words in documents:
            for i, word in enumerate(words):
                candidates = [
                    (1 + len(rest), share, kind)
                    for rest, (share, kind) in entries.get(word, {}).items()
                    if rest == tuple(words[i + 1 : i + 1 + len(rest)])
                ]
                if candidates:
                    self.matches.append((first + i, sorted(candidates, reverse=True)))
            first += len(words)

    def f1(self, threshold: float) -> float:
        predicted = torch.zeros_like(self.tags)
        free = 0
        for position, candidates in self.matches:
            match = next((m for m in candidates if m[1] >= threshold), None) if position >= free else None
            if match is not None:
                free = position + match[0]
                predicted[position:free] = inside(match[2])
                predicted[position] = begin(match[2])
        return span_score(predicted, self.tags, self.documents, torch.zeros_like(self.tags)).score


def _learn(documents: Sequence[Words], tags: Tensor) -> Entries:
    kinds: defaultdict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
    ends, types = span_ends(tags, _numbers(documents)).tolist(), ((tags - 1) // 2).tolist()
    first = 0
    for words in documents:
        for i in range(len(words)):
            end = ends[first + i]
            if end >= 0:
                kinds[tuple(words[i : end - first + 1])][types[first + i]] += 1
        first += len(words)
    occurrences = _occurrences(documents, kinds)
    entries: Entries = defaultdict(dict)
    for form, counts in kinds.items():
        kind, _ = counts.most_common(1)[0]
        entries[form[0]][form[1:]] = (counts.total() / occurrences[form], kind)
    return entries


def _occurrences(documents: Sequence[Words], forms: dict[tuple[str, ...], Counter[int]]) -> Counter[tuple[str, ...]]:
    """How often each form occurs in the documents, as an entity or not."""
    sizes: defaultdict[str, set[int]] = defaultdict(set)
    for form in forms:
        sizes[form[0]].add(len(form))
    counts: Counter[tuple[str, ...]] = Counter()
    for words in documents:
        for i, word in enumerate(words):
            for size in sizes.get(word, ()):
                form = tuple(words[i : i + size])
                if form in forms:
                    counts[form] += 1
    return counts


def _numbers(documents: Sequence[Words]) -> Tensor:
    return torch.repeat_interleave(torch.tensor([len(words) for words in documents]))
