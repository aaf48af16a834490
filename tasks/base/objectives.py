"""Loss, metric and answer of the synthetic tasks' targets: values at the end or at every step, recalls, classes."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss
from torchmetrics.utilities.data import dim_zero_cat

from tasks.base import fitting
from tasks.base.batch import Batch
from tasks.base.metrics import RatioMetric, per_sequence
from tasks.base.spec import Objective


@final
class SquaredError(Objective):
    """Mean squared error of one value per read, for training and score alike.

    outputs (reads, 1), targets (reads,).
    """

    metric_name = "mean_squared_error"
    unit = "squared value"
    counted = "sequences"
    higher_is_better = False

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return mse_loss(outputs.squeeze(-1), batch.targets)

    def metric(self) -> RatioMetric:
        return _SquaredErrorMetric()

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        return outputs.squeeze(-1)


@final
class RelativeSquaredError(Objective):
    """Squared error over the targets' true variance, both summed over all reads; trained on the mean squared error.

    variance (time,): of the target at each step, in the targets' own scale. outputs (reads, 1), targets (reads,).
    """

    metric_name = "relative_squared_error"
    unit = "fraction of variance"
    counted = "sequences"
    higher_is_better = False

    def __init__(self, variance: Tensor) -> None:
        self.variance = variance

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return mse_loss(outputs.squeeze(-1), batch.targets)

    def metric(self) -> RatioMetric:
        return _RelativeSquaredErrorMetric(self.variance)

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        return outputs.squeeze(-1)


@final
class Recall(Objective):
    """Accuracy over the last `scored` reads of each sequence; trained on the cross-entropy of every read.

    Argmax over all classes. Extras: recall_0 … recall_{scored−1} (accuracy of each scored read), exact (the share of
    sequences whose every scored read is right) and cross_entropy (nats, mean over all reads). outputs (reads, classes),
    targets (reads,) class ids; every sequence has equally many reads.
    """

    metric_name = "recall_accuracy"
    unit = "fraction correct"
    counted = "sequences"
    higher_is_better = True

    def __init__(self, scored: int) -> None:
        self.scored = scored

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(outputs, batch.targets)

    def fault(self, batch: Batch, outputs: int) -> str:
        return fitting.classes(batch, outputs) or fitting.equal_reads(batch, self.scored)

    def metric(self) -> RatioMetric:
        return _RecallMetric(self.scored)

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        return log_odds(outputs, batch.targets)


@final
class Accuracy(Objective):
    """Accuracy over the last `scored` reads of each sequence (None: all); trained on the cross-entropy of every read.

    Argmax over all classes. outputs (reads, classes), targets (reads,) class ids. With `scored`, every sequence has
    equally many reads.
    """

    metric_name = "accuracy"
    unit = "fraction correct"
    counted = "sequences"
    higher_is_better = True

    def __init__(self, scored: int | None = None) -> None:
        self.scored = scored

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(outputs, batch.targets)

    def fault(self, batch: Batch, outputs: int) -> str:
        return fitting.classes(batch, outputs) or fitting.equal_reads(batch, self.scored)

    def metric(self) -> RatioMetric:
        return _AccuracyMetric(self.scored)

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        return log_odds(outputs, batch.targets)


@final
class Continuation(Objective):
    """Accuracy on a model's own continuation, position by position; trained on the cross-entropy of every read, given
    the right answers before.

    Extra: exact, the share of sequences whose every answer is right. Argmax over all classes. outputs (reads, classes),
    targets (reads,) class ids.
    """

    metric_name = "free_running_accuracy"
    unit = "fraction correct"
    counted = "sequences"
    higher_is_better = True
    free_running = True

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(outputs, batch.targets)

    def fault(self, batch: Batch, outputs: int) -> str:
        return fitting.classes(batch, outputs)

    def metric(self) -> RatioMetric:
        return _ContinuationMetric()

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        return log_odds(outputs, batch.targets)


def log_odds(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the log odds of the true class, z_y − logsumexp_{j≠y} z_j: (reads, classes), (reads,) -> (reads,)."""
    index = targets.unsqueeze(1)
    others = outputs.scatter(1, index, -torch.inf)
    return outputs.gather(1, index).squeeze(1) - others.logsumexp(1)


def log_frequencies(classes: Tensor, number: int) -> Tensor:
    """Return the log frequency (number,) of each class among `classes` (observations,), one added to each count."""
    counts = torch.bincount(classes, minlength=number).double() + 1
    return (counts / counts.sum()).log().float()


class _SquaredErrorMetric(RatioMetric):
    """Units are sequences: the sum of squared errors over the number of reads."""

    def sums(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        errors = (outputs.squeeze(-1) - batch.targets).double().square()
        return per_sequence(errors, batch.reads), batch.reads.counts.to(errors.device)


class _RelativeSquaredErrorMetric(RatioMetric):
    """Units are sequences: the sum of squared errors over the sum of the variances at the reads."""

    variance: Tensor

    def __init__(self, variance: Tensor) -> None:
        super().__init__()
        self.register_buffer("variance", variance.double())

    def sums(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        errors = (outputs.squeeze(-1) - batch.targets).double().square()
        return per_sequence(errors, batch.reads), batch.reads.mask.to(errors.device).double() @ self.variance


class _AccuracyMetric(RatioMetric):
    """Units are sequences: right over scored reads."""

    def __init__(self, scored: int | None) -> None:
        super().__init__()
        self.scored = scored

    def sums(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        right = (outputs.argmax(1) == batch.targets).double()
        if self.scored is None:
            return per_sequence(right, batch.reads), batch.reads.counts.to(right.device)
        right = right.view(len(batch), -1)[:, -self.scored :]
        return right.sum(1), torch.full_like(right[:, 0], self.scored)


class _ContinuationMetric(_AccuracyMetric):
    """Units are sequences: right over all reads."""

    def __init__(self) -> None:
        super().__init__(None)

    def extras(self) -> dict[str, float]:
        right, reads = dim_zero_cat(self.numerators), dim_zero_cat(self.denominators)
        return {"exact": float((right == reads).double().mean())}


class _RecallMetric(RatioMetric):
    """Units are sequences: correct over scored reads. Sums for the extras are kept beside."""

    correct: Tensor
    nats: Tensor
    reads: Tensor

    def __init__(self, scored: int) -> None:
        super().__init__()
        self.scored = scored
        self.add_state("correct", torch.zeros(scored, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("nats", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("reads", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, outputs: Tensor, batch: Batch) -> None:
        super().update(outputs, batch)
        self.correct += self._hits(outputs, batch).sum(0)
        self.nats += cross_entropy(outputs.double(), batch.targets, reduction="sum")
        self.reads += len(batch.targets)

    def sums(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        hits = self._hits(outputs, batch)
        return hits.sum(1), torch.full_like(hits[:, 0], self.scored)

    def _hits(self, outputs: Tensor, batch: Batch) -> Tensor:
        """1 where a scored read is right, else 0: (batch, scored)."""
        hits = (outputs.argmax(1) == batch.targets).double()
        return hits.view(len(batch), -1)[:, -self.scored :]

    def extras(self) -> dict[str, float]:
        sequences = sum(len(part) for part in self.denominators)
        named = {f"recall_{i}": float(hits) / sequences for i, hits in enumerate(self.correct.tolist())}
        whole = dim_zero_cat(self.numerators) == dim_zero_cat(self.denominators)
        return {**named, "exact": float(whole.double().mean()), "cross_entropy": float(self.nats / self.reads)}
