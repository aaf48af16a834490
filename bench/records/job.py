"""How a cell is run: what an engine is handed beside it. Nothing here is part of a cell's identity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.records.cell import Cell


@dataclass(frozen=True)
class Source:
    """What a task is given as `corpus` and `folder` to find its data again, with no network."""

    corpus: str
    folder: Path | None


Job = tuple[Cell, Source | None]


@dataclass(frozen=True)
class Mirroring:
    """How cells are mirrored to W&B. directory: absolute, of the store; the runs lie in its folder `wandb`. sweep: hash
    of what asked for the cells. patience: seconds a process waits for W&B at its own end."""

    mode: Literal["online", "offline"]
    project: str
    directory: Path
    entity: str | None = None
    sweep: str = ""
    patience: float = 30.0


@dataclass(frozen=True)
class Checkpointing:
    """Where long cells keep checkpoints, and every how many seconds. folder: absolute."""

    folder: Path
    every: float


@dataclass(frozen=True)
class Surroundings:
    """How cells run; no part of their identity. threads: of torch, per worker. checkpoints: None: none is kept."""

    accelerator: Literal["auto", "cpu", "gpu"] = "cpu"
    threads: int = 1
    mirroring: Mirroring | None = None
    checkpoints: Checkpointing | None = None
