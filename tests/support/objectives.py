"""A minimal objective of one's own: the mean of squares."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torchmetrics import Metric

from tasks.base import Objective
from tasks.base.metrics import RatioMetric, per_sequence


class _Squares(RatioMetric):
    def sums(self, outputs: Tensor, targets: Tensor, read: Tensor) -> tuple[Tensor, Tensor]:
        return per_sequence((outputs - targets).square().sum(-1), read), torch.ones(len(read))


@final
class SquaredError(Objective):
    metric_name, unit, counted, higher_is_better = "mean squared error", "", "sequences", False

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()

    def metric(self) -> Metric:
        return _Squares()

    def answer(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.sum(-1)
