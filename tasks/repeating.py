"""The repeating task: say a sequence again, symbol by symbol, up to its end."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from tasks.base import Batch, Column, Continuation, Notation, Replacement, Spec, SyntheticTask, Tokens

ALPHABET = 20  # ids 0 … 19
END = 20  # an answer only
DELIMITER = 20  # an input only
START = 21
CERTAIN = 20.0  # a logit; e^−40 is the probability of another answer
REPLACED = 32  # symbols of a counterfactual, at most


class Repeating(SyntheticTask):
    """Read T symbols, then say them again in order, and that it is the end.

    Rule: step 0 is the start `^`, steps 1 … T are symbols drawn uniformly from a … t, step T+1 is the delimiter `:`.
    From there on the answers are the T symbols in order, and the end; each symbol is the next step's input: the right
    one in training, the model's own where it is scored.

    The first sequence of `Repeating(3).training_batch(0)`; · marks a step that is not read:

        step    0 1 2 3 4 5 6   7
        input   ^ a m j : a m   j
        target  · · · · a m j end

    length T is the number of symbols: how much is to be held, and how far back. Symbol i is read at step i and said at
    step T+i, exactly T steps later. The gradient probe follows the last symbol.

    Score (free-running accuracy, higher is better): right answers over answers, place by place, the end included, on
    the model's own continuation. Beside it `exact`, the share of sequences whose every answer is right.

    chance (T/20 + 1)/(T+1): a constant answer says one symbol in 20 right, and the end, whose place is known. best 1.
    Solved at .99.

    Models without a state of fixed size read the whole sequence again for every answer that is scored.

    Source: task `copy` of dpologdvinity/transformer (github.com), a small replication of Kazemnejad et al. 2023
    (The impact of positional encoding on length generalization in transformers, arXiv:2305.19466).
    """

    version = 1
    minimum_length = 1

    def __init__(self, length: int, **common: Any) -> None:
        super().__init__(length, **common)
        letters = "abcdefghijklmnopqrst"
        self.notation = Notation(inputs=[*letters, ":", "^"], targets=[*letters, "end"])
        self.spec = Spec(
            inputs=Tokens((Column(START + 1, 16),)),
            outputs=END + 1,
            objective=Continuation(),
            feed=self._feed,
            predict=self._predict,
            steps=2 * length + 2,
            delimiter=DELIMITER,
        )
        self.reach = length
        self.chance = (length / ALPHABET + 1) / (length + 1)
        self.best = 1.0
        self.solved_threshold = 0.99

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        symbols = torch.randint(ALPHABET, (batch_size, self.length), generator=generator)
        start, delimiter, end = (symbols.new_full((batch_size, 1), token) for token in (START, DELIMITER, END))
        inputs = torch.cat([start, symbols, delimiter, symbols], dim=1)
        reads = self.read_last(batch_size, inputs.size(1), self.length + 1)
        return Batch(inputs.unsqueeze(-1), torch.cat([symbols, end], dim=1).view(-1), reads)

    def answer_steps(self, batch: Batch) -> Tensor:
        return torch.full((len(batch),), 2 * self.length)

    def credit(self, batch: Batch) -> Tensor:
        """All credit of the last symbol said lies on the last symbol read."""
        credit = torch.zeros(batch.reads.mask.shape)
        credit[:, self.length] = 1
        return credit

    def counterfactuals(self, batch: Batch) -> list[Replacement]:
        """Replace 32 symbols that are read at most, evenly spread, the last among them, by the next of the alphabet."""
        replacements = []
        for place in torch.linspace(self.length, 1, min(REPLACED, self.length)).round().long().tolist():
            inputs = batch.inputs.clone()
            inputs[:, place] = (inputs[:, place] + 1) % ALPHABET
            replacements.append(Replacement(torch.full((len(inputs),), place, device=inputs.device), inputs))
        return replacements

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        """Logits: the symbol where it is in sight, all alike where it is not, the end where it is due."""
        first, last = self.length + 1, 2 * self.length + 1
        logits = x.new_zeros(*x.shape[:2], END + 1)
        logits[:, :, END] = -CERTAIN
        if window is None or window > self.length:
            seen = x[:, 1 : max(1, min(x.size(1), last) - self.length), :ALPHABET]
            logits[:, first : first + seen.size(1), :ALPHABET] = CERTAIN * (2 * seen - 1)
        logits[:, last:, END] = 2 * CERTAIN
        return logits

    def _feed(self, answer: Tensor, following: Tensor | None) -> Tensor:
        return answer.argmax(-1, keepdim=True)
