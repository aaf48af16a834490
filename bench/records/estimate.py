"""Seconds that cells will take, learned from those that finished."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from bench.records.cell import Cell


class Estimate:
    """Seconds that cells will take, learned from those that finished.

    A cell's work is the number of positions it trains on. Its pace is the median of finished cells of the same task,
    model and length, else of the same model and length, else of the same length, else a fixed guess, times how much
    longer than guessed the finished cells took on this machine.
    """

    GUESS = 2.5e-6  # seconds per position and 16,000 parameters, on one core of 2025
    GUESS_PER_STEP = 2e-3

    def __init__(self) -> None:
        self._paces: dict[object, list[float]] = defaultdict(list)
        self._against_guess: list[float] = []

    @staticmethod
    def work(cell: Cell) -> int:
        """Return the number of positions that a cell trains on: steps × sequences × length."""
        return max(1, cell.recipe.steps) * cell.recipe.batch_size * cell.length

    @staticmethod
    def _kinds(cell: Cell) -> tuple[object, ...]:
        return (cell.task, cell.model, cell.length), (cell.model, cell.length), cell.length

    def learn(self, cell: Cell, seconds: float) -> None:
        """Learn from a finished cell, which took `seconds`."""
        pace = seconds / self.work(cell)
        for kind in self._kinds(cell):
            self._paces[kind].append(pace)
        self._against_guess.append(seconds / max(1e-9, self._guess(cell)))

    def seconds(self, cell: Cell) -> float:
        """Return the estimated seconds of `cell`."""
        for kind in self._kinds(cell):
            if self._paces[kind]:
                return median(self._paces[kind]) * self.work(cell)
        return self._guess(cell) * (median(self._against_guess) if self._against_guess else 1.0)

    @property
    def learned(self) -> bool:
        """Whether any finished cell tells how fast this machine is."""
        return bool(self._against_guess)

    def _guess(self, cell: Cell) -> float:
        return self.GUESS * self.work(cell) + self.GUESS_PER_STEP * cell.recipe.steps


def duration(seconds: float) -> str:
    """Return seconds as text: in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
