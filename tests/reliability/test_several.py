"""Several runners on one store, in short: RELIABILITY rows 1 and 5. In full: `tests.reliability.campaign`."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from pathlib import Path

import pytest

from bench.store import Store
from tests.reliability import resumes, several
from tests.reliability.fakes import LOG
from tests.reliability.runners import children


def test_three_runners_do_every_cell_once(tmp_path: Path) -> None:
    seen = several.campaign(tmp_path, kills=0, cells=60, seed=0)
    assert seen.clean
    assert (seen.cells, seen.executions, seen.extra) == (60, 60, 0)
    (store,) = tmp_path.iterdir()
    assert not list((store / "leases").iterdir())
    assert not list((store / "running").iterdir())


def test_killed_runners_lose_nothing_and_block_nobody(tmp_path: Path) -> None:
    seen = several.campaign(tmp_path, kills=14, cells=150, seed=3)
    assert seen.clean, seen
    assert seen.kills >= 14


def test_killed_runners_ask_every_question_and_lose_no_reading(tmp_path: Path) -> None:
    seen = several.campaign(tmp_path, kills=10, cells=120, seed=5, ask=True)
    assert seen.clean, seen
    assert (seen.lost, seen.duplicate, seen.changed) == (0, 0, 0)
    assert seen.kills >= 10


@pytest.mark.parametrize("age", [0.0, 3600.0], ids=["a moment ago", "an hour ago"])
def test_leases_of_the_dead_here_and_elsewhere_block_nobody(tmp_path: Path, age: float) -> None:
    """Row 5: every cell is leased, by a process that is gone or by a host that fell silent."""
    store = Store(tmp_path / "store", create=True)
    with several.herd(store.path, 4, hosts=False) as first:
        first.finish(several.Shared())
    keys = [path.stem for path in (store.path / "cells").iterdir()]
    for path in (store.path / "cells").iterdir():
        path.unlink()
    for index, key in enumerate(keys):
        host = several.HERE if index % 2 else "99999999"
        name = f"{host}-{2**22 + index}-00000000"  # no process has this number
        announced = store.path / "running" / f"{name}.json"
        announced.write_text(json.dumps({"sweep": "", "host": "", "process": 1, "workers": 1, "started": 0.0}))
        os.utime(announced, (time.time() - age, time.time() - age))
        (store.path / "leases" / key).write_text(name)
    seen = several.Shared()
    with several.herd(store.path, 4, hosts=False) as second:
        second.finish(seen, seconds=60)
    assert not seen.blocked
    assert len(list(store.answers())) == 4
    assert not list((store.path / "leases").iterdir())
    begun = [line for line in (store.path / LOG).read_text().splitlines() if line.startswith("began")]
    assert len(begun) == 8


def stop_outside_locks(store: Path, processes: list[int]) -> None:
    """Stop processes while nobody holds a lock of the store: one that is stopped inside makes every other wait."""
    while True:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        if all(is_free(lock) for lock in store.glob(".*.lock")):
            return
        for process in processes:
            os.kill(process, signal.SIGCONT)
        time.sleep(0.01)


def is_free(lock: Path) -> bool:
    with open(lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def test_a_suspended_runner_wakes_up_and_changes_nothing(tmp_path: Path) -> None:
    """It is stopped with cells at hand, others measure them, then it goes on: the first results stay."""
    store = tmp_path / "store"
    with several.herd(store, 60, hosts=True) as herd:
        while not (store / LOG).exists():
            time.sleep(0.01)
        stopped = herd.running[0]
        processes = [stopped.pid, *children(stopped.pid)]
        stop_outside_locks(store, processes)
        for run in herd.running[1:]:
            run.communicate(timeout=60)
            assert run.returncode == 0
        assert len(list((store / "cells").glob("[!.]*.json"))) == 60
        before = {path.name: path.read_bytes() for path in (store / "cells").iterdir()}
        for process in processes:
            os.kill(process, signal.SIGCONT)
        stopped.communicate(timeout=60)
        assert stopped.returncode == 0
    assert {path.name: path.read_bytes() for path in (store / "cells").iterdir()} == before


def test_long_cells_of_killed_runners_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumes, "ASKED", resumes.ASKED.replace("rnn,gru,lstm", "gru").replace("3000", "5000"))
    seen = resumes.campaign(tmp_path, kills=2, runners=2)
    assert seen.clean, seen
    assert seen.resumptions
