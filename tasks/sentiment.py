"""Sentiment: is a review for or against, when the clause that decides lies far back? Generated, or one's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

from tasks.base import Accuracy, Batch, Column, Data, Notation, Replacement, Spec, Split, SyntheticTask, Tokens
from tasks.corpora.resolving import files, resolve
from tasks.phrases import reviews
from tasks.phrases.reviews import Own, Texts

WIDTH = 16


class Sentiment(SyntheticTask):
    """A review of two clauses, one said for and one against or both alike; a link between them says which one decides.

    Rule: `really good although … not funny .` Step 0 is `really` or `not`, step 1 an adjective, of four for and four
    against; `not` turns its sense. Step 2 is the link. With `although` the first clause decides, with `but` the second,
    which stands at steps T−2 and T−1: again `really` or `not`, and an adjective. Between are neutral words. Everything
    is uniform and independent. The answer, 1 for and 0 against, is read at the full stop, step T.

    The first sequence of `Sentiment(7).training_batch(0)`; · marks a step that is not read:

        step    0      1   2        3  4  5      6    7
        input   really sad although at in really good .
        target  ·      ·   ·        ·  ·  ·      ·    0

    length T is the distance from the first word of the first clause to the full stop. The answer depends on steps 0
    and 1 with `although`, on steps T−2 and T−1 with `but`, and on the link where the clauses disagree.

    corpus: `reviews`, or the path of a file with a label, a tab and a text in each line. Lines in order, index mod 10:
    8 validates, 9 tests. A text is lower-cased and split at spaces, and its last T words are read; a shorter one begins
    late, behind `_`. Words that occur once in the training texts, or not at all, are one and the same.

    Score (accuracy, higher is better): right labels over reviews.

    chance: of `reviews` 1/2, because either sense of either clause is as likely as the other; of a file the share of
    the test part's most frequent label. best 1, the Bayes score of `reviews`. Solved at .99; a file never. Floor of
    `reviews`: `last_clause`, .75, for who knows the second clause alone is right with every `but` and with half of the
    others. A window of K steps scores 1/2 for K ≤ 2, .75 up to K = T, and 1 from T+1 on.

    Source: the DSE 220 lecture and the 2018 recitation (many-to-one). The reviews are ours.
    """

    version = 1
    minimum_length = 5
    fallback = "reviews"

    def __init__(self, length: int, *, corpus: str = "reviews", **common: Any) -> None:
        super().__init__(length, **common)
        resolved = resolve(corpus, fallback="reviews", folder=self.folder)
        self.data = Data(resolved.name, resolved.sha256)
        self.own = None if resolved.source == "reviews" else Own(files(resolved)[0], resolved.sha256, length)
        words = reviews.WORDS if self.own is None else self.own.words
        labels = ("against", "for") if self.own is None else self.own.labels
        self.notation = Notation(inputs=words, targets=labels)
        self.spec = Spec(
            inputs=Tokens((Column(len(words), WIDTH),)),
            outputs=len(labels),
            objective=Accuracy(),
            predict=reviews.predict if self.own is None else None,
            steps=length + 1,
        )
        self.best = 1.0
        self.chance, self.solved_threshold = (0.5, 0.99) if self.own is None else (self.own.chance, None)
        self.floors = {"last_clause": 0.75} if self.own is None else {}
        self.reach = length if self.own is None else None

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        texts = (
            reviews.draw(generator, batch_size, self.length)
            if self.own is None
            else self.own.training(generator, batch_size)
        )
        return self._batch(texts)

    def held_out(self, split: Split) -> Dataset[Batch]:
        return super().held_out(split) if self.own is None else _Held(self, self.own.held_out(split))

    def credit(self, batch: Batch) -> Tensor | None:
        """Return the credit (batch, time): the same on each word whose change changes the answer; None of own texts."""
        if self.own is not None:
            return None
        words = batch.inputs[..., 0].cpu()
        first, second = reviews.sense(words[:, :2]), reviews.sense(words[:, -3:-1])
        decides = words[:, 2] == reviews.ALTHOUGH
        credit = torch.zeros(batch.reads.mask.shape)
        credit[:, :2] = decides.float()[:, None]
        credit[:, -3:-1] = (~decides).float()[:, None]
        credit[:, 2] = (first != second).float()
        return credit

    def counterfactuals(self, batch: Batch) -> list[Replacement] | None:
        """Turn each word of the two clauses, and the link, into one of the other sense; None of own texts."""
        if self.own is not None:
            return None
        other = reviews.OPPOSITE.to(batch.inputs.device)
        replacements = []
        for step in (0, 1, 2, self.length - 2, self.length - 1):
            inputs = batch.inputs.clone()
            inputs[:, step] = other[inputs[:, step]]
            replacements.append(Replacement(torch.full((len(inputs),), step, device=inputs.device), inputs))
        return replacements

    def _batch(self, texts: Texts) -> Batch:
        words, labels = texts
        return Batch(words[..., None], labels, self.read_last(len(words), self.length + 1, 1))


class _Held(Dataset[Batch]):
    """The texts of one split of a user's file, in batches of a synthetic task's size."""

    def __init__(self, task: Sentiment, texts: Texts) -> None:
        self.task = task
        self.words, self.labels = (part.split(task.held_out_batch_size) for part in texts)

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, index: int) -> Batch:
        return self.task._batch((self.words[index], self.labels[index]))
