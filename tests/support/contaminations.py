"""Models that change the process they run in: `tests.support.contaminations:Changes:what=…`."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

import models.lstm
import tasks.base
from tasks.base import Reads, Spec
from tests.support.examples import Mean


def _halved(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments, **named: function(*arguments, **named) * 0.5


def draws() -> None:
    """Draws from torch's generator for ever."""
    while True:
        torch.rand(10)
        time.sleep(0.0001)


KEPT: list[Any] = []


def entered(context: Any) -> None:
    """A context that is never left."""
    KEPT.append(context)
    context.__enter__()


def a_thread(target: Callable[[], Any]) -> None:
    threading.Thread(target=target, daemon=True).start()


def a_timer() -> None:
    """Something that happens later, in the main thread."""
    signal.signal(signal.SIGALRM, lambda *_: torch.set_default_dtype(torch.float64))
    signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)


def a_later_thread() -> None:
    threading.Timer(1.0, lambda: setattr(torch, "tanh", torch.sigmoid)).start()


WHAT: dict[str, Callable[[], Any]] = {
    "dtype": lambda: torch.set_default_dtype(torch.float64),
    "device": lambda: torch.set_default_device("meta"),
    "tanh": lambda: setattr(torch, "tanh", _halved(torch.tanh)),
    "method": lambda: setattr(torch.Tensor, "tanh", _halved(torch.Tensor.sigmoid)),
    "hook": lambda: torch.nn.modules.module.register_module_forward_hook(lambda m, i, o: None),
    "buffers": lambda: torch.nn.modules.module.register_module_parameter_registration_hook(lambda m, n, p: None),
    "optimiser": lambda: register_optimizer_step_pre_hook(lambda o, a, k: None),
    "thread": lambda: a_thread(draws),
    "threads": lambda: torch.set_num_threads(2),
    "mkldnn": lambda: setattr(torch.backends.mkldnn, "enabled", False),
    "attention": lambda: torch.backends.cuda.enable_math_sdp(False),
    "deterministic": lambda: torch.use_deterministic_algorithms(False),
    "precision": lambda: torch.set_float32_matmul_precision("medium"),
    "denormal": lambda: torch.set_flush_denormal(True),
    "inference": lambda: entered(torch.inference_mode()),
    "gradients": lambda: torch.set_grad_enabled(False),
    "anomalies": lambda: torch.autograd.set_detect_anomaly(True),
    "autocast": lambda: entered(torch.autocast("cpu", dtype=torch.bfloat16)),
    "timer": a_timer,
    "later": a_later_thread,
    "environment": lambda: os.environ.update(OMP_NUM_THREADS="7"),
    "folder": lambda: os.chdir("/"),
    "filters": lambda: warnings.simplefilter("always"),
    "path": lambda: sys.path.insert(0, "/nowhere"),
    "modules": lambda: setattr(models.lstm, "torch", None),
    "class": lambda: setattr(tasks.base.Task, "skill", lambda task, score: 1.0),
    "code": lambda: setattr(models.lstm.LSTM.__init__, "__kwdefaults__", {"layers": 2}),
    "shadow": lambda: setattr(models.lstm, "sum", max),
    "numpy": lambda: numpy.seterr(all="raise"),
    "generator": lambda: setattr(numpy.random, "default_rng", _halved(numpy.random.default_rng)),
    "random": lambda: setattr(random, "Random", None),
    "limit": lambda: sys.setrecursionlimit(5000),
}  # fmt: skip


class Changes(Mean):
    """Changes its process when it is built, and leaves a mark with the process's number in the folder `marks`."""

    def __init__(self, spec: Spec, *, what: str = "", marks: str = "", **common: Any) -> None:
        super().__init__(spec, **common)
        if marks:
            (Path(marks) / f"{os.getpid()}-{time.monotonic_ns()}").touch()
        if what:
            WHAT[what]()


SLEEP = ["sleep", "3600"]
LEAVES = f"import subprocess; print(subprocess.Popen({SLEEP}, start_new_session=True, stdout=-3, stderr=-3).pid)"

LEFT: dict[str, Tensor] = {}


class Remembers(Mean):
    """Begins with the weights that the last cell of its process ended with."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)
        if LEFT:
            self.load_state_dict(LEFT)

    def on_fit_end(self) -> None:
        LEFT.update({name: held.clone() for name, held in self.state_dict().items()})


class Parent(Mean):
    """Starts processes that outlive its cell, and writes their numbers to the file `log`: a plain child, one in a
    session of its own, one whose parent has ended, and one of Python's own. end: how the cell ends."""

    def __init__(self, spec: Spec, *, log: str = "", end: str = "", **common: Any) -> None:
        super().__init__(spec, **common)
        self.log_file, self.end, self.begun = Path(log), end, False

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        if not self.begun:
            self.begun = True
            line = "".join(f"{pid} " for pid in self.start())
            with self.log_file.open("a") as log:  # a pass that is undone before training begins again
                log.write(line)
            if self.end == "exit":
                threading.Thread(target=time.sleep, args=(3600,)).start()
                sys.exit(3)
            if self.end == "sleep":
                time.sleep(3600)
        return super().encode(x, reads)

    def start(self) -> list[int]:
        forked = multiprocessing.get_context("fork").Process(target=time.sleep, args=(3600,))
        forked.start()
        left = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, check=True).stdout
        children = [subprocess.Popen(SLEEP, start_new_session=apart).pid for apart in (False, True)]
        return [*children, int(left), forked.pid or 0]
