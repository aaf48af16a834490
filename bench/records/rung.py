"""How one learning rate stood when it was paused: a validation of a cell that has not come to its end."""

from __future__ import annotations

from bench.records.cell import Cell, Frozen, Positive
from bench.records.result import Finite, Provenance, Score, Status

RUNG_SCHEMA = 1


class Rung(Frozen):
    """A validation of the whole set at `step`, in the middle of a cell's training. score: what it says, with validation
    units in the place of test units. seconds: of training and measuring up to there."""

    schema_number: int = RUNG_SCHEMA
    cell: Cell
    step: Positive
    score: Score
    seconds: Finite | None = None
    provenance: Provenance | None = None

    @property
    def status(self) -> Status:
        """An answer: a cell that fails has a result, and no rung."""
        return "ok"

    @property
    def key(self) -> str:
        """The cell's key and the step."""
        return name(self.cell, self.step)


def name(cell: Cell, step: int) -> str:
    """Return the key of a cell's rung at a step."""
    return f"{cell.key}-{step}"
