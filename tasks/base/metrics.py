"""Scores as ratios of sums, with what a test-sampling interval needs.

Every score of the suite is Σ numerators / Σ denominators over units that may be called independent: correct recalls
over recalls, squared errors over sequences, squared errors over variances, bits over characters, twice the true
positives over predicted plus gold spans.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from tasks.base.batch import Batch, Reads
from tasks.base.spec import Evaluation

BLOCKS = 64  # of units, which the jackknife leaves out in turn


class RatioMetric(Metric, ABC):
    """Σ numerators / Σ denominators, kept per unit in the order of evaluation."""

    full_state_update = False
    numerators: list[Tensor]
    denominators: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("numerators", default=[], dist_reduce_fx="cat")
        self.add_state("denominators", default=[], dist_reduce_fx="cat")

    @abstractmethod
    def sums(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return numerator and denominator (units,) of each unit of a batch; arguments as in `Objective`."""

    def update(self, outputs: Tensor, batch: Batch) -> None:
        numerators, denominators = self.sums(outputs, batch)
        self.numerators.append(numerators.double())
        self.denominators.append(denominators.double())

    def compute(self) -> Evaluation:
        # Of several processes, torchmetrics has joined the lists to one tensor already.
        numerators, denominators = dim_zero_cat(self.numerators), dim_zero_cat(self.denominators)
        return ratio_of_sums(numerators.cpu(), denominators.cpu(), self.extras())

    def extras(self) -> dict[str, float]:
        """Return further named figures of the same pass."""
        return {}


def ratio_of_sums(numerators: Tensor, denominators: Tensor, extras: dict[str, float] | None = None) -> Evaluation:
    """Return the evaluation of units with these numerators and denominators (units,); 0/0 counts as 0."""
    runs = tuple(
        (float(n.sum()), float(d.sum()))
        for n, d in zip(numerators.tensor_split(BLOCKS), denominators.tensor_split(BLOCKS), strict=True)
        if len(n)
    )
    total = float(denominators.sum())
    score = float(numerators.sum()) / total if total else 0.0
    return Evaluation(score, len(numerators), runs, extras or {})


def per_sequence(values: Tensor, reads: Reads) -> Tensor:
    """Sum values over the reads of each sequence: (reads,) -> (batch,)."""
    rows = reads.sequences.to(values.device, non_blocking=True)
    return torch.zeros(len(reads.counts), dtype=values.dtype, device=values.device).index_add_(0, rows, values)
