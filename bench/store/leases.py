"""Several runners on one store: which of them are at work, and which of them measures which cell.

    running/<runner>.json    a runner; it touches this file every few seconds as long as it lives
    leases/<key>             the cell with this key is being measured; holds the runner's name

A lease holds as long as its runner lives: the runner's file was touched within EXPIRY seconds and, on this host, its
process exists. Ages are taken by the file system's clock, because hosts' clocks differ. A lease that lapsed goes to the
next runner that asks for it, so that no runner ever waits for a dead one. Leases keep work from being done twice; they
are not what gives a cell one result: the first result published stays, also where a suspended runner wakes up.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import platform
import re
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from bench.records import foreign
from bench.store.files import HOST, Files, alive
from bench.store.store import Store

BEAT = 10.0  # seconds between two touches
EXPIRY = 60.0  # seconds without a touch, after which a runner is taken for dead
GONE = frozenset({errno.ENOENT, errno.ESTALE})  # ESTALE: from a network file system that had the file open
_NAME = re.compile(r"(?P<host>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}")


@dataclass(frozen=True)
class Runner:
    """A process that runs a sweep, as its file describes it. leases: how many cells it measures now; started: seconds
    since 1970."""

    sweep: str
    host: str
    process: int
    workers: int
    started: float
    leases: int


class Leases:
    """One runner's leases on the cells of a store, held inside a `with` statement.

    Raises:
        StoreError: entering, or taking a lease: the store cannot be written.
    """

    def __init__(self, store: Store, sweep: str, workers: int) -> None:
        self.store, self.files = store, store.files
        self.name = f"{HOST}-{os.getpid()}-{secrets.token_hex(4)}"
        self._leases = store.path / "leases"
        self._own = store.path / "running" / f"{self.name}.json"
        self._content = json.dumps(
            {
                "sweep": sweep,
                "host": platform.node(),
                "process": os.getpid(),
                "workers": workers,
                "started": time.time(),
            }
        ).encode()
        self._held: set[str] = set()
        self._now, self._read = 0.0, -math.inf  # the file system's clock, and when it was read
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        with self.store.writing():
            for path in (self._own.parent, self._leases):
                self.files.make_folder(path)
            self.files.put(self._own, self._content)
        self._beating.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._beating.join()
        for key in list(self._held):
            self.release(key)
        with contextlib.suppress(OSError):  # a file that stays is no longer touched, so it lapses
            self.files.unlink(self._own)

    def take(self, key: str) -> bool:
        """Lease a cell to this runner; return False where another runner that lives has the lease."""
        path = self._leases / key
        with self.store.writing():
            if self._is_others(path):
                return False
            if not self._leases.is_dir():  # somebody removed it meanwhile, which costs no result
                self.files.make_folder(self._leases)
            with self.files.lock(self._leases):  # of two that see it free or lapsed, only the first takes it
                if self._is_others(path):
                    return False
                self.files.put(path, self.name.encode())
        self._held.add(key)
        return True

    def release(self, key: str) -> None:
        """Give a lease back: the cell's result is stored, or it will not be measured."""
        self._held.discard(key)
        path = self._leases / key
        with contextlib.suppress(OSError), self.files.lock(self._leases):  # a lease that stays lapses
            if _holder(self.files, path) == self.name:  # it went to another runner where this one was suspended
                self.files.unlink(path)

    def _is_others(self, path: Path) -> bool:
        """Return whether another runner that lives has a lease. The file system's clock is read once a second at most,
        because that writes a file."""
        holder = _holder(self.files, path)
        if holder in (None, self.name):
            return False
        if time.monotonic() - self._read >= 1.0:
            self._now, self._read = self.files.now(self._leases), time.monotonic()
        return _lives(holder, self._own.parent, self.files, self._now)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with contextlib.suppress(OSError):  # the next touch may succeed
                try:
                    self.files.touch(self._own)
                except FileNotFoundError:  # another runner took this one for dead while it was suspended
                    self.files.put(self._own, self._content)


def forget_the_dead(store: Store) -> None:
    """Remove the files and leases of dead runners.

    Raises:
        StoreError: the store cannot be written.
    """
    running, leases, files = store.path / "running", store.path / "leases", store.files
    with store.writing():
        if not any(path for folder in (running, leases) for path in folder.glob("[!.]*")):
            return
        now = files.now(running)
        with files.lock(leases):
            held = {path: _holder(files, path) for path in leases.glob("[!.]*")}
            named = {path: path.stem for path in running.glob("[!.]*.json")}
            for path, name in [*held.items(), *named.items()]:
                if not _lives(name, running, files, now):
                    with contextlib.suppress(FileNotFoundError):
                        files.unlink(path)


def _holder(files: Files, path: Path) -> str | None:
    """Return the name of the runner that holds a lease, or what its file holds instead; None without a file."""
    try:
        return files.read(path).decode("utf-8", "replace")
    except OSError as error:
        if error.errno not in GONE:
            raise
        return None


def _lives(name: str | None, running: Path, files: Files, now: float) -> bool:
    """Return whether there is a runner of this name, and it lives. A touch from the future counts as one from long ago,
    because somebody set a clock."""
    parts = _NAME.fullmatch(name or "")
    if parts is None or (parts["host"] == HOST and not alive(int(parts["process"]))):
        return False
    try:
        return abs(now - files.modified(running / f"{parts[0]}.json")) < EXPIRY
    except OSError as error:
        if error.errno not in GONE:
            raise
        return False


def _runner(content: Any, leases: int) -> Runner:
    """Return the runner that a file describes.

    Raises:
        ValueError, TypeError: it describes none.
    """
    runner = Runner(**content, leases=leases)
    words, numbers = (runner.sweep, runner.host), (runner.process, runner.workers)
    if not all(isinstance(word, str) for word in words) or not all(type(number) is int for number in numbers):
        raise TypeError("no runner")
    if not (0 < runner.workers < 10**6 and 0 < runner.process < 2**53):
        raise ValueError("no runner")
    return replace(runner, host=foreign.line(runner.host))


def runners(store: Path) -> list[Runner]:
    """Return the runners at work on a store. Ages are taken by this host's clock, because nothing is written here."""
    files = Files()
    held = Counter(_holder(files, path) for path in (store / "leases").glob("[!.]*"))
    at_work = []
    for path in sorted((store / "running").glob("[!.]*.json")):
        try:
            if _lives(path.stem, path.parent, files, time.time()):
                at_work.append(_runner(json.loads(files.read(path)), held[path.stem]))
        except (OSError, ValueError, TypeError, RecursionError):
            continue  # gone, or of another version
    return at_work
