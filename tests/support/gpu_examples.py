"""Models that do on a GPU what no model should, reached as `tests.support.gpu_examples:Class`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.lstm import LSTM
from tasks.base import Reads, Spec


class Waits(LSTM):
    """Asks for a number in each step, so that the host waits for the GPU."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return super().encode(x, reads) * (1.0 if x.sum().item() else 0.5)


class Forgets(LSTM):
    """Forgets to say on which device a tensor is to be."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return super().encode(x + torch.zeros(x.size(1), 1), reads)


class Idle(LSTM):
    """Has a parameter that plays no part, so that it never has a gradient."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)
        self.idle = nn.Parameter(torch.zeros(3))


class Hoards(LSTM):
    """Asks for twice the GPU's memory: in its first training of all, or, where `once` is false, in each. Leaves a file
    in the folder `marks` for each training."""

    def __init__(self, spec: Spec, *, marks: str = "", once: bool = True, **common: Any) -> None:
        super().__init__(spec, **common)
        self.marks, self.once = Path(marks), once

    def on_train_start(self) -> None:
        first = not any(self.marks.iterdir())
        (self.marks / f"{os.getpid()}-{time.monotonic_ns()}").touch()
        if first or not self.once:
            torch.empty(2 * torch.cuda.mem_get_info()[1], dtype=torch.uint8, device=self.device)
