"""Seconds that cells will take, learned from those that finished."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING

from bench.records.cell import Cell

if TYPE_CHECKING:
    from bench.records.job import Work

SEQUENCES = 1024  # that answer a question, about
FORWARD = 3  # a step of training takes as long as so many of evaluation


class Estimate:
    """Seconds that cells and questions will take, learned from those that finished.

    A cell's work is the number of positions it trains on. Its pace is the median of finished cells of the same task,
    model and length, else of the same model and length, else of the same length, else a fixed guess. A question is
    estimated as a cell of the asked length whose training takes as long.

    trained: the cells whose models are asked, by key.
    """

    GUESS = 2.5e-6  # seconds per position and 16,000 parameters, on one core of 2025
    GUESS_PER_STEP = 2e-3

    def __init__(self, trained: Mapping[str, Cell] = MappingProxyType({})) -> None:
        self._trained = trained
        self._paces: dict[object, list[float]] = defaultdict(list)

    @staticmethod
    def work(cell: Cell) -> int:
        """Return the number of positions that a cell trains on: steps × sequences × length."""
        return max(1, cell.recipe.steps) * cell.recipe.batch_size * cell.length

    @staticmethod
    def _kinds(cell: Cell) -> tuple[object, ...]:
        return (cell.task, cell.model, cell.length), (cell.model, cell.length), cell.length

    def _as_cell(self, work: Work) -> Cell:
        if isinstance(work, Cell):
            return work
        cell = self._trained[work.cell]
        recipe = cell.recipe.model_copy(update={"steps": 1, "batch_size": SEQUENCES // FORWARD})
        return cell.model_copy(update={"length": work.length, "recipe": recipe})

    def learn(self, work: Work, seconds: float) -> None:
        """Learn from what finished, which took `seconds`."""
        cell = self._as_cell(work)
        pace = seconds / self.work(cell)
        for kind in self._kinds(cell):
            self._paces[kind].append(pace)

    def seconds(self, work: Work) -> float:
        """Return the estimated seconds of a cell or a question."""
        cell = self._as_cell(work)
        for kind in self._kinds(cell):
            if self._paces[kind]:
                return median(self._paces[kind]) * self.work(cell)
        return self.GUESS * self.work(cell) + self.GUESS_PER_STEP * cell.recipe.steps


def duration(seconds: float) -> str:
    """Return seconds as text: in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
