"""What a picture is made of: the cells of a lecture, each with its name in the picture and its model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log10

import torch

from bench.records.job import Source
from bench.records.result import Result
from bench.store import Store
from bench.trial.asking import rebuilt
from models.base import SequenceModel
from reports.view.looks import LOOKS, Look
from tasks.base import Task

GREY = "#555555"  # of what is no model's
COLOURS = [LOOKS[name] for name in ("rnn", "gru", "lstm", "attention")]  # of lines that are no model's, in order


@dataclass(frozen=True)
class Shown:
    """A stored cell of a lecture. label: its model's name in the picture. source: where its task's data lie."""

    result: Result
    label: str
    store: Store
    source: Source | None

    def built(self) -> tuple[Task, SequenceModel]:
        """Return the cell's task, and its model with the stored weights, in evaluation mode."""
        torch.manual_seed(0)
        task, model = rebuilt(self.result.cell, self.source, self.store.weights(self.result.key))
        return task, model.eval()

    @property
    def look(self) -> Look | None:
        """How the model is drawn everywhere; None where it is known by another name here."""
        return LOOKS.get(self.label)


def look(cell: Shown, number: int) -> Look:
    """Return how line `number` of a picture is drawn."""
    return cell.look or COLOURS[number % len(COLOURS)]


def powers(values: Sequence[float]) -> list[float]:
    """Return values as powers of ten; −∞ for what is not above 0."""
    return [log10(value) if value > 0 else -inf for value in values]
