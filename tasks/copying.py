"""The copying task: recall ten symbols after a delay."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from tasks.base import Batch, Column, Replacement, Spec, Tokens
from tasks.base.objectives import Recall
from tasks.base.synthetic import SyntheticTask, choose

ALPHABET = 8  # ids 0 … 7
BLANK = 8
DELIMITER = 9
CLASSES = 10
CERTAIN = 20.0  # a logit; e^−40 is the probability of the other answers


class Copying(SyntheticTask):
    """Ten symbols, a delay, a delimiter; then the ten symbols are to be recalled in order.

    Rule: ten symbols drawn uniformly from 0 … 7 (steps 0 … 9), T−1 blanks (8), one delimiter (9) at step T+9, ten
    blanks. At the ten last steps the answers are the ten symbols in order. The sequence has T+20 steps.

    The first sequence of `Copying(3).training_batch(0)`; · marks a step that is not read:

        step    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22
        input   4 4 1 3 1 4 5 7 2 4  8  8  9  8  8  8  8  8  8  8  8  8  8
        target  · · · · · · · · · ·  ·  ·  ·  4  4  1  3  1  4  5  7  2  4

    length T is the delay: symbol i is read at step i and recalled at step T+10+i, exactly T+10 steps later.

    recall: `reversed` asks for the ten symbols from the last to the first, as if the source were reversed (Sutskever,
    Vinyals & Le 2014, arXiv:1409.3215). Recall i is then T+1+2i steps after its symbol: T+1, T+3 … T+19, in the mean
    T+10 as before.

    symbols: how many there are in the place of ten. Symbol i is then read at step i and recalled T+symbols steps later,
    and the sequence has T + 2 · symbols steps. Copying of 50 symbols at T = 11 is the task `simple_copy` of CogScale
    (Bendi-Ouis, De Coudenhove & Hinaut 2026, github.com/Naowak/CogScale), size medium.

    loss: `recall` reads and trains on the ten recalls. `all` is the papers' mean over all T+20 positions: every step
    is read, its answer blank up to the delimiter, and training is mostly about blanks.

    Score (accuracy, higher is better): right recalls over recalls, argmax over all 10 classes, the ten recall steps
    only under either loss. Beside it recall_0 … recall_9 per position (they show capacity, not distance), exact, the
    share of sequences whose every recall is right, and cross_entropy over all positions read, in nats.

    chance 1/8: the symbols are uniform over 8, so an answer given without seeing them is right one time in 8. best 1.
    Solved at .99.

    Source: Hochreiter & Schmidhuber 1997 (Long short-term memory); in this form Arjovsky, Shah & Bengio 2016 (Unitary
    evolution recurrent neural networks, arXiv 1511.06464), experiment "copying memory problem".
    """

    version = 1
    minimum_length = 1

    def __init__(
        self,
        length: int,
        *,
        symbols: int = 10,
        recall: Literal["forward", "reversed"] = "forward",
        loss: Literal["recall", "all"] = "recall",
        **common: Any,
    ) -> None:
        super().__init__(length, **common)
        if symbols < 1:
            raise ValueError(f"Copying: option 'symbols' expects at least 1, got {symbols}")
        self.loss, self.symbols = loss, symbols
        places = torch.arange(symbols)
        # For each recall, the place of its symbol.
        self.recalled = choose("Copying", "recall", recall, {"forward": places, "reversed": places.flip(0)})
        self.sequence_length = length + 2 * symbols
        self.reads = choose("Copying", "loss", loss, {"recall": symbols, "all": self.sequence_length})
        self.spec = Spec(
            inputs=Tokens((Column(CLASSES, 10),)),
            outputs=CLASSES,
            objective=Recall(scored=symbols),
            predict=self._predict,
            steps=self.sequence_length,
            delimiter=DELIMITER,
        )
        distances = length + symbols + places - self.recalled
        self.reach = int(distances.max())
        self.chance = 1 / ALPHABET
        self.best = 1.0
        self.solved_threshold = 0.99
        if loss == "all":  # beside the extra `cross_entropy`, the figure the papers plot
            self.floors["cross_entropy_knowing_nothing"] = knowing_nothing(length, symbols)
        self._empty = torch.full((1, self.sequence_length), BLANK)
        self._empty[0, length + symbols - 1] = DELIMITER

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        symbols = torch.randint(ALPHABET, (batch_size, self.symbols), generator=generator)
        inputs = self._empty.repeat(batch_size, 1)
        inputs[:, : self.symbols] = symbols
        blanks = symbols.new_full((batch_size, self.reads - self.symbols), BLANK)
        targets = torch.cat((blanks, symbols[:, self.recalled]), dim=1)
        reads = self.read_last(batch_size, self.sequence_length, self.reads)
        return Batch(inputs.unsqueeze(-1), targets.view(-1), reads)

    def credit(self, batch: Batch) -> Tensor:
        """All credit of the last recall lies on its symbol: the tenth (step 9), or the first (step 0) if reversed."""
        credit = torch.zeros(batch.reads.mask.shape)
        credit[:, self.recalled[-1]] = 1
        return credit

    def counterfactuals(self, batch: Batch) -> list[Replacement]:
        """Replace each of the ten symbols in turn by the next one of the alphabet."""
        replacements = []
        for place in range(self.symbols):
            inputs = batch.inputs.clone()
            inputs[:, place] = (inputs[:, place] + 1) % ALPHABET
            replacements.append(Replacement(torch.full((len(inputs),), place, device=inputs.device), inputs))
        return replacements

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        """Logits: the symbol where it is in sight, all eight alike where it is not, blank before the recalls."""
        logits = torch.full_like(x, -CERTAIN)
        first = self.length + self.symbols
        logits[:, :first, BLANK] = CERTAIN
        logits[:, first:, :ALPHABET] = 0.0
        for place, symbol in enumerate(self.recalled.tolist()):
            if window is None or window > first + place - symbol:
                logits[:, first + place] = CERTAIN * (2 * x[:, symbol] - 1)
        return logits


def knowing_nothing(length: int, symbols: int = 10) -> float:
    """Return the mean cross-entropy (nats) over all T + 2n positions, blanks known and the n symbols not:
    n ln 8 / (T + 2n)."""
    return symbols * math.log(ALPHABET) / (length + 2 * symbols)
