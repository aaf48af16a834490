"""The postcasting task: say at every step what was read some steps before."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from tasks.base import Accuracy, Batch, Column, Notation, Replacement, Spec, SyntheticTask, Tokens

ALPHABET = 8
CERTAIN = 20.0  # a logit; e^−40 is the probability of another answer
REPLACED = 10  # steps of a counterfactual, at most


class Postcasting(SyntheticTask):
    """A stream of symbols; at every step the answer is the symbol that was read T steps before.

    Rule: T + `answers` symbols drawn uniformly from a … h. From step T on, the answer at step t is the symbol of step
    t−T.

    The first sequence of `Postcasting(3, answers=5).training_batch(0)`; · marks a step that is not read:

        step    0 1 2 3 4 5 6 7
        input   e e b d b e f h
        target  · · · e e b d b

    length T is the delay: every answer depends on the symbol T steps before, and on nothing else. A model needs to hold
    the last T+1 symbols at any time.

    answers: how many there are.

    Score (accuracy, higher is better): right answers over answers.

    chance 1/8: the symbols are uniform over 8, so an answer given without seeing them is right one time in 8; so is one
    from a window of at most T steps. best 1. Solved at .99.

    Source: task `discrete_postcasting` of CogScale (Bendi-Ouis, De Coudenhove & Hinaut 2026,
    github.com/Naowak/CogScale); its size medium is T = 15 with 85 answers, 100 steps in all.
    """

    version = 1
    minimum_length = 1

    def __init__(self, length: int, *, answers: int = 85, **common: Any) -> None:
        super().__init__(length, **common)
        if answers < 1:
            raise ValueError(f"Postcasting: option 'answers' expects at least 1, got {answers}")
        self.answers = answers
        self.notation = Notation(inputs="abcdefgh", targets="abcdefgh")
        self.spec = Spec(
            inputs=Tokens((Column(ALPHABET, 10),)),
            outputs=ALPHABET,
            objective=Accuracy(scored=answers),
            predict=self._predict,
            steps=length + answers,
        )
        self.reach = length
        self.chance = 1 / ALPHABET
        self.best = 1.0
        self.solved_threshold = 0.99

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        symbols = torch.randint(ALPHABET, (batch_size, self.length + self.answers), generator=generator)
        reads = self.read_last(batch_size, symbols.size(1), self.answers)
        return Batch(symbols.unsqueeze(-1), symbols[:, : self.answers].reshape(-1), reads)

    def credit(self, batch: Batch) -> Tensor:
        """All credit of the last answer lies on the symbol T steps before it."""
        credit = torch.zeros(batch.reads.mask.shape)
        credit[:, self.answers - 1] = 1
        return credit

    def counterfactuals(self, batch: Batch) -> list[Replacement]:
        """Replace ten of the last T+1 symbols at most, evenly spread, by the next one of the alphabet; the one that the
        last answer depends on is the first."""
        number = min(REPLACED, self.length + 1)
        replacements = []
        for place in torch.linspace(self.answers - 1, batch.steps - 1, number).round().long().tolist():
            inputs = batch.inputs.clone()
            inputs[:, place] = (inputs[:, place] + 1) % ALPHABET
            replacements.append(Replacement(torch.full((len(inputs),), place, device=inputs.device), inputs))
        return replacements

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        """Logits: the symbol where it is in sight, all eight alike where it is not."""
        logits = torch.zeros_like(x)
        if window is None or window > self.length:
            logits[:, self.length :] = CERTAIN * (2 * x[:, : x.size(1) - self.length] - 1)
        return logits
