"""One line per figure: name, value, target, and whether it holds."""

from __future__ import annotations

from dataclasses import dataclass


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
