"""The marked copying task: recall the ten marked ones among many symbols."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from tasks.base import Batch, Column, Notation, Recall, Replacement, Spec, SyntheticTask, Tokens

MARKED = 10  # how many are to be recalled
ALPHABET = 8  # ids 0 … 7; marked: 8 … 15
BLANK = 16
DELIMITER = 17
CERTAIN = 20.0  # a logit; e^−40 is the probability of another answer


class MarkedCopying(SyntheticTask):
    """T symbols of which ten are marked; after a delay the ten are to be recalled in order.

    Rule: T symbols drawn uniformly from a … h, ten of them at steps drawn uniformly are marked (A … H); `delay` blanks
    (_), one delimiter (:), ten blanks. At the ten last steps the answers are the ten marked symbols in order. The
    sequence has T + delay + 11 steps.

    The first sequence of `MarkedCopying(12, delay=2).training_batch(0)`; · marks a step that is not read:

        step    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24
        input   E E B D B E F h c E  A  E  _  _  :  _  _  _  _  _  _  _  _  _  _
        target  · · · · · · · · · ·  ·  ·  ·  ·  ·  e  e  b  d  b  e  f  e  a  e

    length T is the number of symbols. Marked symbol i is recalled delay+11 … T+delay+1 steps after it was read. The
    gradient probe follows the first recall, because its symbol lies farthest back.

    delay: steps between the last symbol and the delimiter.

    Score (accuracy, higher is better): right recalls over recalls. Beside it recall_0 … recall_9 per position, exact,
    the share of sequences whose every recall is right, and cross_entropy in nats.

    chance 1/8: the symbols are uniform over 8, so an answer given without seeing them is right one time in 8. best 1.
    Solved at .99.

    Source: task `selective_copy` of CogScale (Bendi-Ouis, De Coudenhove & Hinaut 2026, github.com/Naowak/CogScale); its
    size medium is T = 80 with delay 10. It gives symbols and marks as one-hot vectors side by side; here a marked
    symbol is a token of its own. In `selective_copying` the other steps are blank instead.
    """

    version = 1
    minimum_length = 10

    def __init__(self, length: int, *, delay: int = 10, **common: Any) -> None:
        super().__init__(length, **common)
        if delay < 0:
            raise ValueError(f"MarkedCopying: option 'delay' expects at least 0, got {delay}")
        self.asked = length + delay + 1  # the step of the first recall
        self.notation = Notation(inputs="abcdefghABCDEFGH_:", targets="abcdefgh")
        self.spec = Spec(
            inputs=Tokens((Column(DELIMITER + 1, 10),)),
            outputs=ALPHABET,
            objective=Recall(scored=MARKED),
            predict=self._predict,
            steps=self.asked + MARKED,
            delimiter=DELIMITER,
        )
        self.reach = self.asked
        self.chance = 1 / ALPHABET
        self.best = 1.0
        self.solved_threshold = 0.99

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        symbols = torch.randint(ALPHABET, (batch_size, self.length), generator=generator)
        places = torch.rand(batch_size, self.length, generator=generator).topk(MARKED).indices.sort(1).values
        recalled = symbols.gather(1, places)
        inputs = symbols.new_full((batch_size, self.asked + MARKED), BLANK)
        inputs[:, : self.length] = symbols.scatter(1, places, ALPHABET + recalled)
        inputs[:, self.asked - 1] = DELIMITER
        return Batch(inputs.unsqueeze(-1), recalled.view(-1), self.read_last(batch_size, inputs.size(1), MARKED))

    def answer_steps(self, batch: Batch) -> Tensor:
        return torch.full((len(batch),), self.asked)

    def credit(self, batch: Batch) -> Tensor:
        """All credit of the first recall lies on the first marked symbol."""
        return torch.zeros(batch.reads.mask.shape).scatter(1, _places(batch)[:, :1].cpu(), 1.0)

    def counterfactuals(self, batch: Batch) -> list[Replacement]:
        """Replace each of the ten marked symbols in turn by the next one of the alphabet, marked."""
        following = ALPHABET + (batch.inputs + 1) % ALPHABET
        return [
            Replacement(place, batch.inputs.scatter(1, at, following.gather(1, at)))
            for place in _places(batch).unbind(1)
            for at in [place[:, None, None]]
        ]

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        """Logits: the symbol where it is in sight, all eight alike where it is not, and before the recalls."""
        logits = x.new_zeros(*x.shape[:2], ALPHABET)
        marked = x[:, : self.length, ALPHABET:BLANK]
        there = marked.detach().sum(-1).round()
        following = there.flip(1).cumsum(1).flip(1) * there  # how many marked are left to come, this one included
        for i in range(MARKED):
            start = 0 if window is None else max(0, self.asked + i + 1 - window)
            mine = (following[:, start:] == MARKED - i).to(x.dtype)
            symbol = torch.einsum("bt,bts->bs", mine, marked[:, start:])
            logits[:, self.asked + i] = CERTAIN * (2 * symbol - 1) * mine.sum(1, keepdim=True)
        return logits


def _places(batch: Batch) -> Tensor:
    """The steps (batch, 10) of the marked symbols."""
    ids = batch.inputs[..., 0]
    return ((ids >= ALPHABET) & (ids < BLANK)).nonzero()[:, 1].view(-1, MARKED)
