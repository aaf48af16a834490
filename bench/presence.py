"""Which runners are at work on a store, for people to read. No lock, no lease: nobody waits for it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.files import HOST, alive


@dataclass(frozen=True)
class Runner:
    """A process that runs a sweep. sure: whether it is known to be alive (only of processes on this host)."""

    sweep: str
    host: str
    process: int
    workers: int
    started: float
    sure: bool


@contextlib.contextmanager
def announce(store: Path, sweep: str, workers: int) -> Iterator[None]:
    """Say that this process runs `sweep`, as long as it does."""
    path = store / "running" / f"{HOST}-{os.getpid()}.json"
    content = {
        "sweep": sweep,
        "host": platform.node(),
        "process": os.getpid(),
        "workers": workers,
        "started": time.time(),
    }
    with contextlib.suppress(OSError):  # a sweep runs without being seen, too
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), "utf-8")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def runners(store: Path) -> list[Runner]:
    """The runners at work on a store: those of this host that are alive, and those that other hosts announced."""
    found = []
    for path in sorted((store / "running").glob("*.json")):
        try:
            content = json.loads(path.read_text("utf-8"))
            here = path.name.startswith(HOST)
            runner = Runner(**content, sure=here)
        except (OSError, ValueError, TypeError):
            continue  # gone, or being written
        if not here or alive(runner.process):
            found.append(runner)
    return found


def forget_the_dead(store: Path) -> None:
    """Remove what dead runners of this host announced."""
    for path in (store / "running").glob(f"{HOST}-*.json"):
        number = path.stem.rpartition("-")[2]
        if number.isdigit() and not alive(int(number)):
            with contextlib.suppress(OSError):
                path.unlink()
