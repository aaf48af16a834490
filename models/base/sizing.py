"""The width that meets a parameter budget."""

from __future__ import annotations

from collections.abc import Callable

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
