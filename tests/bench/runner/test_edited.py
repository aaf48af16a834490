"""Stored results that other source text gave are named before a sweep runs; nothing is refused for it."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console as Terminal

from bench.cli.console import Console
from bench.records.sweep import Sweep
from bench.runner import runner
from bench.runner.plan import plan
from bench.store import Store
from tests.support.factories import a_result
from tests.support.fake_engine import FakeEngine

ROOT = Path(__file__).parents[3]
MEAN = "tests.support.examples:Mean"


def lines(store: Store, **sweep: str) -> list[str]:
    """What a sweep says that runs in this process."""
    text = io.StringIO()
    asked = Sweep(**({"tasks": "adding", "lengths": "6", "budget": "smoke"} | sweep))  # type: ignore[arg-type]
    runner.execute([asked], store, FakeEngine(), Console(Terminal(file=text, width=300)), lambda *_: None)
    return text.getvalue().splitlines()


def test_results_of_the_same_name_with_other_code_are_counted(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    (planned,) = plan(Sweep(tasks="adding", models=MEAN, lengths="6", budget="smoke"))
    for code, seeds in (("ab" * 32, (0, 1)), (None, (0,))):
        for seed in seeds:
            store.publish(a_result(planned.cell.model_copy(update={"code": code, "seed": seed})))
    store.publish(a_result(planned.cell.model_copy(update={"code": "ab" * 32, "model": "other.net:Net"})))
    now = (planned.cell.code or "")[:8]
    first = lines(store, models=f"{MEAN},rnn")
    assert sorted(first[:2]) == [
        f"the store holds 1 result of {MEAN} with other code (not recorded; now {now}): they are not used here",
        f"the store holds 2 results of {MEAN} with other code (abababab; now {now}): they are not used here",
    ]
    assert first[2].startswith("2 cells: 0 stored, 2 to run")
    assert not [line for line in lines(store, models="rnn") if "code" in line], "of what was asked only"


# -- files dropped into models/ or tasks/ ------------------------------------------------------------------------------

RUN = """
import sys
from datetime import UTC, datetime
from bench.records.result import Provenance
from bench.records.sweep import Sweep
from bench.run import main
from bench.runner.plan import plan
from bench.store import Store
from tests.support.factories import a_result
store = Store("results", create=True)
began = datetime.now(UTC).isoformat(timespec="seconds")
made = Provenance(started=began, device="cpu", platform="", python="", libraries={}, threads=1, git_commit=None,
                  git_dirty=None)
for planned in plan(Sweep(tasks="adding", models="mine,rnn", lengths="6")):
    store.publish(a_result(planned.cell, provenance=made))
code = main(["--tasks", "adding", "--models", "mine,rnn", "--lengths", "6"])
sys.exit(f"exit code {code}, torch loaded: {'torch' in sys.modules}" if code or "torch" in sys.modules else 0)
"""


def committed(site: Path) -> None:
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "the suite"]):
        named = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *named, *arguments], cwd=site, check=True)


def installed(site: Path) -> None:
    """As pip writes down what it installed."""
    records = []
    for path in sorted(site.rglob("*.py")):
        digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")
        records.append(f"{path.relative_to(site)},sha256={digest},1")
    information = site / "long_range_bench-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: long-range-bench\nVersion: 0.1.0\n")
    (information / "RECORD").write_text("\n".join(records))


@pytest.mark.parametrize("release", [committed, installed])
def test_a_file_that_was_edited_under_the_same_version_is_named(
    release: Callable[[Path], None], tmp_path: Path
) -> None:
    """Its results are shown as they are, torch stays unloaded, and files of the release are never named."""
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    for package in ("bench", "tasks", "models", "reports"):
        shutil.copytree(ROOT / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    elsewhere.mkdir()
    release(site)
    dropped = site / "models" / "mine.py"
    dropped.write_text((site / "models" / "gru.py").read_text())

    def said(written: float) -> list[str]:
        for name in ("mine", "rnn"):
            os.utime(site / "models" / f"{name}.py", (written, written))
        environment = os.environ | {"PYTHONPATH": f"{site}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", RUN]
        ran = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=120)
        assert (ran.returncode, ran.stderr) == (0, "")
        return [line for line in ran.stdout.splitlines() if "was written after" in line]

    assert said(time.time() - 3600) == []
    assert said(time.time() + 3600) == [
        "models/mine.py was written after 1 result of model mine, version 1, and states the same version: they are "
        "shown as they are. Where it computes other numbers now, raise its `version`"
    ]
