"""File layers that fail or die at a chosen call: what the store is given in place of the operating system."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.store.files import Files

# Every call a publication makes. `read` is none of them, and neither is what opens a store.
CALLS = ("create", "write", "sync", "close", "link", "replace", "unlink", "sync_folder")


class CountingFiles(Files):
    """Calls `at(name)` before and `after(name)` behind each call; `calls` holds their names."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def before(self, name: str) -> None:
        """The call with this name is about to happen."""

    def after(self, name: str) -> None:
        """It has happened."""

    def _call(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        self.calls.append(name)
        self.before(name)
        result = call(*arguments)
        self.after(name)
        return result

    def create(self, path: Path) -> int:
        descriptor: int = self._call("create", super().create, path)
        return descriptor

    def write(self, descriptor: int, content: memoryview) -> int:
        taken: int = self._call("write", super().write, descriptor, content)
        return taken

    def sync(self, descriptor: int) -> None:
        self._call("sync", super().sync, descriptor)

    def close(self, descriptor: int) -> None:
        self._call("close", super().close, descriptor)

    def link(self, source: Path, target: Path) -> None:
        self._call("link", super().link, source, target)

    def replace(self, source: Path, target: Path) -> None:
        self._call("replace", super().replace, source, target)

    def unlink(self, path: Path) -> None:
        self._call("unlink", super().unlink, path)

    def sync_folder(self, path: Path) -> None:
        self._call("sync_folder", super().sync_folder, path)


class FailingFiles(CountingFiles):
    """The k-th call (from 0) fails with this error number. half: a failing write has taken half of its bytes before."""

    def __init__(self, k: int, number: int, *, half: bool = False) -> None:
        super().__init__()
        self.k, self.number, self.half = k, number, half
        self.failed = False

    def before(self, name: str) -> None:
        if len(self.calls) - 1 == self.k:
            self.failed = True
            raise OSError(self.number, os.strerror(self.number))

    def write(self, descriptor: int, content: memoryview) -> int:
        if self.half and len(content) > 1:
            content = content[: len(content) // 2]
        return super().write(descriptor, content)


class DyingFiles(CountingFiles):
    """The process is killed at the k-th call (from 0), before or after it happens."""

    end = signal.SIGKILL

    def __init__(self, k: int, *, late: bool) -> None:
        super().__init__()
        self.k, self.late = k, late

    def before(self, name: str) -> None:
        if not self.late:
            self._die()

    def after(self, name: str) -> None:
        if self.late:
            self._die()

    def _die(self) -> None:
        if len(self.calls) - 1 == self.k:
            os.kill(os.getpid(), self.end)


class StoppingFiles(DyingFiles):
    """The process is stopped at the k-th call (from 0), before or after it happens; it goes on when told to."""

    end = signal.SIGSTOP


class WithoutLinks(Files):
    """A file system that knows no hard links."""

    def link(self, source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))
