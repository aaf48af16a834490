"""Models that stand between the test and its score, and one that does something around an evaluation and may."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tasks.base import Batch
from tests.support.examples import Mean


class Peeks(Mean):
    """Keeps the targets of each test batch, and answers with them."""

    peeked: Tensor | None = None

    def on_test_batch_start(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.peeked = batch.targets

    def decode(self, features: Tensor, batch: Batch) -> Tensor:
        return self.head(features) if self.peeked is None else self.peeked[:, None]


class PeeksInTransit(Mean):
    """Sees every batch on its way to the device."""

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        return batch


class Fabricates(Mean):
    """Writes its own score."""

    def on_test_epoch_end(self) -> None:
        super().on_test_epoch_end()
        assert self.evaluation is not None
        self.evaluation = self.evaluation._replace(score=0.0)


class Silent(Mean):
    """Validates nothing."""

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        return None


class Instance(Mean):
    """Has a method of its own in the object alone."""

    def __init__(self, *arguments: Any, **common: Any) -> None:
        super().__init__(*arguments, **common)
        self.test_step = lambda batch, index: None  # type: ignore[method-assign]


class LearnsTheTest(Mean):
    """Fits its head to the test set before it is tested."""

    def on_test_start(self) -> None:
        with torch.inference_mode(False), torch.enable_grad():
            optimiser = torch.optim.Adam(self.parameters(), 0.1)
            for batch in self.trainer.datamodule.test_dataloader():  # type: ignore[attr-defined]
                self.spec.objective.loss(self(batch), batch).backward()
                optimiser.step()


class Recalibrates(Mean):
    """Takes the statistics of its normalisation from the test set."""

    def __init__(self, *arguments: Any, **common: Any) -> None:
        super().__init__(*arguments, **common)
        self.norm = torch.nn.BatchNorm1d(self.width)

    def on_test_start(self) -> None:
        self.norm.running_mean += 1.0  # type: ignore[operator]


class Averaged(Mean):
    """Is tested with averaged weights, and puts its own back."""

    kept: Tensor

    def on_test_start(self) -> None:
        self.kept = self.head.weight.detach().clone()
        with torch.no_grad():
            self.head.weight.mul_(0.5)

    def on_test_end(self) -> None:
        with torch.no_grad():
            self.head.weight.copy_(self.kept)
