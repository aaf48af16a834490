"""End the processes that a worker's cells start with the worker, whatever they did to get away (Linux).

A worker's environment holds a mark of its own, which its children inherit, also those that go into a session of their
own or whose parents have ended. Where a runner is killed, a janitor, which is this file run by itself, ends the
processes that are left.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

VARIABLE = "LONG_RANGE_BENCH_WORKER"
PROCESSES = Path("/proc")
SECONDS = 5.0


def mark() -> str:
    """Return a mark that no other runner has; each worker's mark begins with it."""
    return secrets.token_hex(16)


def end(beginning: str) -> None:
    """Kill every process whose mark begins with `beginning`, until there is none, for SECONDS at most.

    A process that the kernel holds (in a read from a dead disk, say) dies when the kernel lets go.
    """
    wanted = f"{VARIABLE}={beginning}".encode()
    deadline = time.monotonic() + SECONDS
    while (pids := [pid for pid in _processes() if _marked(pid, wanted)]) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(OSError):  # the process ended by itself
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def _processes() -> list[int]:
    names = os.listdir(PROCESSES) if PROCESSES.is_dir() else []
    return [int(name) for name in names if name.isdecimal() and int(name) != os.getpid()]


def _marked(pid: int, wanted: bytes) -> bool:
    """Return whether a running process was started with such a mark; later changes of its environment do not show."""
    try:
        environment = (
            PROCESSES / str(pid) / "environ"
        ).read_bytes()  # another user's cannot be read; of a zombie: empty
    except OSError:
        return False
    return any(part.startswith(wanted) for part in environment.split(b"\0"))


def janitor(beginning: str) -> subprocess.Popen[bytes]:
    """Start a process that waits until this one ended, in whatever way, and then ends every process with the mark."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, beginning],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is the runner's
    )


def dismiss(process: subprocess.Popen[bytes]) -> None:
    """Let a janitor do its work, and wait until it ends."""
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


if __name__ == "__main__":
    sys.stdin.buffer.read()  # until the other end is closed
    end(sys.argv[1])
