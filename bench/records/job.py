"""How a cell is run: what an engine gets beside the cell. Nothing here is part of a cell's identity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from bench.records.cell import Cell

if TYPE_CHECKING:  # results are not needed by whoever only asks for work
    from bench.records.reading import Question, Reading, Standing
    from bench.records.result import Result
    from bench.records.rung import Rung

    Work = Cell | Question


@dataclass(frozen=True)
class Source:
    """What a task is given as `corpus` (or as its other option of data) and `folder` to find its data again, with no
    network."""

    corpus: str
    folder: Path | None


@dataclass(frozen=True)
class Stored:
    """What a question is asked of: the cell, its final weights as they are stored (safetensors; None as long as they
    were not read), and the optimisation steps that were taken, where these are known."""

    cell: Cell
    weights: bytes | None = None
    steps: int | None = None


@dataclass(frozen=True)
class Finished:
    """The record of what was measured or asked and, where training ended, the final weights (safetensors). said: lines
    for people about how it ran."""

    record: Result | Reading | Rung
    weights: bytes | None = None
    said: tuple[str, ...] = ()

    @property
    def result(self) -> Result:
        """The record of a cell."""
        from bench.records.result import Result

        assert isinstance(self.record, Result), "a question has a reading, and a pause has a rung"
        return self.record

    @property
    def lease(self) -> str:
        """The key of the work, under which a runner leases it."""
        from bench.records.rung import Rung

        return self.record.cell.key if isinstance(self.record, Rung) else self.record.key


class Job(NamedTuple):
    """What an engine is handed: a cell to be measured, or a question to a stored model. source: where its data lie.
    until: the cell is paused after this step, where it has not ended; None: never."""

    work: Cell | Question
    source: Source | None = None
    stored: Stored | None = None
    until: int | None = None

    @property
    def cell(self) -> Cell:
        """The cell that is measured, or whose model is asked."""
        if isinstance(self.work, Cell):
            return self.work
        assert self.stored is not None, "a question is asked of something stored"
        return self.stored.cell

    @property
    def key(self) -> str:
        """The key of the cell or of the question."""
        return self.work.key

    @property
    def steps(self) -> int:
        """The optimisation steps to be taken; 0 for a question."""
        return (self.until or self.work.recipe.steps) if isinstance(self.work, Cell) else 0

    def failed(self, status: Standing, error: str, **known: Any) -> Finished:
        """Return the outcome of a job that failed: a result or a reading with its status and error. `undefined` is for
        questions alone."""
        from bench.records.reading import Reading
        from bench.records.result import Result

        if isinstance(self.work, Cell):
            assert status != "undefined", "a cell is always defined"
            return Finished(Result(cell=self.work, status=status, error=error, **known))
        return Finished(Reading(question=self.work, status=status, error=error, **known))


@dataclass(frozen=True)
class Mirroring:
    """How cells are mirrored to W&B. directory: absolute, of the store; the runs lie in its folder `wandb`. sweep:
    hashes of what asked for the cells, joined by commas. patience: seconds a process waits for W&B at its own end."""

    mode: Literal["online", "offline"]
    project: str
    directory: Path
    entity: str | None = None
    sweep: str = ""
    patience: float = 30.0


@dataclass(frozen=True)
class Checkpointing:
    """How long cells keep checkpoints. folder: where, absolute. every: seconds between two."""

    folder: Path
    every: float


@dataclass(frozen=True)
class Surroundings:
    """How cells run; no part of their identity. threads: of torch, per worker. checkpoints: None: none are kept."""

    accelerator: Literal["auto", "cpu", "gpu"] = "cpu"
    threads: int = 1
    mirroring: Mirroring | None = None
    checkpoints: Checkpointing | None = None
