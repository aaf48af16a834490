"""Models of a user's own, reached as `tests.support.examples:Class`: one that works, and one for each way to fail."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.base import SequenceModel
from tasks.base import Reads, Spec


class Mean(SequenceModel):
    """The mean of a layer's outputs so far. As small as a model gets."""

    version = 1
    documented_learning_rate = 0.05

    def __init__(self, spec: Spec, *, bias: bool = True, **common: Any) -> None:
        super().__init__(spec, **common)
        self.assemble(lambda hidden: nn.Linear(self.width, hidden, bias=bias), lambda body: int(body.out_features))

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        steps = torch.arange(1, x.size(1) + 1, device=x.device).view(1, -1, 1)
        return self.pick(torch.tanh(self.body(x)).cumsum(1) / steps, reads)


class Misbehaving(Mean):
    """Works, until `misbehave` is called in the first forward pass."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        self.misbehave()
        return super().encode(x, reads)

    def misbehave(self) -> None:
        raise NotImplementedError


class Raises(Misbehaving):
    """A fault of the model's own code."""

    def misbehave(self) -> None:
        secret = "hunter2"
        raise ZeroDivisionError(f"on purpose, after {len(secret)} letters")


class Lacks(Misbehaving):
    """Needs a package that is not there."""

    def misbehave(self) -> None:
        import no_such_package  # type: ignore[import-not-found] # noqa: F401


class Starves(Misbehaving):
    """Runs out of Python's memory."""

    def misbehave(self) -> None:
        raise MemoryError


class Allocates(Misbehaving):
    """Asks for more memory than any machine has."""

    def misbehave(self) -> None:
        torch.empty(1 << 50)


class Aborts(Misbehaving):
    """Ends its process, as a bug in a native library would."""

    def misbehave(self) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.abort()


class Sleeps(Misbehaving):
    """Never comes back."""

    def misbehave(self) -> None:
        print("asleep", flush=True)
        while True:
            time.sleep(60)


class Crawls(Misbehaving):
    """Goes on and on, slowly."""

    def misbehave(self) -> None:
        time.sleep(0.05)


class DiesOnce(Misbehaving):
    """Is killed, unless the file `mark` says that it was before."""

    def __init__(self, spec: Spec, *, mark: str = "", **common: Any) -> None:
        super().__init__(spec, **common)
        self.mark = Path(mark)

    def misbehave(self) -> None:
        try:
            self.mark.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


class Diverges(Mean):
    """Learns for a while, then its answers are NaN."""

    def __init__(self, spec: Spec, *, healthy: int = 30, **common: Any) -> None:
        super().__init__(spec, **common)
        self.left = healthy

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        self.left -= self.training
        features = super().encode(x, reads)
        return features * torch.nan if self.left < 0 else features


class AddsUp(SequenceModel):
    """Solves adding by knowing its rule: the sum of the marked values, which the head passes on."""

    version = 1
    documented_learning_rate = 1e-9

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)
        self.assemble(lambda hidden: nn.Linear(1, hidden), lambda body: 1)
        nn.init.ones_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick((x[..., :1] * x[..., 1:]).cumsum(1), reads) + 0 * self.body.weight.sum()  # type: ignore[operator]


class Drops(Mean):
    """Forgets half of what it encodes, at random, while it trains."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return nn.functional.dropout(super().encode(x, reads), training=self.training)


class NoModel:
    """Not a sequence model at all."""

    def __init__(self, spec: Spec, **common: Any) -> None: ...
