"""Tasks of one's own that draw, score or share what they should not; each is reached as `…careless:Class:option=…`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.utils.data import Dataset

from tasks.adding import Adding
from tasks.base import Batch, Evaluation, Reads, Spec, Split, Tokens
from tasks.base.metrics import RatioMetric
from tasks.base.objectives import SquaredError
from tasks.base.spec import Column, Objective
from tasks.copying import Copying


class Alike(Adding):
    """Ignores the generator that it is given."""

    version = 1
    minimum_length = 2

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        return super().draw(torch.Generator().manual_seed(0), batch_size)


class AlikeIds(Copying):
    """The same with ids."""

    version = 1

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        return super().draw(torch.Generator().manual_seed(0), batch_size)


class FromTheTest(Adding):
    """Trains on sequences of a held-out set. split: which."""

    version = 1
    minimum_length = 2

    def __init__(self, length: int, *, split: str = "test", **common: Any) -> None:
        super().__init__(length, **common)
        self.split: Split = "test" if split == "test" else "validation"

    def training_batch(self, step: int) -> Batch:
        first = step * self.batch_size % 512
        return self.held_out(self.split)[0].select(slice(first, first + self.batch_size))


class Bits(Adding):
    """Sequences of zeros and ones written as real numbers, so few that training and test share them by chance."""

    version = 1
    minimum_length = 2

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        batch = super().draw(generator, batch_size)
        return Batch(batch.inputs.round(), batch.targets, batch.reads)


class One(Adding):
    """One sequence for all, so that all batches are equal whatever is drawn."""

    version = 1
    minimum_length = 2

    def __init__(self, length: int, **common: Any) -> None:
        super().__init__(length, **common)
        self.spec = Spec(inputs=Tokens((Column(2, 2),)), outputs=1, objective=SquaredError())

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        ids = torch.randint(2, (batch_size, 1, 1), generator=generator).expand(-1, self.length, -1) * 0
        return Batch(ids, torch.ones(batch_size), self.read_last(batch_size, self.length, 1))


class GlobalLater(Adding):
    """Draws one held-out batch from the global generator. number: of that batch."""

    version = 1
    minimum_length = 2

    def __init__(self, length: int, *, number: int = 1, **common: Any) -> None:
        super().__init__(length, **common)
        self.number = number

    def held_out(self, split: Split) -> Dataset[Batch]:
        whole = super().held_out(split)[0]
        batches = [whole.select(slice(first, first + 8)) for first in range(0, 40, 8)]
        batches[self.number].inputs[..., 0] += torch.rand(())
        return batches  # type: ignore[return-value]


class Sum(Objective):
    """Squared error with a fault. what: see `Judged`."""

    metric_name, unit, counted, higher_is_better = "squared_error", "squared value", "sequences", False

    def __init__(self, what: str) -> None:
        self.what, self.stored = what, _Errors() if what != "frozen" else _OneUnit()

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        if self.what == "refuses":
            raise IndexError("Dimension out of range")
        if self.what == "broadcast":
            return (outputs - batch.targets).square().mean()
        return mse_loss(outputs.squeeze(-1), batch.targets)

    def metric(self) -> RatioMetric:
        if self.what == "shared":
            fresh = _Errors()
            vars(fresh)["numerators"], vars(fresh)["denominators"] = self.stored.numerators, self.stored.denominators
            return fresh
        return self.stored if self.what in ("stored", "frozen") else _Errors()

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        return outputs.squeeze(-1)


class _Errors(RatioMetric):
    def sums(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        errors = (outputs.squeeze(-1) - batch.targets).square()
        if errors.dim() > 1:
            return errors @ torch.ones(3), torch.ones(len(errors))
        return errors, torch.ones(len(errors))


class _OneUnit(_Errors):
    def compute(self) -> Evaluation:
        return super().compute()._replace(n=1)


class Judged(Adding):
    """Its objective has a fault. what: `stored` (one metric for all), `frozen` (the same, and it always says that it
    counted one unit), `shared` (metrics that share what they count), `broadcast` (a loss of every output with every
    target), `columns` (targets (reads, 1)), `refuses` (a loss that raises), `nothing`."""

    version = 1
    minimum_length = 2

    def __init__(self, length: int, *, what: str = "nothing", **common: Any) -> None:
        super().__init__(length, **common)
        self.what = what
        self.spec = Spec(inputs=self.spec.inputs, outputs=1, objective=Sum(what))

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        batch = super().draw(generator, batch_size)
        targets = batch.targets[:, None] if self.what == "columns" else batch.targets
        return Batch(batch.inputs, targets, Reads(batch.reads.mask))
