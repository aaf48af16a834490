"""The width that meets a parameter budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

TOLERANCE = 0.02


def count_parameters(module: nn.Module) -> int:
    """The number of trained numbers in `module`."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def count_on_meta(build: Callable[[int], nn.Module], size: int) -> int:
    """The number of trained numbers in `build(size)`, without allocating them."""
    with torch.device("meta"):
        return count_parameters(build(size))


@dataclass(frozen=True)
class Budget:
    """How many trained numbers a body should hold. owner: the model's name, for messages."""

    parameters: int
    owner: str

    def around(self, build: Callable[[int], nn.Module], multiple: int = 1) -> tuple[int, int]:
        """The largest multiple of `multiple` whose body is within the budget (at least `multiple`), and the next.

        Raises:
            ValueError: the smallest body already holds more.
        """

        def count(times: int) -> int:
            return count_on_meta(build, times * multiple)

        least = count(1)
        if least > self.parameters * (1 + TOLERANCE):
            raise ValueError(
                f"{self.owner} cannot be built with --parameters {self.parameters}: at its smallest its body "
                f"already holds {least}. Ask for at least {least}, or give --hidden."
            )
        low, high = 1, 2
        while count(high) <= self.parameters:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if count(middle) <= self.parameters else (low, middle)
        return low * multiple, high * multiple

    def nearest(self, build: Callable[[int], nn.Module], what: str, multiple: int = 1) -> tuple[int, list[str]]:
        """The multiple of `multiple` whose body comes nearest to the budget; a note where even that misses by over 2 %.

        what: the name of the size in the note.

        Raises:
            ValueError: the smallest body already holds more.
        """
        sizes = self.around(build, multiple)
        counts = {size: count_on_meta(build, size) for size in sizes}
        best = min(sizes, key=lambda size: abs(counts[size] - self.parameters))
        if abs(counts[best] / self.parameters - 1) <= TOLERANCE:
            return best, []
        (low, fewer), (high, more) = counts.items()
        return best, [
            f"body holds {counts[best]} parameters, not within {TOLERANCE:.0%} of {self.parameters}: {what} {low} "
            f"gives {fewer}, {high} gives {more}"
        ]
