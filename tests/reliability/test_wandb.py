"""W&B never breaks a cell, says what the store says, and is told no secret. Real processes, no network."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.records.row import COLUMNS, row
from bench.store import Store
from tests.support.inspect_wandb import read, rows

CANARY = "canary0123456789canary0123456789canary01"  # as long as a key of W&B


def environment(home: Path, **more: str) -> dict[str, str]:
    """A user's, whose home and temporary files lie in `home`."""
    (home / "tmp").mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return kept | {"HOME": str(home), "TMPDIR": str(home / "tmp")} | more


def test_a_live_mirror_says_what_the_store_says_and_no_secret(tmp_path: Path) -> None:
    home = tmp_path / "home"
    variables = environment(home, WANDB_API_KEY=CANARY, SOME_TOKEN=CANARY)
    (home / ".netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {CANARY}\n")
    config = tmp_path / f"{CANARY}.toml"  # so the secret is in the arguments of every process
    config.write_text(
        'tasks = ["adding"]\nmodels = ["rnn", "tests.support.examples:Mean", "tests.support.examples:Raises"]\n'
    )
    command = [sys.executable, "-m", "bench.run", "--config", str(config), "--lengths", "10", "--budget", "smoke"]
    command += ["--workers", "1", "--store", str(tmp_path / "results"), "--wandb", "offline"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert "wandb sync" in done.stdout
    assert "changed the process" not in done.stdout + done.stderr, "the mirror's own changes are nobody's"

    stored = Store(tmp_path / "results").results()
    runs = {path.name.split("-", 3)[3]: path for path in (tmp_path / "results/wandb").glob("offline-run-*")}
    assert set(runs) == {f"{result.cell.key}-1" for result in stored}
    assert sorted(result.status for result in stored) == ["error", "ok", "ok"]
    for result in stored:
        found = read(runs[f"{result.cell.key}-1"])
        assert {column: found.summary.get(column) for column in COLUMNS} == row(result)
        assert sorted(found.rows, key=_text) == sorted(rows(result), key=_text)
        assert found.exit_code == (0 if result.status == "ok" else 1)
        assert found.config["sweep"] == next((tmp_path / "results/sweeps").iterdir()).stem

    (home / ".netrc").unlink()
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != config]
    assert len(files) > 10
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
    assert CANARY not in done.stdout + done.stderr


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def test_what_was_logged_before_a_kill_stays(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "from bench.trial import trial\n"
        "from bench.runner.plan import plan\n"
        "from bench.records.cell import Entry\n"
        "from bench.records.job import Job, Mirroring, Surroundings\n"
        "from bench.records.sweep import Sweep\n"
        "model = Entry('tests.support.examples:Crawls')\n"
        "sweep = Sweep(tasks=(Entry('adding'),), models=(model,), lengths=(10,), steps=5000)\n"
        f"around = Surroundings(mirroring=Mirroring('offline', 'p', Path({str(tmp_path)!r})))\n"
        "trial.run(Job(plan(sweep)[0].cell), around, observer=trial.observer(around))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], env=environment(tmp_path / "home"))
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not any(_holds(path) for path in tmp_path.glob("wandb/*/*.wandb")):
            assert process.poll() is None
            time.sleep(0.1)
        services = _services(process.pid)
        assert len(services) == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    while _services(process.pid):
        assert time.monotonic() < deadline + 30, "W&B's own process outlives the one it serves"
        time.sleep(0.1)
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    found = read(folder)
    assert found.run["run_group"] == "adding/tests.support.examples:Crawls/T10"
    steps = [item["step"] for item in found.rows if "train/adding/loss" in item]
    assert steps == list(range(0, 25 * len(steps), 25))
    assert steps
    assert found.summary.get("score") is None
    assert not (folder / "mirrored.json").exists()


def _holds(path: Path) -> bool:
    return b"train/adding/loss" in path.read_bytes()


def _services(process: int) -> list[int]:
    """W&B's own processes that serve this one."""
    return [number for number, words in _processes() if "wandb-core " in words and f"--pid {process} " in f"{words} "]


def _processes() -> Iterator[tuple[int, str]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield int(path.parent.name), path.read_bytes().replace(b"\0", b" ").decode(errors="replace")


def test_cells_complete_whatever_the_server_does(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.reliability.servers", "--init-timeout", "1.5", "--cells", "2"]
    done = subprocess.run(
        command, env=environment(tmp_path / "home"), capture_output=True, text=True, timeout=120, check=True
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [scene["kind"] for scene in found] == ["fails", "hangs", "refuses"]
    for scene in found:
        assert scene["statuses"] == ["ok", "ok"]
        assert scene["offline"] == 2, "what the server would not take is on disk, whole"
        (note,) = scene["notes"]
        assert note.startswith("W&B cannot be reached (")
        assert (scene["asked"] > 0) is (scene["kind"] != "refuses")
        # The figure itself (at most 1.1) is tests/performance/mirror.py's; a cell that waited would be seconds late.
        assert scene["mirrored"] < scene["plain"] + 1.0
        assert scene["waited"] < 10
    assert done.stderr == ""
