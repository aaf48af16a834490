"""The objective of saying the next token of a text."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.base.batch import Batch
from tasks.base.metrics import RatioMetric
from tasks.base.objectives import log_odds
from tasks.base.spec import Objective


@final
class NextToken(Objective):
    """Cross-entropy of the next token, trained on in nats and reported in bits.

    outputs (reads, vocabulary), targets (reads,) ids. token: what one is called in the name of the score.
    """

    unit = "bits"
    higher_is_better = False

    def __init__(self, token: str = "character") -> None:
        self.metric_name = f"bits_per_{token}"
        self.counted = f"{token}s"

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(outputs, batch.targets)

    def metric(self) -> RatioMetric:
        return _BitsPerToken()

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        return log_odds(outputs, batch.targets)


class _BitsPerToken(RatioMetric):
    """A unit is one scored token, its denominator 1."""

    def sums(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        bits = cross_entropy(outputs.float(), batch.targets, reduction="none").double() / math.log(2)
        return bits, torch.ones_like(bits)
