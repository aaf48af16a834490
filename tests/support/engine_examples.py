"""Models that tell the tests of engines what happened to them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch

from tasks.base import Spec
from tests.support.examples import Misbehaving


class Marks(Misbehaving):
    """Leaves a file in the folder `marks` for each time it is trained, and takes `pause` milliseconds for each pass.
    Begins only when there are marks of `company` trainings, its own included."""

    def __init__(self, spec: Spec, *, marks: str = "", pause: int = 0, company: int = 1, **common: Any) -> None:
        super().__init__(spec, **common)
        self.marks, self.pause, self.company = Path(marks), pause, company

    def on_train_start(self) -> None:
        deadline = time.monotonic() + 60
        (self.marks / f"{os.getpid()}-{time.monotonic_ns()}").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
        while len(list(self.marks.iterdir())) < self.company and time.monotonic() < deadline:
            time.sleep(0.02)

    def misbehave(self) -> None:
        if self.training and torch.is_grad_enabled():
            time.sleep(self.pause / 1000)


class StarvesOnce(Marks):
    """Runs out of memory the first time."""

    def __init__(self, spec: Spec, *, marks: str = "", **common: Any) -> None:
        super().__init__(spec, marks=marks, **common)

    def on_train_start(self) -> None:
        first = not any(self.marks.iterdir())
        super().on_train_start()
        if first:
            raise MemoryError
