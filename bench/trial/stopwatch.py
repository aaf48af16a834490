"""The seconds of a cell, counted for its parts: data, training, evaluation, probes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from bench.records.result import Seconds

PARTS = tuple(name for name in Seconds.model_fields if name != "total")


class Stopwatch:
    """Counts a cell's seconds from the start on; each belongs to one of `PARTS`, the first ones to `start_up`.

    Attributes: started, when the cell began.
    """

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self._spent = dict.fromkeys(PARTS, 0.0)
        self._part = "start_up"
        self._begun = self._since = time.perf_counter()

    def enter(self, part: str) -> None:
        """Count from now on for `part`."""
        now = time.perf_counter()
        self._spent[self._part] += now - self._since
        self._part, self._since = part, now

    @contextmanager
    def during(self, part: str) -> Iterator[None]:
        """Count what happens inside for `part`, and afterwards for the part before."""
        before = self._part
        self.enter(part)
        try:
            yield
        finally:
            self.enter(before)

    def seconds(self) -> Seconds:
        """Return the seconds so far, in all and by part."""
        self.enter(self._part)
        parts = {part: round(spent, 4) for part, spent in self._spent.items()}
        return Seconds(total=round(self._since - self._begun, 4), **parts)

    def steps_per_second(self, steps: int) -> float | None:
        """Return the optimisation steps per second of training alone: no evaluation, no probes, no drawing of data."""
        return round(steps / self._spent["train"], 3) if steps else None

    def state(self) -> dict[str, Any]:
        """Return the seconds so far as plain containers, for a checkpoint."""
        self.enter(self._part)
        return {"started": self.started.isoformat(), "spent": dict(self._spent)}

    def restore(self, state: dict[str, Any]) -> None:
        """Add the seconds of a state; those between that state and now do not count."""
        self.started = datetime.fromisoformat(state["started"])
        for part, spent in state["spent"].items():
            self._spent[part] += spent
            self._begun -= spent
