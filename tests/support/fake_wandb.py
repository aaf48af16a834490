"""As much of wandb as the mirror touches."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any


class FakeRun:
    """As much of a run as the mirror touches."""

    def __init__(self, wandb: FakeWandb, **given: Any) -> None:
        self.wandb, self.given = wandb, given
        self.dir = str(Path(given["dir"]) / "wandb" / f"{given['mode']}-run-1-{given['id']}" / "files")
        Path(self.dir).mkdir(parents=True)
        self.rows: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.exit_codes: list[int] = []

    def define_metric(self, name: str, **options: Any) -> None:
        self.metrics[name] = options.get("step_metric")

    def log(self, row: Any) -> None:
        self.wandb.fails("log", self.given["mode"])
        self.rows.append(row)

    def finish(self, exit_code: int) -> None:
        self.exit_codes.append(exit_code)
        self.wandb.ids.discard(self.given["id"])
        self.wandb.fails("finish", self.given["mode"])


class FakeWandb:
    """As much of wandb as the mirror touches. `broken`: what fails, as (call, mode)."""

    Settings = SimpleNamespace

    def __init__(self, *broken: tuple[str, str]) -> None:
        self.broken = broken
        self.runs: list[FakeRun] = []
        self.ids: set[str] = set()

    def fails(self, call: str, mode: str) -> None:
        if (call, mode) in self.broken:
            raise ConnectionError("no answer\nand much more")

    def init(self, **given: Any) -> FakeRun:
        assert given["id"] not in self.ids, "W&B keeps an id until its run is finished, even where it never began"
        self.ids.add(given["id"])
        self.fails("init", given["mode"])
        self.runs.append(FakeRun(self, **given))
        return self.runs[-1]
