"""Nothing published is lost, torn, changed or doubled: RELIABILITY rows 1, 3, 4 and 15, in short."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console as Terminal

from bench.cli.console import Console
from bench.records.result import Result
from bench.records.sweep import Sweep
from bench.runner import runner
from bench.store import Store, StoreError, files
from tests.reliability import damage
from tests.support.factories import a_cell, a_failure, a_result, an_asked
from tests.support.fake_engine import FakeEngine
from tests.support.faults import CALLS, FailingFiles, StoppingFiles, WithoutLinks

ROOT = Path(__file__).parents[2]


# -- kills -------------------------------------------------------------------------------------------------------------


def test_kills_lose_double_and_change_nothing(tmp_path: Path) -> None:
    """Row 1. Three runners on one store; 25 of them killed at random times, then one at each call."""
    command = [sys.executable, "-m", "tests.reliability.kills", str(tmp_path), "25", "60", "7"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert run.stderr == ""
    for tally in json.loads(run.stdout).values():
        assert tally["kills"] >= 25
        bad = {name: tally[name] for name in ("lost", "duplicate", "changed", "torn", "weights_of_another")}
        assert not any(bad.values()), bad


# -- failing calls -----------------------------------------------------------------------------------------------------


def test_every_failing_call_leaves_a_record_whole_or_absent(tmp_path: Path) -> None:
    """Row 3."""
    seen = damage.every_failing_call(tmp_path / "results", (errno.EIO, errno.ENOSPC))
    assert seen.calls > 100
    assert seen.clean, seen


def test_a_publication_is_made_of_the_calls_that_are_made_to_fail(tmp_path: Path) -> None:
    calls = damage.calls_of_a_publication(tmp_path / "results")
    assert set(calls) == set(CALLS)
    assert calls.index("replace") < calls.index("link"), "weights before the record"
    last = len(calls) - 1 - calls[::-1].index("sync")
    assert last < calls.index("link"), "synced before it is linked"
    assert calls[-2:] == ["sync_folder", "unlink"], "the folder is synced; then only the cell's checkpoint goes"


def test_a_sweep_that_cannot_be_written_down_says_so(tmp_path: Path) -> None:
    Store(tmp_path, create=True)
    with pytest.raises(StoreError, match="Input/output error"):
        Store(tmp_path, files=FailingFiles(2, errno.EIO)).record_sweep(an_asked())
    assert Store(tmp_path).sweeps() == []


# -- corruption --------------------------------------------------------------------------------------------------------


def test_every_damaged_byte_is_found() -> None:
    """Row 4; all places of a short record, and some of a long one."""
    for record, stride in ((damage.encode(a_failure()), 1), (damage.a_record(), 7)):
        for seen in (damage.every_flip(record, stride=stride), damage.every_truncation(record, stride)):
            assert seen.tried > 100
            assert seen.unnoticed == 0


def test_a_corrupt_record_is_moved_aside_said_aloud_and_run_again(tmp_path: Path) -> None:
    sweep = Sweep(tasks="adding", models="rnn", lengths="10,20", budget="smoke")
    store = Store(tmp_path, create=True)

    def execute(engine: FakeEngine) -> str:
        text = io.StringIO()
        runner.execute([sweep], store, engine, Console(Terminal(file=text, width=200)), lambda *_: None)
        return text.getvalue()

    execute(FakeEngine())
    first, second = sorted((tmp_path / "cells").iterdir())
    content = bytearray(first.read_bytes())
    content[100] ^= 4
    first.write_bytes(content)
    kept = second.read_bytes()
    engine = FakeEngine()
    assert f"corrupt record {first.name} moved to {tmp_path / 'corrupt'}; its cell runs again" in execute(engine)
    assert [job.cell.key for job in engine.ran] == [first.stem]
    assert second.read_bytes() == kept
    assert len(list(store.answers())) == 2
    assert len(list((tmp_path / "corrupt").iterdir())) == 1


def test_a_record_that_breaks_while_its_cell_runs_is_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    store.publish(a_result())
    path = tmp_path / "cells" / f"{a_cell().key}.json"
    path.write_bytes(path.read_bytes()[:50])
    assert store.publish(a_result(steps=7))
    assert [result.steps for result in store.answers()] == [7]
    assert len(list((tmp_path / "corrupt").iterdir())) == 1


def test_a_corrupt_sweep_is_moved_aside_too(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    store.record_sweep(an_asked())
    name = f"{an_asked().hash}.json"
    (tmp_path / "sweeps" / name).write_bytes(b"{}")
    assert store.sweeps() == []
    assert store.set_aside() == [name]
    assert store.set_aside() == []


def test_weights_are_checked_where_they_are_read(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    result = a_result(weights_sha256=hashlib.sha256(b"weights").hexdigest())
    store.publish(result, b"weights")
    key = result.cell.key
    assert store.weights(key) == b"weights"
    path = tmp_path / "weights" / f"{key}.safetensors"
    path.write_bytes(b"weighty")
    with pytest.raises(StoreError, match="is not what its record says"):
        store.weights(key)
    path.unlink()
    with pytest.raises(StoreError, match="is not what its record says"):
        store.weights(key)
    with pytest.raises(StoreError, match="no weights of cell 00"):
        store.weights("00")


def test_weights_without_a_record_are_recognised_and_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    orphan = tmp_path / "weights" / f"{a_cell().key}.safetensors"
    orphan.write_bytes(b"of a dead writer")
    assert store.orphans() == [orphan]
    store.publish(a_result(), b"weights")
    assert store.orphans() == []
    assert orphan.read_bytes() == b"weights"


# -- other writers -----------------------------------------------------------------------------------------------------


def a_dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_only_the_leftovers_of_dead_writers_are_removed(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    here, dead, alive = files.HOST, a_dead_process(), os.getpid()

    def leftover(host: str, process: int, age: float) -> Path:
        path = tmp_path / "cells" / f".ab.json~{host}~{process}~0123abcd"
        path.write_bytes(b"{")
        os.utime(path, (time.time() - age,) * 2)
        return path

    old = leftover(here, dead, 120)
    elsewhere = leftover("00000000", 1, 2 * 86_400)
    kept = [leftover(here, alive, 3600), leftover("00000000", 2, 3600)]
    foreign = tmp_path / "cells" / ".nfs~0001"
    foreign.write_bytes(b"")
    assert set(store.leftovers()) == {old, elsewhere}
    store.set_aside()
    assert sorted((tmp_path / "cells").iterdir()) == sorted([*kept, foreign])
    young = leftover(here, dead, 1)
    store.set_aside()
    assert young.exists(), (
        "a number may belong to a process elsewhere; a living writer needs its file for a moment only"
    )


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """A store whose lock is held by a process that was stopped."""
    store = Store(tmp_path, create=True)
    descriptor = os.open(store.path / ".cells.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield store.path
    os.close(descriptor)


def test_a_stopped_writer_blocks_nobody(held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.1)
    assert Store(held).publish(a_result(), b"weights")
    assert Store(held).answer(a_cell().key) == a_result()


def an_answer_of(writer: str) -> tuple[Result, bytes]:
    weights = writer.encode()
    return a_result(notes=(writer,), weights_sha256=hashlib.sha256(weights).hexdigest()), weights


def stopped_at(path: Path, k: int, *, late: bool) -> int | None:
    """A process that publishes, and is stopped at its k-th call; None where it came to its end before."""
    process = os.fork()
    if process == 0:
        with contextlib.suppress(BaseException):
            Store(path, files=StoppingFiles(k, late=late)).publish(*an_answer_of("stopped"))
        os._exit(0)
    _, status = os.waitpid(process, os.WUNTRACED)
    return process if os.WIFSTOPPED(status) else None


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("end", [signal.SIGCONT, signal.SIGKILL])
def test_a_writer_stopped_anywhere_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: signal.Signals, broken: bool
) -> None:
    """Stopped before and after each of its calls, longer than anybody waits for the lock; another one publishes; then
    the stopped one goes on, or is killed. broken: where both find a corrupt record."""
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.02)
    stops = 0
    for late in (False, True):
        for k in range(100):
            path = tmp_path / f"{k}-{late}"
            store = Store(path, create=True)
            key = a_cell().key
            if broken:
                (path / "cells" / f"{key}.json").write_bytes(b"{}")
            process = stopped_at(path, k, late=late)
            if process is None:
                break
            stops += 1
            taken = store.publish(*an_answer_of("second"))
            before = (path / "cells" / f"{key}.json").read_bytes()
            os.kill(process, end)
            os.waitpid(process, 0)
            (answer,) = Store(path).answers()
            assert answer.notes == (("second",) if taken else ("stopped",)), (k, late)
            assert (path / "cells" / f"{key}.json").read_bytes() == before, (k, late)
            assert Store(path).weights(key) == answer.notes[0].encode(), (k, late)
            assert not Store(path).publish(*an_answer_of("third"))
            assert Store(path).orphans() == []
    assert stops >= 20


def test_a_writer_waits_for_its_turn(held: Path) -> None:
    done: list[bool] = []
    thread = threading.Thread(target=lambda: done.append(Store(held).publish(a_result())))
    thread.start()
    thread.join(0.2)
    assert not done
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        try:
            same = os.path.samestat(os.fstat(descriptor), os.stat(held / ".cells.lock"))
        except OSError:
            continue
        if same:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    thread.join(5)
    assert done == [True]


def test_a_file_system_without_hard_links_is_named_and_works(tmp_path: Path) -> None:
    store = Store(tmp_path / "results", create=True, files=WithoutLinks())
    assert store.hard_links is False
    text = io.StringIO()
    sweep = Sweep(tasks="adding", models="rnn", lengths="10", budget="smoke")
    runner.execute([sweep], store, FakeEngine(), Console(Terminal(file=text, width=200)), lambda *_: None)
    assert "has no hard links: let no two runners write to it" in text.getvalue()
    (result,) = store.answers()
    assert not store.publish(result), "the first writer wins here too"
    assert Store(tmp_path / "others", create=True).hard_links is True


# -- full and read-only disks ------------------------------------------------------------------------------------------


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True)
    if mount.returncode:
        pytest.skip("NOT TESTED ON A FULL DISK: mounting a tmpfs needs privileges (the file-size limit is tested)")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(store: Store) -> int:
    """Publish until nothing more fits; how many cells did."""
    for seed in range(1000):
        store.publish(a_result(a_cell(seed=seed)), bytes(20_000))
    return 1000


def test_a_full_disk_gives_one_message_and_loses_nothing(tmpfs: Path) -> None:
    """Row 15."""
    store = Store(tmpfs / "results", create=True)
    ballast = tmpfs / "ballast"
    ballast.write_bytes(bytes(60_000))
    with pytest.raises(
        StoreError, match=r"No space left on device\. Free some space; the same command again resumes\."
    ):
        fill(store)
    count = len(list(store.answers()))
    assert count > 2
    assert store.set_aside() == []
    assert not list(store.path.rglob(".*~*")), "the half-written file is gone: it would keep the disk full"
    ballast.unlink()
    assert store.publish(a_result(a_cell(seed=count)), bytes(20_000))


def test_a_read_only_disk_gives_one_message(tmpfs: Path) -> None:
    Store(tmpfs / "results", create=True).publish(a_result())
    subprocess.run(["mount", "-o", "remount,ro", tmpfs], check=True)
    with pytest.raises(StoreError, match=r"Read-only file system. Give a writable folder with --store\."):
        Store(tmpfs / "results", create=True)
    store = Store(tmpfs / "results")
    assert list(store.answers()) == [a_result()]
    with pytest.raises(StoreError, match="Read-only file system"):
        store.publish(a_result(a_cell(seed=1)))


LIMITED = """
import resource, signal, sys
from bench.store import Store, StoreError
from tests.support.factories import a_cell, a_result, an_asked
store = Store(sys.argv[1], create=True)
store.publish(a_result(), b"small")
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    store.publish(a_result(a_cell(seed=1)))
except StoreError as error:
    print(error)
"""


def test_a_limit_on_file_sizes_tears_no_record(tmp_path: Path) -> None:
    """A real short write: the system takes the first 500 bytes and then refuses."""
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "results")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "File too large. Raise the limit on file sizes (ulimit -f); the same command again resumes." in run.stdout
    store = Store(tmp_path / "results")
    assert [result.cell for result in store.answers()] == [a_cell()]
    assert store.corrupt == []
    assert not list(store.path.rglob(".*~*"))


def test_a_sweep_ends_clearly_on_a_full_disk_and_resumes(tmp_path: Path) -> None:
    sweep = Sweep(tasks="adding", models="rnn", lengths="10,20,30", budget="smoke")

    def execute(store: Store, engine: FakeEngine) -> int:
        return runner.execute([sweep], store, engine, Console(Terminal(file=io.StringIO())), lambda *_: None).exit_code

    Store(tmp_path, create=True)
    full = Store(tmp_path, files=FailingFiles(37, errno.ENOSPC))
    with pytest.raises(StoreError, match="No space left"):
        execute(full, FakeEngine())
    stored = len(list(Store(tmp_path).answers()))
    assert 0 < stored < 3
    engine = FakeEngine()
    assert execute(Store(tmp_path), engine) == 0
    assert len(engine.ran) == 3 - stored


def test_limits_and_signals_are_as_the_tests_assume() -> None:
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN, "Python turns the signal into an error number"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
