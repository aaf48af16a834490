"""Captioning: a scene on a grid, to be told in words, one after the other."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from tasks.base import (
    Batch,
    Column,
    Continuation,
    Example,
    Features,
    Mixed,
    Notation,
    Replacement,
    Row,
    Spec,
    SyntheticTask,
    Tokens,
    choose,
)
from tasks.base.written import written

SIDE = 10
CELLS = SIDE * SIDE
MARKS = 2  # numbers of a cell
WORDS = ("circle", "square", "star", "moon")
DRAWN, EMPTY = "o#*)·", len(WORDS)  # in an example: the shapes in the order of their words, and an empty cell
BLANK, DELIMITER, TOKENS = len(WORDS), len(WORDS) + 1, len(WORDS) + 2
CERTAIN = 20.0  # a logit; e^−40 is the probability of the other answers


class Captioning(SyntheticTask):
    """A grid of 10 × 10 cells, T of which hold a shape; the shapes are to be named in reading order.

    Rule: each step has the 200 numbers of a grid, two for each cell, row by row, and one token. An empty cell is (0,0),
    circle (-1,-1), square (-1,1), star (1,-1), moon (1,1); shapes are uniform and independent. At step 0 the grid is
    the scene, its token blank (`_`); step 1 has the delimiter `:`. From step 1 on the answers are the T words; each is
    the token of the next step: the right one in training, the model's own where it is scored.

    The first sequence of `Captioning(4).training_batch(0)`; the row `scene` is that of step 0, its first four cells; ·
    marks a step that is not read:

        step    0                             1       2      3      4
        scene   (-1,-1) (-1,-1) (-1,1) (1,1)
        input   _                             :       circle circle square
        target  ·                             circle  circle square moon

    length T, at most 100, is the number of words, and of shapes. Word i, from 0, is read i+1 steps after step 0.

    feed: `once` shows the scene at step 0 only, and empty cells after. `every` shows it at each step (as captioning
    networks read an image's features), so that what must be kept is how far the caption has come.

    scene: `packed` fills the first T cells, so that word i tells of cell i. `scattered` puts the shapes in T cells
    drawn uniformly, so that the word depends on which cells before it are empty.

    Score (free-running accuracy, higher is better): right words over words, place by place, on the model's own
    continuation, the likeliest word at each step. Beside it `exact`, the share of wholly right captions.

    chance 1/4: every word is uniform and independent of the others. best 1. Solved at .99. A window of K steps of
    `once` knows the words read within it, the first K−1, and a quarter of the others.

    Source: the DSE 220 lecture and Hanna's lecture (one-to-many). The scenes are ours.
    """

    version = 1
    minimum_length = 1

    def __init__(
        self,
        length: int,
        *,
        feed: Literal["once", "every"] = "once",
        scene: Literal["packed", "scattered"] = "packed",
        **common: Any,
    ) -> None:
        super().__init__(length, **common)
        if length > CELLS:
            raise ValueError(f"Captioning: length must be at most {CELLS}, one word for each cell, got {length}")
        self.every = choose("Captioning", "feed", feed, {"once": False, "every": True})
        self.scattered = choose("Captioning", "scene", scene, {"packed": False, "scattered": True})
        self.notation = Notation(inputs=(*WORDS, "_", ":"), targets=WORDS)
        self.spec = Spec(
            inputs=Mixed(Features(MARKS * CELLS), Tokens((Column(TOKENS, 8),))),
            outputs=len(WORDS),
            objective=Continuation(),
            feed=self._feed,
            predict=self._predict,
            steps=length + 1,
            delimiter=DELIMITER,
        )
        self.reach = None if self.every else length
        self.chance = 1 / len(WORDS)
        self.best = 1.0
        self.solved_threshold = 0.99

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        words = torch.randint(len(WORDS), (batch_size, self.length), generator=generator)
        order = torch.rand(batch_size, CELLS, generator=generator).argsort(1)[:, : self.length].sort(1).values
        cells = order if self.scattered else torch.arange(self.length).expand(batch_size, -1)
        marks = 2.0 * torch.stack([words // 2, words % 2], dim=-1) - 1
        grid = torch.zeros(batch_size, CELLS, MARKS).scatter(1, cells[..., None].expand(-1, -1, MARKS), marks)
        scene = grid.flatten(1)[:, None]
        shown = scene.expand(-1, self.length + 1, -1) if self.every else pad(scene, (0, 0, 0, self.length))
        tokens = torch.cat([pad(words[:, :0], (0, 2), value=BLANK), words[:, :-1]], dim=1)
        tokens[:, 1] = DELIMITER
        inputs = torch.cat([shown, tokens[..., None].float()], dim=-1)
        return Batch(inputs, words.flatten(), self.read_last(batch_size, self.length + 1, self.length))

    def written(self, batch: Batch) -> Example:
        """Write the words of the first sequence, and beside them the scene."""
        words = Batch(batch.inputs[..., -1:].long(), batch.targets, batch.reads)
        marks = batch.inputs[0, 0, :-1].view(SIDE, SIDE, MARKS).long()
        shapes = torch.where(marks[..., 0] == 0, EMPTY, (2 * (marks[..., 0] > 0) + (marks[..., 1] > 0)).long())
        drawn = [tuple(DRAWN[shape] for shape in row) for row in shapes.tolist()]
        rows = tuple(Row("scene" if y == 0 else "", row) for y, row in enumerate(drawn))
        return written(Tokens((Column(TOKENS, 8),)), self.notation, words)._replace(beside=rows)

    def credit(self, batch: Batch) -> Tensor | None:
        """All credit lies on step 0; None with `feed=every`, where each step shows the same."""
        if self.every:
            return None
        return torch.zeros(batch.reads.mask.shape).index_fill(1, torch.tensor([0]), 1.0)

    def counterfactuals(self, batch: Batch) -> list[Replacement] | None:
        """Replace the scene's last shape by the one with the other signs, and each word that is fed back by the next;
        None with `feed=every`."""
        if self.every:
            return None
        replacements = []
        for step in (0, *range(2, batch.steps)):
            inputs = batch.inputs.clone()
            if step:
                inputs[:, step, -1] = (inputs[:, step, -1] + 1) % len(WORDS)
            else:
                last = (inputs[:, 0, :-1:MARKS] != 0).cumsum(1).argmax(1)
                for mark in range(MARKS):
                    inputs[torch.arange(len(inputs)), 0, MARKS * last + mark] *= -1
            replacements.append(Replacement(torch.full((len(inputs),), step, device=inputs.device), inputs))
        return replacements

    def _feed(self, answer: Tensor, following: Tensor | None) -> Tensor:
        """The batch's own grid at the next step, empty past its end, and the likeliest word."""
        word = answer.argmax(-1, keepdim=True).to(answer.dtype)
        grid = word.new_zeros(len(word), MARKS * CELLS) if following is None else following[:, :-1]
        return torch.cat([grid.to(word.dtype), word], dim=-1)

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        """Logits: at step t the shape number t−1 of the grid, where that is in sight, else none."""
        time = x.size(1)
        steps = torch.arange(time, device=x.device)
        grid = x[:, : 1 if not self.every else time, : MARKS * CELLS].unflatten(2, (CELLS, MARKS))
        filled = grid.detach()[..., 0] != 0
        wanted = filled & (filled.cumsum(2) == steps[:, None])  # (batch, time, cells)
        marks = (wanted[..., None] * grid).sum(2)
        seen = steps < (time if window is None or self.every else window)
        code = 2.0 * torch.tensor([[word // 2, word % 2] for word in range(len(WORDS))], device=x.device) - 1
        return CERTAIN * (marks @ code.to(x.dtype).T) * seen[:, None]
