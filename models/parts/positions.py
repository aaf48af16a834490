"""Where a step stands, told to attention: sinusoids, rotations, and what a score loses for its distance."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@lru_cache(maxsize=16)
def sinusoids(time: int, hidden: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return sinusoidal positions (time, hidden) (Vaswani et al. 2017, arXiv:1706.03762, section 3.5)."""
    with torch.inference_mode(False):  # the table outlives the evaluation that may have asked for it first
        angle = _angles(time, hidden, 10_000)
        table = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :hidden]
        return table.to(device=device, dtype=dtype)


@lru_cache(maxsize=16)
def _turns(time: int, size: int, base: float, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the angles (time, size / 2) by which pairs are turned."""
    with torch.inference_mode(False):
        angle = _angles(time, size, base)
        return angle.cos().to(device=device, dtype=dtype), angle.sin().to(device=device, dtype=dtype)


def _angles(time: int, size: int, base: float) -> Tensor:
    """t / base^{2i/size}: (time, ⌈size / 2⌉)."""
    step = torch.arange(time, dtype=torch.float64, device="cpu")[:, None]
    even = torch.arange(0, size, 2, dtype=torch.float64, device="cpu")
    return step / base ** (even / size)


def rotate(x: Tensor, steps: slice, base: float) -> Tensor:
    """Turn each pair of numbers (2i, 2i + 1) of x (…, steps, size) by t / base^{2i/size}, t being its step's number, so
    that a dot product of two turned vectors depends on t − s alone (Su et al. 2021, arXiv:2104.09864)."""
    cosine, sine = (table[steps] for table in _turns(steps.stop, x.size(-1), base, x.dtype, x.device))
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1).flatten(-2)


class Farness(nn.Module):
    """What is added to the score of a query at step t and a key at step s = t − d, for each head:

        −a log(1 + d) − m d,    −∞ for d < 0

    rate: a is trained, from here on (the logarithmic form of Chi et al. 2022, arXiv:2205.09921); None: there is none.
    linear: m, with the ALiBi of Press et al. 2022, arXiv:2108.12409. slope: m is held there; None: m = softplus(…) is
    trained, from .3 on.
    """

    def __init__(self, heads: int, rate: float | None, linear: bool, slope: float | None) -> None:
        super().__init__()
        self.rate = None if rate is None else nn.Parameter(torch.full((heads,), rate))
        self.steepness = nn.Parameter(torch.full((heads,), 0.3).expm1().log()) if linear and slope is None else None
        self.slope = slope if linear else None
        self.acts = linear or rate is not None

    def forward(self, queries: slice, like: Tensor) -> Tensor:
        """(heads or 1, queries, time) for queries at these steps and keys at the steps from 0 to the last of them."""
        distance, logarithm, unseen = _distances(queries.start, queries.stop, like.dtype, like.device)
        lost = unseen
        if self.rate is not None:
            lost = lost + self.rate[:, None, None] * logarithm
        if self.steepness is not None:
            lost = lost + F.softplus(self.steepness)[:, None, None] * distance
        if self.slope is not None:
            lost = lost + self.slope * distance
        return -lost


@lru_cache(maxsize=16)
def _distances(start: int, stop: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return t − s, log(1 + t − s), and ∞ where s > t, else 0, for queries t from start to stop and keys s from 0 to
    stop: (1, queries, keys) each."""
    with torch.inference_mode(False):
        steps = torch.arange(stop, dtype=dtype, device=device)
        apart = (steps[start:, None] - steps)[None]
        unseen = torch.zeros_like(apart).masked_fill(apart < 0, torch.inf)
        distance = apart.clamp(min=0)
        return distance, distance.log1p(), unseen
