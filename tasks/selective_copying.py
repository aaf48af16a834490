"""The selective copying task: recall ten symbols that lie scattered among blanks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from tasks.base import Batch, Column, Recall, Replacement, Spec, SyntheticTask, Tokens

ALPHABET = 8  # ids 0 … 7
BLANK = 8
ASK = 9
CLASSES = 10
CERTAIN = 20.0  # a logit; e^−40 is the probability of the other answers


class SelectiveCopying(SyntheticTask):
    """Ten symbols scattered among blanks; then the ten symbols are to be recalled in order.

    Rule: ten symbols drawn uniformly from 0 … 7 lie at ten different steps, drawn uniformly from 0 … T+9; the other T
    of these steps are blanks (8). Then ten steps ask (9), and their answers are the ten symbols in order. The sequence
    has T+20 steps.

    The first sequence of `SelectiveCopying(3).training_batch(0)`; · marks a step that is not read:

        step    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22
        input   4 4 1 8 3 1 8 4 5 7  2  4  8  9  9  9  9  9  9  9  9  9  9
        target  · · · · · · · · · ·  ·  ·  ·  4  4  1  3  1  4  5  7  2  4

    length T is the number of blanks among the symbols. Symbol i is recalled 10 … T+10 steps after it was read. The
    mean over all ten is T/2+10.

    symbols: how many there are in the place of ten, in all that stands above.

    Score (accuracy, higher is better): right recalls over recalls, argmax over all 10 classes. Beside it
    recall_0 … recall_9 per position, exact, the share of sequences whose every recall is right, and cross_entropy in
    nats.

    chance 1/8: the symbols are uniform over 8, so an answer given without seeing them is right one time in 8. best 1.
    Solved at .99.

    best_linear, a floor: the least-squares linear predictor of the whole input, measured on the test set. It weighs
    step t by the probability that symbol i lies there. About .60, .55 and .53 at T = 10, 30 and 100. A linear
    time-invariant layer cannot pass it; one whose weights depend on the input can.

    The gradient probe follows the first recall, because its symbol lies farthest back.

    Source: Gu & Dao 2023 (Mamba, arXiv:2312.00752), section 4.1.1; drawn as `torch_copying_data(variable=True)` of
    state-spaces/s4. Sizes are those of `copying`. Mamba's 16 symbols at T = 4,096 are another size.
    """

    version = 1
    minimum_length = 1

    def __init__(self, length: int, *, symbols: int = 10, **common: Any) -> None:
        super().__init__(length, **common)
        if symbols < 1:
            raise ValueError(f"SelectiveCopying: option 'symbols' expects at least 1, got {symbols}")
        self.symbols = symbols
        self.asked = length + symbols  # the step of the first recall
        self.spec = Spec(
            inputs=Tokens((Column(CLASSES, 10),)),
            outputs=CLASSES,
            objective=Recall(scored=symbols),
            predict=self._predict,
            steps=self.asked + symbols,
        )
        self.reach = length + symbols
        self.chance = 1 / ALPHABET
        self.best = 1.0
        self.solved_threshold = 0.99
        self.floors["best_linear"] = self._best_linear()

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        symbols = torch.randint(ALPHABET, (batch_size, self.symbols), generator=generator)
        places = torch.rand(batch_size, self.asked, generator=generator).topk(self.symbols).indices.sort(1).values
        inputs = symbols.new_full((batch_size, self.asked + self.symbols), BLANK).scatter(1, places, symbols)
        inputs[:, self.asked :] = ASK
        return Batch(inputs.unsqueeze(-1), symbols.view(-1), self.read_last(batch_size, inputs.size(1), self.symbols))

    def answer_steps(self, batch: Batch) -> Tensor:
        return torch.full((len(batch),), self.asked)

    def credit(self, batch: Batch) -> Tensor:
        """All credit of the first recall lies on the first symbol."""
        return torch.zeros(batch.reads.mask.shape).scatter(1, self._places(batch)[:, :1].cpu(), 1.0)

    def counterfactuals(self, batch: Batch) -> list[Replacement]:
        """Replace each of the ten symbols in turn by the next one of the alphabet."""
        following = (batch.inputs + 1) % ALPHABET
        return [
            Replacement(place, batch.inputs.scatter(1, at, following.gather(1, at)))
            for place in self._places(batch).unbind(1)
            for at in [place[:, None, None]]
        ]

    def _places(self, batch: Batch) -> Tensor:
        """The steps (batch, symbols) of the symbols."""
        return (batch.inputs[..., 0] < ALPHABET).nonzero()[:, 1].view(-1, self.symbols)

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        """Logits: the symbol where it is in sight, all eight alike where it is not, blank before the recalls."""
        logits = torch.full_like(x, -CERTAIN)
        logits[:, : self.asked, BLANK] = CERTAIN
        logits[:, self.asked :, :ALPHABET] = 0.0
        symbols = x[:, : self.asked, :ALPHABET]
        there = symbols.detach().sum(-1).round()
        following = there.flip(1).cumsum(1).flip(1) * there  # how many symbols are left to come, this one included
        for i in range(self.symbols):
            start = 0 if window is None else max(0, self.asked + i + 1 - window)
            mine = (following[:, start:] == self.symbols - i).to(x.dtype)
            symbol = torch.einsum("bt,bts->bs", mine, symbols[:, start:])
            logits[:, self.asked + i, :ALPHABET] = CERTAIN * (2 * symbol - 1) * mine.sum(1, keepdim=True)
        return logits

    def _best_linear(self) -> float:
        """Measure on the test set how often the heaviest symbol is the right one, each step weighed for its recall."""
        weights, right, recalls = place_probabilities(self.length, self.symbols), 0, 0
        for batch in self.test_dataloader():
            symbols = batch.targets.view(-1, self.symbols)
            own = weights[:, self._places(batch)]  # (recalls, batch, symbols)
            votes = own.new_zeros(*own.shape[:2], ALPHABET).scatter_add(2, symbols.expand(self.symbols, -1, -1), own)
            right += int((votes.argmax(2) == symbols.T).sum())
            recalls += symbols.numel()
        return right / recalls


def place_probabilities(length: int, symbols: int = 10) -> Tensor:
    """Return P(symbol i lies at step t) = C(t, i) C(T+n−1−t, n−1−i) / C(T+n, n), as (n, T+n), of n symbols."""
    step = torch.arange(length + symbols, dtype=torch.float64)
    symbol = torch.arange(symbols, dtype=torch.float64)[:, None]
    return (_log_choose(step, symbol) + _log_choose(step.flip(0), symbols - 1 - symbol)).softmax(1)


def _log_choose(n: Tensor, k: Tensor) -> Tensor:
    """The log of the binomial coefficient; −∞ where k > n."""
    log = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma((n - k).clamp(min=0) + 1)
    return log.where(k <= n, -torch.inf)
