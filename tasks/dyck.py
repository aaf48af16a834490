"""Dyck words: which bracket closes next, in nested brackets of several kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from tasks.base import Accuracy, Batch, Column, Notation, Replacement, Spec, SyntheticTask, Tokens, choose

WIDTH = 8
OPENING, CLOSING = "([{<", ")]}>"  # how the first kinds are written
CERTAIN = 20.0  # a logit; e^−40 is the probability of the other answers


class Dyck(SyntheticTask):
    """Nested brackets of k kinds; after a balanced word inside of a bracket, the answer is the kind that closes next.

    Rule: d brackets are opened, d uniform in 1 … D−1; the last of them is the one to close. A balanced word of T
    symbols follows, at depths d+1 … D. At its last symbol the kind of the bracket to close is asked. Then the d
    brackets are closed, and D−1−d pairs follow, so that all sequences have T+2D−2 steps. Kinds are uniform, and a
    bracket closes as it was opened. Ids are 0 … k−1 for opening and k … 2k−1 for closing brackets.

    The balanced word is a random walk of T steps ±1 that returns to its start, uniform among all such walks, reflected
    at depths d and D.

    The first sequence of `Dyck(6).training_batch(0)`, with ( [ ) ] for 0 … 3; · marks a step that is not read:

        step    0 1 2 3 4 5 6 7 8 9 10 11
        input   ( [ ( ( ) ) ] ) [ ]  [  ]
        target  · 1 0 0 0 1 0 · · ·  ·  ·

    length T, even, is the number of symbols between the opening of the bracket and its closing. The answer is read T
    steps after the bracket was opened, always.

    loss: `all` reads and trains on every symbol of the word; the answer is the kind of the innermost open bracket,
    which no fixed delay gives. `answer` reads the last symbol only; the answer then is always the symbol T steps back,
    and a delay is enough, without any stack.

    kinds: k, at least 2. depth: D, at least 2, how many brackets are open at most.

    Score (accuracy, higher is better): right kinds over sequences, the last read only under either loss.

    chance 1/k: the kind is uniform and independent of every other symbol up to the answer. best 1. Solved at .99. A
    window of K steps scores 1 from K = T+1 on and 1/k below.

    Source: Hewitt et al. 2020 (RNNs can generate bounded hierarchical languages with optimal memory, arXiv:2010.07515),
    Dyck-(k, m) with m = D. The fixed distance and how words are drawn are ours.
    """

    version = 1
    minimum_length = 2

    def __init__(
        self,
        length: int,
        *,
        loss: Literal["all", "answer"] = "all",
        kinds: int = 2,
        depth: int = 4,
        **common: Any,
    ) -> None:
        super().__init__(length, **common)
        if length % 2:
            raise ValueError(f"Dyck: length must be even, got {length}")
        for name, value in (("kinds", kinds), ("depth", depth)):
            if value < 2:
                raise ValueError(f"Dyck: option {name!r} expects at least 2, got {value}")
        self.read_each = choose("Dyck", "loss", loss, {"all": True, "answer": False})
        self.kinds = kinds
        self.depth = depth
        self.steps_each = length + 2 * depth - 2
        if kinds <= len(OPENING):
            self.notation = Notation(inputs=OPENING[:kinds] + CLOSING[:kinds])
        self.spec = Spec(
            inputs=Tokens((Column(2 * kinds, WIDTH),)),
            outputs=kinds,
            objective=Accuracy(scored=1),
            predict=self._predict,
            steps=self.steps_each,
        )
        self.reach = length
        self.chance = 1 / kinds
        self.best = 1.0
        self.solved_threshold = 0.99

    def lengths(self) -> Sequence[int]:
        return range(self.minimum_length, self.length + 1, 2)

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        opened = torch.randint(1, self.depth, (batch_size, 1), generator=generator)
        rises = torch.rand(batch_size, self.length, generator=generator).argsort(1) < self.length // 2
        word = opened + reflected((2 * rises.long() - 1).cumsum(1), self.depth - opened)
        step = torch.arange(self.steps_each)
        after = step - self.length - opened  # 0: the first step after the word
        depths = torch.where(step < opened, step + 1, (opened - 1 - after).clamp(min=0))
        depths = torch.where(after >= opened, (after - opened + 1) % 2, depths)
        inside = (step >= opened) & (after < 0)
        depths = torch.where(inside, word.gather(1, (step - opened).clamp(0, self.length - 1)), depths)
        opens = depths.diff(dim=1, prepend=torch.zeros_like(opened)) > 0
        kinds = torch.randint(self.kinds, depths.shape, generator=generator)
        kinds = kinds.gather(1, self._bracket(depths, opens, depths + (~opens)).clamp(min=0))  # as it was opened
        answers = kinds.gather(1, self._bracket(depths, opens, depths).clamp(min=0))
        reads = inside if self.read_each else after == -1
        return Batch((kinds + self.kinds * ~opens).unsqueeze(-1), answers[reads], reads)

    def credit(self, batch: Batch) -> Tensor:
        """All credit lies on the bracket to close."""
        return torch.zeros(batch.reads.mask.shape).scatter(1, self._to_close(batch)[:, None], 1.0)

    def counterfactuals(self, batch: Batch) -> list[Replacement]:
        """Replace each bracket that is open at the answer by the next kind; up to the answer the word stays legal.

        There are D−1 replacements. Where fewer brackets are open, the one to close is replaced again.
        """
        following = (batch.inputs + 1) % self.kinds
        last = self._to_close(batch).to(batch.inputs.device)
        places = (last.clamp(max=place) for place in range(self.depth - 1))
        return [
            Replacement(place, batch.inputs.scatter(1, at, following.gather(1, at)))
            for place in places
            for at in [place[:, None, None]]
        ]

    def _to_close(self, batch: Batch) -> Tensor:
        """The step (batch,) at which the bracket to close was opened."""
        return self.answer_steps(batch) - self.length

    def _bracket(self, depths: Tensor, opens: Tensor, level: Tensor) -> Tensor:
        """The step at which the last bracket of a level was opened, −1 where there is none; all (batch, time)."""
        levels = torch.arange(self.depth + 1, device=depths.device)
        step = torch.arange(depths.size(1), device=depths.device)[:, None]
        opened = torch.where(opens[..., None] & (depths[..., None] == levels), step, -1).cummax(1).values
        return opened.gather(2, level[..., None])[..., 0]

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        """Logits at every step: the kind of the innermost open bracket if it is in sight, else none."""
        opens = x[..., : self.kinds].detach().sum(-1) > 0.5
        depths = (2 * opens.long() - 1).cumsum(1)
        innermost = self._bracket(depths, opens, depths.clamp(0, self.depth))
        distance = torch.arange(x.size(1), device=x.device) - innermost
        seen = (innermost >= 0) & (distance < (x.size(1) if window is None else window))
        kind = x[..., : self.kinds].gather(1, innermost.clamp(min=0)[..., None].expand(-1, -1, self.kinds))
        return CERTAIN * (2 * kind - 1) * seen[..., None]


def reflected(walk: Tensor, height: Tensor) -> Tensor:
    """Reflect walks (batch, time) of steps ±1 at 0 and at `height` (batch, 1): their steps remain ±1."""
    return height - (walk % (2 * height) - height).abs()
