"""The parity task: whether the number of ones among many bits is odd."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from tasks.base import Accuracy, Batch, Features, Notation, Spec, SyntheticTask, choose

CERTAIN = 20.0  # a logit; e^−40 is the probability of the other answer


class Parity(SyntheticTask):
    """A sequence of bits; after the last, 1 is the answer if the number of ones is odd, and 0 if it is even.

    Rule: T bits, each 0 or 1 with probability ½. The parity p_t = p_{t−1} XOR bit_t, p_0 = 0, is the answer at step t.
    A bit is given one-hot as two numbers, (1, 0) for 0 and (0, 1) for 1.

    The first sequence of `Parity(8).training_batch(0)`; · marks a step that is not read:

        step    1 2 3 4 5 6 7 8
        bit     0 0 1 1 1 0 1 1
        parity  0 0 1 0 1 1 0 1
        target  · · · · · · · 1

    length T is the number of bits. The answer depends on all of them alike, so it reaches T−1 steps back.

    read: `end` reads the last step only. `each` reads the parity at every step, so that short prefixes help training.

    Score (accuracy, higher is better): right answers over answers.

    chance 1/2: one bit out of sight makes the parity a fair coin. best 1. Solved at .99.

    A predictor that sees the last K < T steps only stays at 1/2 where the end is read. Where each step is read, it
    knows the K first answers: (1 + K/T)/2, so its skill is exactly K/T (`memory_horizon`).

    Two ReLU units solve it at every length: u_t = ReLU(p_{t−1} + bit_t), v_t = ReLU(p_{t−1} + bit_t − 1), where
    p_t = u_t − 2 v_t.

    Source: Delétang et al. 2023 (Neural networks and the Chomsky hierarchy, arXiv:2207.02098), task "parity check"; it
    reads the end and one-hot bits.
    """

    version = 1
    minimum_length = 1

    def __init__(self, length: int, *, read: Literal["end", "each"] = "end", **common: Any) -> None:
        super().__init__(length, **common)
        self.read = read
        self.reads = choose("Parity", "read", read, {"end": 1, "each": length})
        self.notation = Notation(features=("is 0", "is 1"))
        self.spec = Spec(
            inputs=Features(2, value=1),
            outputs=2,
            objective=Accuracy(),
            predict=self._predict,
            steps=length,
        )
        self.reach = length - 1
        self.chance = 0.5
        self.best = 1.0
        self.solved_threshold = 0.99

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        bits = torch.randint(2, (batch_size, self.length), generator=generator)
        parities = bits.cumsum(1)[:, -self.reads :] % 2
        reads = self.read_last(batch_size, self.length, self.reads)
        return Batch(one_hot(bits, 2).float(), parities.flatten(), reads)

    def credit(self, batch: Batch) -> Tensor:
        """Return the credit (batch, time): every bit turns the last answer round, so all have the same."""
        return torch.ones(batch.reads.mask.shape)

    def memory_horizon(self, score: float) -> float | None:
        """Return K_eff, how many last steps the best predictor of this score sees. None where the end alone is read,
        because all windows but the whole score alike."""
        return self.length * min(1.0, max(0.0, self.skill(score))) if self.read == "each" else None

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        """Logits: the parity at each read where all bits are in sight, none where one is not."""
        even = (x[..., 0] - x[..., 1]).cumprod(1)  # 1 for an even number of ones, −1 for an odd one
        known = torch.arange(self.length, device=x.device) < (self.length if window is None else window)
        even = torch.where(known, even, 0.0)[:, self.length - self.reads :]
        return CERTAIN * torch.stack((even, -even), dim=-1)
