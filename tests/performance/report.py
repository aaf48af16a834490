"""One line per figure: name, value, target, and whether it holds."""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.engines.local import ALLOCATOR


@dataclass(frozen=True)
class Figure:
    """A measured value that should not exceed its target."""

    name: str
    value: float
    target: float
    unit: str = ""
    spread: tuple[float, float] | None = None

    @classmethod
    def median(cls, name: str, values: Sequence[float], target: float, unit: str = "") -> Self:
        """Of values that were taken one after another."""
        return cls(name, statistics.median(values), target, unit, (min(values), max(values)))

    def __str__(self) -> str:
        verdict = "holds" if self.value <= self.target else "falls short"
        spread = f" ({self.spread[0]:.3f} to {self.spread[1]:.3f})" if self.spread else ""
        return (
            f"{self.name:<44} {self.value:8.3f}{self.unit}{spread}   target <= {self.target:g}{self.unit}   {verdict}"
        )


def clock() -> float:
    """Seconds by the clock, less those that this thread was ready to run while others had the processor (Linux;
    elsewhere seconds by the clock). Differences of it stay comparable on a busy machine, and waiting counts."""
    waited = 0
    with contextlib.suppress(OSError):
        waited = int(Path("/proc/thread-self/schedstat").read_text().split()[1])
    return time.perf_counter() - waited / 1e9


def as_a_worker(script: str) -> None:
    """Go on with the memory allocator and the one thread of a worker: both are settled when a process starts, so a
    process that was started without them starts `script` again in its place."""
    import torch

    if any(name not in os.environ for name in ALLOCATOR):
        os.execve(sys.executable, [sys.executable, "-m", script, *sys.argv[1:]], os.environ | ALLOCATOR)
    torch.set_num_threads(1)


def heading(script: str, device: str = "") -> str:
    """Where and with what the figures were taken. device: where that is not the CPU."""
    import platform
    from datetime import date
    from importlib.metadata import version

    import torch

    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "lightning"))
    return (
        f"# python -m {script}: {date.today()}, Python {platform.python_version()}, {libraries}, "
        f"{torch.get_num_threads()} torch thread(s), {device or platform.machine()}"
    )
