from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.store import Store, StoreError, leases
from bench.store.files import HOST, Files
from bench.store.leases import BEAT, EXPIRY, Leases, runners
from tests.support.faults import FailingFiles

ELSEWHERE = "00000000-7-00000000"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", create=True)


@pytest.fixture
def own(store: Store) -> Iterator[Leases]:
    with Leases(store, "ab", 2) as held:
        yield held


def leave(store: Store, runner: str, key: str, *, age: float = 0.0) -> None:
    """What a runner that last lived `age` seconds ago left behind."""
    for folder in ("running", "leases"):
        (store.path / folder).mkdir(exist_ok=True)
    announced = store.path / "running" / f"{runner}.json"
    announced.write_text('{"sweep": "ab", "host": "h", "process": 7, "workers": 4, "started": 0.0}')
    os.utime(announced, (time.time() - age, time.time() - age))
    (store.path / "leases" / key).write_text(runner)


def a_dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_one_runner_has_a_cell_until_it_gives_it_back(store: Store, own: Leases) -> None:
    with Leases(store, "ab", 1) as other:
        assert own.take("k")
        assert not other.take("k")
        assert other.take("l")
        other.release("k")  # not its own: nothing happens
        assert not other.take("k")
        own.release("k")
        assert other.take("k")
        assert not own.take("k")
    assert own.take("k"), "leaving gives all of them back"


def test_a_folder_that_somebody_removed_is_made_again(store: Store, own: Leases) -> None:
    """A lease is of no meaning for a result, so that its loss ends no sweep."""
    assert own.take("a")
    shutil.rmtree(store.path / "leases")
    own.release("a")
    assert own.take("b")
    assert (store.path / "leases" / "b").read_text() == own.name


def test_of_many_that_ask_at_once_one_has_it(store: Store) -> None:
    for lapsed in (False, True):
        key = f"k{lapsed}"
        if lapsed:
            leave(store, f"{HOST}-{a_dead_process()}-00000000", key)
        askers = [Leases(store, "ab", 1) for _ in range(8)]
        for folder in ("running", "leases"):
            store.files.make_folder(store.path / folder)
        for asker in askers:
            store.files.put(asker._own, asker._content)
        together, got = threading.Barrier(8), []

        def ask(asker: Leases, key: str = key, together: threading.Barrier = together, got: list[bool] = got) -> None:
            together.wait()
            got.append(asker.take(key))

        threads = [threading.Thread(target=ask, args=(asker,)) for asker in askers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == [False] * 7 + [True]


@pytest.mark.parametrize(
    ("runner", "age", "lapsed"),
    [
        (ELSEWHERE, EXPIRY - 5, False),
        (ELSEWHERE, EXPIRY + 1, True),
        (ELSEWHERE, -EXPIRY - 1, True),  # seen in the future: somebody set the server's clock
        (f"{HOST}-{os.getppid()}-00000000", EXPIRY - 5, False),
        (f"{HOST}-{os.getppid()}-00000000", EXPIRY + 1, True),  # its number went to another process, or it is stopped
        ("dead here", 0.0, True),
        ("torn\0", 0.0, True),
    ],
)
def test_a_lease_lapses_with_its_runner(store: Store, own: Leases, runner: str, age: float, lapsed: bool) -> None:
    if runner == "dead here":
        runner = f"{HOST}-{a_dead_process()}-00000000"
    if "\0" in runner:
        (store.path / "leases" / "k").write_text(runner)
    else:
        leave(store, runner, "k", age=age)
    assert own.take("k") is lapsed
    own.release("k")
    assert (store.path / "leases" / "k").exists() is not lapsed


def test_what_could_not_be_given_back_is_still_ones_own(store: Store, own: Leases) -> None:
    assert own.take("k")
    own._held.clear()
    with Leases(store, "ab", 1) as other:
        assert not other.take("k")
    assert own.take("k")


@pytest.mark.parametrize("of", ["leases", "running"])
def test_a_file_that_a_network_file_system_lost_is_gone(
    store: Store, own: Leases, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    def stale(self: Files, path: Path) -> Any:
        if path.parent.name == of and path.stem != own.name:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return {"leases": Path.read_bytes, "running": lambda path: path.stat().st_mtime}[of](path)

    leave(store, ELSEWHERE, "k")
    assert not own.take("k")
    monkeypatch.setattr(Files, {"leases": "read", "running": "modified"}[of], stale)
    assert own.take("k")
    assert os.getpid() in {runner.process for runner in runners(store.path)}, "looking does not fail either"


def test_a_lease_without_its_runner_has_lapsed(store: Store, own: Leases) -> None:
    leave(store, ELSEWHERE, "k")
    (store.path / "running" / f"{ELSEWHERE}.json").unlink()
    assert own.take("k")


def test_what_the_dead_left_is_removed_by_the_next_runner(store: Store) -> None:
    leave(store, ELSEWHERE, "k", age=EXPIRY + 1)
    leave(store, f"{HOST}-{a_dead_process()}-00000000", "l")
    leave(store, "11111111-7-00000000", "m")
    leases.forget_the_dead(store)
    names = {path.name for folder in ("running", "leases") for path in (store.path / folder).iterdir()}
    assert names == {"11111111-7-00000000.json", "m"}


def test_a_runner_shows_that_it_lives_as_long_as_it_does(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT", 0.05)
    monkeypatch.setattr(leases, "EXPIRY", 1.0)
    with Leases(store, "ab", 1) as own:
        assert own.take("k")
        with Leases(store, "ab", 1) as other:
            time.sleep(1.2)
            assert not other.take("k")
            own._own.unlink()  # taken for dead
            deadline = time.monotonic() + 10
            while not own._own.exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert not other.take("k")
    assert not list((store.path / "running").iterdir())


def test_a_runner_taken_for_dead_leaves_alone_what_is_no_longer_its_own(store: Store, own: Leases) -> None:
    assert own.take("k")
    (store.path / "leases" / "k").write_text(ELSEWHERE)
    own.release("k")
    assert (store.path / "leases" / "k").read_text() == ELSEWHERE


def test_the_two_times_leave_room_for_a_slow_file_system() -> None:
    assert EXPIRY >= 5 * BEAT


def test_ages_are_taken_by_the_file_systems_clock(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with Leases(store, "ab", 1) as own:
        leave(store, ELSEWHERE, "k")
        monkeypatch.setattr(time, "time", lambda: 1e10)  # this host's clock is far ahead
        assert not own.take("k")


def test_who_is_at_work(store: Store, own: Leases) -> None:
    leave(store, ELSEWHERE, "k", age=5)
    leave(store, "11111111-7-00000000", "l", age=EXPIRY + 1)
    (store.path / "running" / "torn.json").write_text("{")
    (store.path / "running" / "22222222-7-00000000.json").write_text("{")
    own.take("m")
    assert {(runner.process, runner.workers, runner.leases) for runner in runners(store.path)} == {
        (7, 4, 1),
        (os.getpid(), 2, 1),
    }


def test_without_a_store_to_write_to_it_is_said(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot write the store"):
        Leases(Store(store.path, files=FailingFiles(0, 28)), "ab", 1).__enter__()


def test_every_call_of_taking_and_giving_back_may_fail(store: Store) -> None:
    """Whatever fails, it is said or nothing happened; the next one who asks is never blocked."""
    for k in range(20):
        with Leases(store, "ab", 1) as own:
            failing = FailingFiles(k, 5)
            own.files = own.store.files = failing
            try:
                if own.take("k"):
                    own.release("k")
            except StoreError:
                pass
            own.files = own.store.files = Files()
        with Leases(store, "ab", 1) as other:
            assert other.take("k"), k
        if not failing.failed:
            assert k > 4
            return
    raise AssertionError("taking a lease makes more calls than expected")
