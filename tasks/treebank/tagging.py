"""The objective of part-of-speech tagging: every token is trained on, some tokens are scored."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.base import Batch, Objective, RatioMetric, log_odds


@final
class Tagging(Objective):
    """Accuracy over the tokens whose group is not 0; trained on the cross-entropy of every token.

    outputs (reads, tags), targets (reads, 3): tag, document, group.
    """

    metric_name = "accuracy"
    unit = "fraction correct"
    counted = "tokens"
    higher_is_better = True

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(outputs, batch.targets[:, 0])

    def metric(self) -> RatioMetric:
        return _TokensRight()

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        return log_odds(outputs, batch.targets[:, 0])


class _TokensRight(RatioMetric):
    """Units are scored tokens."""

    def sums(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        scored = batch.targets[:, 2] > 0
        right = (outputs.argmax(1) == batch.targets[:, 0])[scored].double()
        return right, torch.ones_like(right)
