"""Adding of whole numbers: the class of the sum of the two marked ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from tasks.base import Accuracy, Batch, Column, Notation, Replacement, Spec, SyntheticTask, Tokens

LARGEST = 8  # ids 0 … 7 are the numbers 1 … 8; marked: 8 … 15
DELIMITER = 16
BLANK = 17
SUMS = 2 * LARGEST - 1  # 2 … 16
CERTAIN = 20.0  # a logit


class AddingClasses(SyntheticTask):
    """T numbers of which two are marked; after a delimiter the answer is the class of their sum.

    Rule: T numbers drawn uniformly from 1 … 8, two of them at different steps drawn uniformly are marked (1* … 8*);
    one delimiter (=), one blank (_). The answer, read at the blank, is the sum of the two marked numbers, one of 15
    classes.

    The first sequence of `AddingClasses(6).training_batch(0)`; · marks a step that is not read:

        step     0 1 2 3  4 5 6 7
        input   5* 5 2 4 2* 5 = _
        target   · · · ·  · · · 7

    length T is the number of numbers. The sequence has T+2 steps, and the answer reaches back T+1 at most.

    Score (accuracy, higher is better): right classes over sequences.

    chance 1/8: of the 64 pairs, 8 have the likeliest sum, 9. Knowing one of the two says no more, because the other
    leaves 8 sums that are equally likely. best 1. Solved at .99.

    Source: task `adding_problem` of CogScale (Bendi-Ouis, De Coudenhove & Hinaut 2026, github.com/Naowak/CogScale); its
    size medium is T = 20. It gives numbers and marks as one-hot vectors side by side; here a marked number is a token
    of its own. `adding` adds real numbers.
    """

    version = 1
    minimum_length = 2

    def __init__(self, length: int, **common: Any) -> None:
        super().__init__(length, **common)
        numbers = [str(number) for number in range(1, LARGEST + 1)]
        self.notation = Notation(
            inputs=[*numbers, *(f"{number}*" for number in numbers), "=", "_"],
            targets=[str(total) for total in range(2, SUMS + 2)],
        )
        self.spec = Spec(
            inputs=Tokens((Column(BLANK + 1, 10),)),
            outputs=SUMS,
            objective=Accuracy(),
            predict=self._predict,
            steps=length + 2,
            delimiter=DELIMITER,
        )
        self.reach = length + 1
        self.chance = 1 / LARGEST
        self.best = 1.0
        self.solved_threshold = 0.99

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        numbers = torch.randint(LARGEST, (batch_size, self.length), generator=generator)
        places = torch.rand(batch_size, self.length, generator=generator).topk(2).indices
        marked = numbers.gather(1, places)
        inputs = numbers.new_full((batch_size, self.length + 2), BLANK)
        inputs[:, : self.length] = numbers.scatter(1, places, LARGEST + marked)
        inputs[:, self.length] = DELIMITER
        return Batch(inputs.unsqueeze(-1), marked.sum(1), self.read_last(batch_size, self.length + 2, 1))

    def credit(self, batch: Batch) -> Tensor:
        """Return the credit (batch, time): half on each marked number."""
        return _marked(batch.inputs[..., 0]).float().cpu() / 2

    def counterfactuals(self, batch: Batch) -> list[Replacement]:
        """Replace each marked number in turn by the next one, marked; 8 by 1."""
        places = _marked(batch.inputs[..., 0]).nonzero()[:, 1].view(-1, 2)
        following = LARGEST + (batch.inputs + 1) % LARGEST
        return [
            Replacement(place, batch.inputs.scatter(1, at, following.gather(1, at)))
            for place in places.unbind(1)
            for at in [place[:, None, None]]
        ]

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        """Logits of the sums, as likely as what is in sight leaves them: log probabilities, or far below one."""
        start = 0 if window is None else max(0, x.size(1) - window)
        seen = x[:, start:, LARGEST:DELIMITER].sum(1)  # (batch, 8): how often each number is marked
        known = seen.detach().sum(1, keepdim=True).round()
        sums = torch.arange(SUMS, dtype=x.dtype, device=x.device)
        left = sums - (seen @ torch.arange(LARGEST, dtype=x.dtype, device=x.device))[:, None]  # both count from 0
        both = -CERTAIN * left.square()
        one = -CERTAIN * ((left.detach() < 0) | (left.detach() >= LARGEST)).to(x.dtype)
        none = (LARGEST - (sums - LARGEST + 1).abs()).log().expand_as(left)
        return torch.where(known == 2, both, torch.where(known == 1, one, none))[:, None]


def _marked(ids: Tensor) -> Tensor:
    return (ids >= LARGEST) & (ids < DELIMITER)
