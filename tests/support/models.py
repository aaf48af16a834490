"""Models whose weights are drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable

import torch

from models.base import SequenceModel


def seeded(make: Callable[[], SequenceModel], seed: int = 0) -> SequenceModel:
    """What `make` makes under a seed; the global random state stays as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()
