"""The width that meets a parameter budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

TOLERANCE = 0.02
DOUBLINGS = 10  # of the width; a body that gains no trained number in so many is refused
WIDEST = 64  # times the budget; no wider body is tried


class _LazyError(ValueError):
    """A body whose numbers cannot be counted."""


def count_parameters(module: nn.Module) -> int:
    """Count the trained numbers of a module."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def count_on_meta(build: Callable[[int], nn.Module], size: int) -> int:
    """Count the trained numbers of `build(size)` without allocating them.

    A body that cannot be built without numbers is built whole; the random state is restored after it.
    """
    try:
        with torch.device("meta"):
            return count_parameters(build(size))
    except _LazyError:
        raise
    except Exception:  # what needs numbers (numpy, a parametrisation) raises any error; a true fault raises again
        with torch.random.fork_rng(devices=[]):
            return count_parameters(build(size))


@dataclass(frozen=True)
class Budget:
    """How many trained numbers a body should hold. owner: the model's name, for messages."""

    parameters: int
    owner: str

    def around(self, build: Callable[[int], nn.Module], multiple: int = 1) -> tuple[int, int]:
        """Find the largest multiple of `multiple` whose body is within the budget (at least `multiple`), and the next.

        Raises:
            ValueError: the smallest body already holds more.
        """

        def count(times: int) -> int:
            return self._count(build, times * multiple)

        least = count(1)
        if least > self.parameters * (1 + TOLERANCE):
            raise ValueError(
                f"{self.owner} cannot be built with --parameters {self.parameters}: at its smallest its body "
                f"already holds {least}. Ask for at least {least}, or give --hidden."
            )
        low, high = 1, 2
        counts = [least, count(high)]
        while counts[-1] <= self.parameters:
            still = len(counts) > DOUBLINGS and counts[-1] == counts[-1 - DOUBLINGS]
            if still or high > WIDEST * self.parameters:
                raise ValueError(
                    f"{self.owner} cannot be built with --parameters {self.parameters}: at size {high * multiple} its "
                    f"body still holds {counts[-1]} trained numbers (is it frozen, or does it ignore the size?). Give "
                    f"--hidden."
                )
            low, high = high, 2 * high
            counts.append(count(high))
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if count(middle) <= self.parameters else (low, middle)
        return low * multiple, high * multiple

    def _count(self, build: Callable[[int], nn.Module], size: int) -> int:
        """The trained numbers of a body.

        Raises:
            ValueError: it has lazy modules, whose numbers are not known before a pass.
        """

        def eager(size: int) -> nn.Module:
            body = build(size)
            if any(nn.parameter.is_lazy(parameter) for parameter in body.parameters()):
                raise _LazyError(
                    f"{self.owner} cannot be built with --parameters {self.parameters}: its body holds lazy modules, "
                    f"whose numbers are not known before a pass. Give --hidden, or say their sizes."
                )
            return body

        return count_on_meta(eager, size)

    def nearest(self, build: Callable[[int], nn.Module], what: str, multiple: int = 1) -> tuple[int, list[str]]:
        """Find the multiple of `multiple` whose body comes nearest to the budget; a note where it misses by over 2 %.

        what: the name of the size in the note.

        Raises:
            ValueError: the smallest body already holds more.
        """
        sizes = self.around(build, multiple)
        counts = {size: self._count(build, size) for size in sizes}
        best = min(sizes, key=lambda size: abs(counts[size] - self.parameters))
        if abs(counts[best] / self.parameters - 1) <= TOLERANCE:
            return best, []
        (low, fewer), (high, more) = counts.items()
        return best, [
            f"body holds {counts[best]} parameters, not within {TOLERANCE:.0%} of {self.parameters}: {what} {low} "
            f"gives {fewer}, {high} gives {more}"
        ]
