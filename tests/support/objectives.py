"""A minimal objective of one's own: the mean of squares."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torchmetrics import Metric

from tasks.base import Batch, Objective, RatioMetric, per_sequence


class _Squares(RatioMetric):
    def sums(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        squares = (outputs - batch.targets).square().sum(-1)
        return per_sequence(squares, batch.reads), torch.ones(len(batch.reads.counts))


@final
class SquaredError(Objective):
    metric_name, unit, counted, higher_is_better = "mean squared error", "", "sequences", False

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return (outputs - batch.targets).square().mean()

    def metric(self) -> Metric:
        return _Squares()

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        return outputs.sum(-1)
