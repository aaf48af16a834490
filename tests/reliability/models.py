"""Models that go wrong in ways that only a process of its own survives: `tests.reliability.models:Class`."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import weakref
from pathlib import Path
from typing import Any

import torch

from tasks.base import Spec
from tests.support.examples import Misbehaving

BEGUN: weakref.WeakSet[torch.nn.Module] = weakref.WeakSet()


class Counted(Misbehaving):
    """Writes a line to `log` whenever a cell begins, then does what its kind does."""

    def __init__(self, spec: Spec, *, log: str = "", **common: Any) -> None:
        super().__init__(spec, **common)
        self.log_file = log

    def misbehave(self) -> None:
        if self not in BEGUN:  # not an attribute: what only looks at a model puts those back
            BEGUN.add(self)
            with Path(self.log_file).open("a") as file:
                file.write(f"{type(self).__name__}\n")
        self.go_wrong()

    def go_wrong(self) -> None:
        """This one does not."""


class Segfaults(Counted):
    """Reads where nothing is."""

    def __init__(self, spec: Spec, *, log: str = "", **common: Any) -> None:
        super().__init__(spec, log=log, **common)

    def go_wrong(self) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        ctypes.string_at(0)


class Killed(Counted):
    """Is ended by the system, as where memory is short."""

    def __init__(self, spec: Spec, *, log: str = "", **common: Any) -> None:
        super().__init__(spec, log=log, **common)

    def go_wrong(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Grows(Counted):
    """Allocates without end, under a limit of half a gigabyte above what the process has."""

    def __init__(self, spec: Spec, *, log: str = "", **common: Any) -> None:
        super().__init__(spec, log=log, **common)

    def go_wrong(self) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + (1 << 29)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        kept = []
        while True:
            kept.append(torch.empty(1 << 24))


class Stuck(Counted):
    """Hangs in native code that lets nothing else of its process run."""

    def __init__(self, spec: Spec, *, log: str = "", **common: Any) -> None:
        super().__init__(spec, log=log, **common)

    def go_wrong(self) -> None:
        ctypes.PyDLL(None).sleep(3600)


class NotANumber(Counted):
    """Answers NaN."""

    def __init__(self, spec: Spec, *, log: str = "", **common: Any) -> None:
        super().__init__(spec, log=log, **common)

    def encode(self, x: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        return super().encode(x, read) * torch.nan


class Quits(Counted):
    """Calls exit."""

    def __init__(self, spec: Spec, *, log: str = "", **common: Any) -> None:
        super().__init__(spec, log=log, **common)

    def go_wrong(self) -> None:
        raise SystemExit(3)


class Lacks(Counted):
    """Needs a package that is not there."""

    def __init__(self, spec: Spec, *, log: str = "", **common: Any) -> None:
        super().__init__(spec, log=log, **common)

    def go_wrong(self) -> None:
        import no_such_package  # noqa: F401


class Raises(Counted):
    """A fault of the model's own code."""

    def __init__(self, spec: Spec, *, log: str = "", **common: Any) -> None:
        super().__init__(spec, log=log, **common)

    def go_wrong(self) -> None:
        raise ZeroDivisionError("on purpose")
