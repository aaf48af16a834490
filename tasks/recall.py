"""Associative recall: the values that belong to keys, asked for after a delay."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor

from tasks.base import Batch, Column, Recall, Replacement, Spec, SyntheticTask, Tokens

WIDTH = 16
CERTAIN = 20.0  # a logit; e^−40 is the probability of the other answers


class AssociativeRecall(SyntheticTask):
    """Pairs of a key and a value, a delay, then every key once more; the answer at each is its value.

    Rule: the pairs come first, key before value. Keys are drawn without replacement from as many keys as there are
    values, values without replacement from all values. T−1 blanks follow; then the keys in random order, each a query
    that is answered at its own step. With P pairs and V values, ids are 0 … V−1 for values, V … 2V−1 for keys, 2V for
    the blank; the sequence has 3P+T−1 steps.

    The first sequence of `AssociativeRecall(3).training_batch(0)`; · marks a step that is not read:

        step     0 1  2 3  4 5  6 7  8  9 10 11 12 13
        input   11 0 10 7 15 2 12 4 16 16 10 11 15 12
        target   · ·  · ·  · ·  · ·  ·  ·  7  0  2  4

    length T is the number of steps from the last value to the first query. Query r = 0 … P−1 is T+r+2(P−1−j) steps
    after the value of pair j; the longest distance is T+3(P−1).

    pairs: P, at least 2. values: V, at least as many as pairs.

    Score (accuracy, higher is better): right recalls over queries, argmax over all V values. Beside it recall_0 … per
    query and cross_entropy in nats.

    chance 1/V: each value is equally probable where no pair is seen. best 1. Solved at .99.

    values_without_bindings, a floor: 1/P, what one scores who knows which values came, but not with which keys. It is
    a plateau of training, like 1/12 in `adding`: only above it are keys and values bound.

    A window sees the pairs from some step on. Where the query's key is among them it answers right. Else the value is
    none of theirs: 1/(V−m) with m pairs in sight. A value in sight without its key belongs to one of the P−m other
    keys: 1/(P−m).

    Source: Arora et al. 2023 (Zoology: measuring and improving recall in efficient language models, arXiv:2312.04927),
    multi-query associative recall, as `multiquery_ar.py` of HazyResearch/zoology. There the queries lie apart, at gaps
    drawn from a power law; here they follow each other, so that T is exact.
    """

    version = 1
    minimum_length = 1

    def __init__(self, length: int, *, pairs: int = 4, values: int = 8, **common: Any) -> None:
        super().__init__(length, **common)
        if pairs < 2:
            raise ValueError(f"AssociativeRecall: option 'pairs' expects at least 2, got {pairs}")
        if values < pairs:
            raise ValueError(f"AssociativeRecall: option 'values' expects at least pairs ({pairs}), got {values}")
        self.pairs = pairs
        self.values = values
        self.asked = 2 * pairs + length - 1  # the step of the first query
        self.spec = Spec(
            inputs=Tokens((Column(2 * values + 1, WIDTH),)),
            outputs=values,
            objective=Recall(scored=pairs),
            predict=self._predict,
            steps=self.asked + pairs,
        )
        self.reach = length + 3 * (pairs - 1)
        self.chance = 1 / values
        self.best = 1.0
        self.solved_threshold = 0.99
        self.floors["values_without_bindings"] = 1 / pairs

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        keys, values = (
            torch.rand(batch_size, self.values, generator=generator).argsort(1)[:, : self.pairs] for _ in range(2)
        )
        order = torch.rand(batch_size, self.pairs, generator=generator).argsort(1)
        inputs = keys.new_full((batch_size, self.asked + self.pairs), 2 * self.values)
        inputs[:, 0 : 2 * self.pairs : 2] = self.values + keys
        inputs[:, 1 : 2 * self.pairs : 2] = values
        inputs[:, self.asked :] = self.values + keys.gather(1, order)
        reads = self.read_last(batch_size, inputs.size(1), self.pairs)
        return Batch(inputs.unsqueeze(-1), values.gather(1, order).view(-1), reads)

    def credit(self, batch: Batch) -> Tensor:
        """All credit of the last query lies on its value. Its key is left out, because no other can stand for it."""
        inputs = batch.inputs[..., 0].cpu()
        pair = (inputs[:, 0 : 2 * self.pairs : 2] == inputs[:, -1:]).int().argmax(1, keepdim=True)
        return torch.zeros(inputs.shape).scatter(1, 2 * pair + 1, 1.0)

    def counterfactuals(self, batch: Batch) -> list[Replacement]:
        """Replace each value in turn by the next one that the sequence does not hold; if it holds all, by the next."""
        values = batch.inputs[:, 1 : 2 * self.pairs : 2, 0]
        free = torch.ones(len(batch), self.values, device=values.device).scatter(1, values, 0.0)
        replacements = []
        for pair in range(self.pairs):
            others = (values[:, pair, None] + torch.arange(1, self.values, device=values.device)) % self.values
            chosen = others.gather(1, free.gather(1, others).argmax(1, keepdim=True))
            inputs = batch.inputs.clone()
            inputs[:, 2 * pair + 1] = chosen
            replacements.append(Replacement(torch.full_like(chosen[:, 0], 2 * pair + 1), inputs))
        return replacements

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        """Logits: at each query the value of its key where that is in sight, else what the docstring says."""
        logits = x.new_zeros(*x.shape[:2], self.values)
        keys, values = x[:, 0 : 2 * self.pairs : 2], x[:, 1 : 2 * self.pairs : 2, : self.values]
        for query in range(self.asked, self.asked + self.pairs):
            start = 0 if window is None else max(0, query + 1 - window)
            unseen = min(self.pairs, (start + 1) // 2)  # pairs whose key is out of sight
            same = (keys[:, unseen:] * x[:, query, None]).sum(2, keepdim=True)
            found = same.sum(1)
            guess = -CERTAIN * values[:, unseen:].sum(1)
            if start % 2 and start < 2 * self.pairs:  # of pair `unseen − 1` the value alone is in sight
                guess = guess + self._log_odds(unseen) * values[:, unseen - 1]
            right = CERTAIN * (2 * (same * values[:, unseen:]).sum(1) - 1)
            logits[:, query] = found * right + (1 - found) * guess
        return logits

    def _log_odds(self, unseen: int) -> float:
        """Of the value seen without its key, 1/`unseen`, to each value out of sight."""
        others = self.values - self.pairs + unseen - 1
        return math.log(others / (unseen - 1)) if unseen > 1 else CERTAIN
