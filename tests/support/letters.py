"""A task of letters that breaks one rule of what a task hands over, by option."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from tasks.base import Batch, Column, Continuation, Notation, Spec, SyntheticTask, Tokens


class Letters(SyntheticTask):
    """T letters of 0 … 3; after the first, each next one is said. length T: how many."""

    version = 1
    minimum_length = 3

    def __init__(self, length: int, *, what: str = "nothing", **common: Any) -> None:
        super().__init__(length, **common)
        self.what = what
        self.spec = Spec(
            inputs=Tokens((Column(size=4, width=3),)), outputs=4, objective=Continuation(), feed=self._feed
        )
        self.chance, self.best, self.solved_threshold = 1 / 4, 1.0, 0.99
        if what == "chance":
            self.chance = "1/4"  # type: ignore[assignment]

    def draw(self, generator: Generator, batch_size: int) -> Any:
        letters = torch.randint(4, (batch_size, self.length, 1), generator=generator)
        targets = letters[:, 1:, 0].flatten() + (self.what == "classes")
        if self.what == "none":
            return None
        count = 3 if self.what == "sequences" else batch_size
        rows = (self.length - 1) * count
        reads = torch.ones(batch_size, self.length - 1, dtype=torch.bool)
        return Batch(letters[:count, :-1], targets[:rows], reads[:count])

    def held_out(self, split: Any) -> Any:
        whole = super().held_out(split)
        return {"held_out": whole[0], "nested": [[whole[0]]], "no_set": None}.get(self.what, whole)

    def _feed(self, answer: Tensor, following: Tensor | None) -> Tensor:
        said = answer.argmax(1)[:, None]
        if self.what == "feed_fails":
            return said + following * 0  # type: ignore[operator]
        return {"feed_shape": said[:, 0], "feed_ids": said + 1}.get(self.what, said)


class Short(Letters):
    """Two words for four letters."""

    notation = Notation(inputs="ab")


class NoDraw(SyntheticTask):
    """Nothing is drawn."""
