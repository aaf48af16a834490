"""Tasks and models of one's own that break a rule of the contract, one each, and some that only look odd."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.base import Carried, SequenceModel, Series
from tasks.adding import Adding
from tasks.base import Batch, Reads, Spec, Split
from tests.support.clockwork import Clockwork, Stopped
from tests.support.examples import Mean

# -- models -----------------------------------------------------------------------------------------------------------


class Ahead(Mean):
    """Reads the whole sequence for every answer."""

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(torch.tanh(self.body(x)).mean(1, keepdim=True).expand(-1, x.size(1), -1), reads)


class LearnsToLookAhead(Mean):
    """Its weight on the next step is 0 until it is trained."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)
        self.gate = nn.Parameter(torch.zeros(()))

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        h = torch.tanh(self.body(x))
        return self.pick(h + self.gate * h.roll(-1, 1), reads)


class OneRow(Mean):
    """One answer for a whole batch."""

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return super().encode(x, reads)[:1]


class TooWide(Mean):
    """Two numbers where one is asked for."""

    def decode(self, features: Tensor, batch: Batch) -> Tensor:
        return self.head(features).expand(-1, 2)


class Restarts(Clockwork):
    """Its clock begins anew wherever a sequence is cut."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)
        for (cell,) in self.body.cells:  # type: ignore[union-attr, misc]
            cell.__class__ = Stopped  # type: ignore[has-type]


class OtherStates(Mean):
    """What it shows to the probe is not what it answers from."""

    def states(self, x: Tensor, reads: Reads, carried: Carried | None = None) -> tuple[Tensor, Series]:
        return 2 * self.encode(x, reads), {}


class Drawing(Mean):
    """Draws as it answers, which only looks odd."""

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return super().encode(x, reads) * (1 + 0.01 * torch.rand(()))


class Unassembled(SequenceModel):
    """Never calls `assemble`."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)
        self.layer = nn.Linear(self.width, spec.outputs)

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.layer(x), reads)

    def decode(self, features: Tensor, batch: Batch) -> Tensor:
        return features


class OwnStep(Mean):
    def training_step(self, batch: Any, batch_index: int) -> Any:
        return super().training_step(batch, batch_index)


class Several(Mean):
    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.body.parameters(), 0.1), torch.optim.SGD(self.head.parameters(), 0.1)]


class SecondOrder(Mean):
    def configure_optimizers(self) -> Any:
        return torch.optim.LBFGS(self.parameters())


class Scheduled(Mean):
    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.SGD(self.parameters(), 0.1)
        return [optimiser], [torch.optim.lr_scheduler.StepLR(optimiser, 1)]


class ScheduledToo(Mean):
    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.SGD(self.parameters(), 0.1)
        return {"optimizer": optimiser, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimiser, 1)}


class NoOptimiser(Mean):
    def configure_optimizers(self) -> Any:
        return None


class OwnRate(Mean):
    """Asks nobody for its rate."""

    def configure_optimizers(self) -> Any:
        return {"optimizer": torch.optim.SGD(self.parameters(), 0.25)}


class Tied(Mean):
    """Two layers with the same weights."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)
        self.twin = nn.Linear(self.width, self.body.out_features)  # type: ignore[arg-type]
        self.twin.weight = self.body.weight  # type: ignore[assignment]


class Overlapping(Mean):
    """A buffer that is a part of another one."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)
        self.register_buffer("whole", torch.arange(6.0))
        self.register_buffer("part", self.whole[2:4])  # type: ignore[index]


class Assembled(SequenceModel):
    """Features of a body (batch, time, width) -> (batch, time, hidden), read as they are."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)
        self.assemble(self.make, lambda body: self.hidden)

    def make(self, hidden: int) -> nn.Module:
        raise NotImplementedError

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(torch.tanh(self.body(x)), reads)


class FrozenBody(Assembled):
    def make(self, hidden: int) -> nn.Module:
        return nn.Linear(self.width, hidden).requires_grad_(False)


class IgnoresHidden(Assembled):
    def make(self, hidden: int) -> nn.Module:
        return nn.Linear(self.width, 4)


class Lazy(Assembled):
    def make(self, hidden: int) -> nn.Module:
        return nn.LazyLinear(hidden)


class Orthogonal(Assembled):
    def make(self, hidden: int) -> nn.Module:
        return nn.Sequential(
            nn.Linear(self.width, hidden), nn.utils.parametrizations.orthogonal(nn.Linear(hidden, hidden))
        )


class FromNumpy(Assembled):
    def make(self, hidden: int) -> nn.Module:
        layer = nn.Linear(self.width, hidden)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.random.randn(*layer.weight.numpy().shape) / 9))
        return layer


class FailsAfterwards(Mean):
    """What it should say of itself once it is trained, it cannot."""

    def state_size(self, length: int) -> int | None:
        raise ZeroDivisionError("state_size")

    def pictures(self, x: Tensor, reads: Reads) -> Any:
        raise ZeroDivisionError("pictures")


# -- tasks ------------------------------------------------------------------------------------------------------------


class Global(Adding):
    """Draws from torch's global generator."""

    version = 1
    minimum_length = 2

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        batch = super().draw(generator, batch_size)
        batch.inputs[..., 0] += self.noise()
        return batch

    def noise(self) -> float:
        return float(torch.rand(()))


class GlobalNumpy(Global):
    def noise(self) -> float:
        return float(np.random.rand())


class GlobalPython(Global):
    def noise(self) -> float:
        return random.random()


class Unseeded(Global):
    def noise(self) -> float:
        return float(np.random.default_rng().random())


class OnceGlobal(Global):
    """Draws from the global generator when it is built."""

    def __init__(self, length: int, **common: Any) -> None:
        super().__init__(length, **common)
        self.offset = float(torch.rand(()))

    def noise(self) -> float:
        return self.offset


class Counting(Global):
    """Another batch at each call, whatever the step."""

    calls = 0

    def noise(self) -> float:
        self.calls += 1
        return float(self.calls)


class Spoilt(Adding):
    """One number of one split is not finite. where: the split, or `train` from step 7 on."""

    version = 1
    minimum_length = 2

    def __init__(self, length: int, *, where: str = "test", part: str = "inputs", **common: Any) -> None:
        super().__init__(length, **common)
        self.where, self.part = where, part

    def training_batch(self, step: int) -> Batch:
        return self.spoilt(super().training_batch(step), self.where == "train" and step >= 7)

    def held_out(self, split: Split) -> Any:
        whole = super().held_out(split)[0]
        batches = [whole.select(slice(0, 8)), whole.select(slice(8, 16))]
        return [self.spoilt(batch, self.where == split and i == 1) for i, batch in enumerate(batches)]

    def spoilt(self, batch: Batch, wanted: bool) -> Batch:
        if wanted:
            values = batch.inputs.clone() if self.part == "inputs" else batch.targets.clone()
            values[1] = math.nan if self.part == "inputs" else math.inf
            inputs, targets = (values, batch.targets) if self.part == "inputs" else (batch.inputs, values)
            return Batch(inputs, targets, batch.reads)
        return batch


class Empty(Adding):
    """A split without batches."""

    version = 1
    minimum_length = 2

    def __init__(self, length: int, *, where: str = "test", **common: Any) -> None:
        super().__init__(length, **common)
        self.where = where

    def held_out(self, split: Split) -> Any:
        return [] if split == self.where else super().held_out(split)


class Figures(Adding):
    """States chance, best and threshold as it is told."""

    version = 1
    minimum_length = 2

    def __init__(self, length: int, *, chance: str = "0.2", best: str = "0", **common: Any) -> None:
        super().__init__(length, **common)
        self.chance, self.best = float(chance), float(best)


class Misshapen(Adding):
    """Batches that are not as the spec says."""

    version = 1
    minimum_length = 2

    def __init__(self, length: int, *, what: str = "inputs", **common: Any) -> None:
        super().__init__(length, **common)
        self.what = what

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        batch = super().draw(generator, batch_size)
        if self.what == "inputs":
            return Batch(batch.inputs[..., :1], batch.targets, batch.reads)
        if self.what == "targets":
            return Batch(batch.inputs, batch.targets[:1], batch.reads)
        return Batch(batch.inputs, batch.targets, batch.reads.mask[:, 1:])


class FailsToShow(Adding):
    """Its score is right, what it says of a trained model is not."""

    version = 1
    minimum_length = 2

    def sample(self, model: Any) -> str | None:
        raise ZeroDivisionError("sample")

    def context_use(self, model: torch.nn.Module) -> list[tuple[int, float]] | None:
        return [(1, math.nan)]

    def memory_horizon(self, score: float) -> float | None:
        return math.inf
