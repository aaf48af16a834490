"""Processes that a model starts end with the sweep, whatever they did to get away."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.engines.local import LocalEngine
from bench.records.job import Surroundings
from tests.support.jobs import a_job

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="marks are read from /proc")

PARENT = "tests.support.contaminations:Parent"
RUNNER = f"""
import sys
from bench.engines.local import LocalEngine
from bench.records.job import Surroundings
from tests.support.jobs import a_job
if __name__ == "__main__":
    with LocalEngine(Surroundings(), workers=1) as engine:
        list(engine.run([a_job("{PARENT}:end=sleep:log=" + sys.argv[1])]))
"""


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether a condition comes to hold in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def left(log: Path) -> list[int]:
    """The processes that a model wrote down and that still run."""
    pids = [int(pid) for pid in log.read_text().split()]
    assert len(pids) >= 4
    return [pid for pid in pids if alive(pid)]


def test_they_end_with_the_sweep(tmp_path: Path) -> None:
    """After a cell that ends well, and after one that leaves a thread and ends its worker."""
    jobs = [a_job(f"{PARENT}:end={end}:log={tmp_path / end}") for end in ("well", "exit")]
    with LocalEngine(Surroundings(), workers=1, retried=frozenset()) as engine:
        assert [finished.result.status for finished in engine.run(jobs)] == ["ok", "crashed"]
    assert [left(tmp_path / end) for end in ("well", "exit")] == [[], []]


def test_they_end_where_the_runner_is_killed(tmp_path: Path) -> None:
    log, script = tmp_path / "log", tmp_path / "runner.py"
    script.write_text(RUNNER)
    root = str(Path(__file__).parents[3])
    runner = subprocess.Popen([sys.executable, script, log], cwd=root, env=os.environ | {"PYTHONPATH": root})
    try:
        assert within(120, lambda: log.exists() and log.read_text() != "")
        assert len(left(log)) == 4
    finally:
        runner.kill()
        runner.wait()
    assert within(10, lambda: not left(log))
