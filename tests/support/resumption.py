"""Cells that die in the middle, and go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.records.job import Checkpointing, Finished, Job, Surroundings
from bench.trial import trial
from tests.support.jobs import a_job, but_for_time


class Killed(BaseException):
    """As a signal would end it: nothing in a cell's way catches this."""


def here(folder: Path, every: float = 1e-9) -> Surroundings:
    return Surroundings(checkpoints=Checkpointing(folder, every))


def killed_at(job: Job, step: int, surroundings: Surroundings) -> None:
    """Measure a cell until the block that ends with `step` is done."""

    def report(now: int, steps: int) -> None:
        if now >= step:
            raise Killed

    with pytest.raises(Killed):
        trial.run(job, surroundings, report)


def same(one: Finished, other: Finished) -> None:
    assert but_for_time(one.result) == but_for_time(other.result)
    assert one.weights == other.weights


def a_long_job(model: str = "gru", **values: Any) -> Job:
    fields: dict[str, Any] = {
        "task": "copying",
        "length": 3,
        "steps": 50,
        "evaluate_every": 20,
        "probes": 4,
        "hidden": 5,
    }
    return a_job(model, **(fields | values))
