"""Series over time as series over distance from the answer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FEW_CREDITED = 32  # more credited distances than this are no landmarks


# -- profiles ---------------------------------------------------------------------------------------------------------


def by_distance(series: Tensor, steps: Tensor) -> Tensor:
    """Return values (batch, time) by distance back from each sequence's answered step: (batch, K + 1), NaN beyond its
    start."""
    back = steps[:, None] - torch.arange(int(steps.max()) + 1, device=steps.device)
    values = series.gather(1, back.clamp(min=0))
    return torch.where(back >= 0, values, torch.nan)


def credited_distances(credit: Tensor | None, steps: Tensor) -> list[int]:
    """Return distances at which some sequence has true credit, where they are few enough to be landmarks."""
    if credit is None:
        return []
    rows, times = credit.nonzero(as_tuple=True)
    distances = sorted({int(distance) for distance in steps[rows] - times if distance >= 0})
    return distances if len(distances) <= FEW_CREDITED else []


def credit_profile(credit: Tensor | None, steps: Tensor, kept: list[int]) -> list[float]:
    """Return true credit at the kept distances, mean over sequences that reach so far back, the largest value 1."""
    if credit is None:
        return []
    mean = torch.nanmean(by_distance(credit.double(), steps), dim=0)
    return [float(value) for value in (mean / mean.max())[kept]] if mean.max() > 0 else []


def spread(longest: int, most: int, landmarks: Sequence[int]) -> list[int]:
    """Return `most` distances at most, evenly spaced over 0 … longest; 0, 1, longest and landmarks are among them."""
    always = {0, min(1, longest), longest, *landmarks}
    if longest < most:
        return list(range(longest + 1))
    even = {round(i * longest / (most - len(always) - 1)) for i in range(most - len(always))}
    return sorted(always | even)
