"""One line per figure: name, value, target, and whether it holds."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """A measured value that should not exceed its target."""

    name: str
    value: float
    target: float
    unit: str = ""
    spread: tuple[float, float] | None = None

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


def heading(script: str) -> str:
    """Where and with what the figures were taken."""
    import platform
    from datetime import date
    from importlib.metadata import version

    import torch

    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "lightning"))
    return (
        f"# python -m {script}: {date.today()}, Python {platform.python_version()}, {libraries}, "
        f"{torch.get_num_threads()} torch thread(s), {platform.machine()}"
    )
