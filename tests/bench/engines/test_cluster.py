"""The cluster engine on real nodes, all on this machine. Starting them takes seconds, so few tests do."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console as Terminal

from bench import merge, runner, trial
from bench.console import Console
from bench.engines import _connection
from bench.engines.base import AddressError
from bench.engines.cluster import ClusterEngine
from bench.result import Finished
from bench.run import main
from bench.store import Store
from bench.sweep import Job, Surroundings, Sweep
from tests.bench.test_trial import but_for_time

ROOT = Path(__file__).parents[3]
here = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="NOT TESTED ON A CLUSTER: pip install -c constraints.txt -e '.[ray]'",
)


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    hidden = ("RAY_ADDRESS", "BENCH_DATA")
    variables = {name: value for name, value in os.environ.items() if name not in hidden} | environment
    variables |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled", "NO_COLOR": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=180, check=False)


# -- a node is lost ----------------------------------------------------------------------------------------------------


@here
def test_a_node_that_is_removed_hard_costs_one_attempt_and_no_result(tmp_path: Path) -> None:
    done = python("-m", "tests.bench.engines.two_nodes", str(tmp_path))
    assert done.returncode == 0, done.stderr
    events = json.loads(done.stdout.splitlines()[-1])
    assert (events["removed"], events["workers"], events["faults"]) == (1, 2, [])

    answers = list(Store(tmp_path / "results").answers())
    assert sorted(answer.cell.key for answer in answers) == sorted(events["asked"]), "lost 0"
    assert events["published"] == [True] * len(answers), "none came twice"
    assert not list(Store(tmp_path / "results").attempts())
    assert {answer.status for answer in answers} == {"ok"}

    executions = len(list((tmp_path / "marks").iterdir()))
    assert executions == events["executions"], "what was executed is what was counted"
    assert executions - len(answers) == events["lost"] == 1
    said = f"{executions} executions for {len(answers)} cells; 1 lost with their worker or node"
    assert events["said"] == [said]

    assert events["refusal"].startswith("no cluster can be joined at --address 127.0.0.1:"), "another token"
    for secret in ("7" * 64, "8" * 64):
        assert secret not in done.stdout + done.stderr


# -- the same numbers everywhere ---------------------------------------------------------------------------------------


class InThisProcess:
    """An engine for the parts: cells one after another, right here."""

    workers = 1

    def __enter__(self) -> InThisProcess:
        return self

    def __exit__(self, *_: object) -> None: ...

    def check(self, jobs: list[Job]) -> list[str]:
        return trial.check(jobs)

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Finished]:
        for job in jobs:
            if job is not None:
                yield trial.run(job, Surroundings(accelerator="cpu"))

    def stop(self) -> None: ...


SWEEP = {"tasks": "adding,copying", "models": "gru,lstm", "lengths": "6", "budget": "smoke", "steps": 4, "hidden": 4}


def answers(path: Path) -> dict[str, tuple[dict[str, object], bytes]]:
    store = Store(path)
    return {result.cell.key: (but_for_time(result), store.weights(result.cell.key)) for result in store.answers()}


@here
def test_local_cluster_and_merged_shards_give_the_same_bits(tmp_path: Path) -> None:
    flags = [word for name, value in SWEEP.items() for word in (f"--{name}", str(value))]
    common = ("-m", "bench.run", *flags, "--accelerator", "cpu", "--workers", "1", "--wandb", "off")
    for engine in ("local", "ray"):
        done = python(*common, "--engine", engine, "--store", str(tmp_path / engine))
        assert done.returncode == 0, done.stderr
        assert "(raylet)" not in done.stdout + done.stderr

    sweep = Sweep(**SWEEP)  # type: ignore[arg-type]
    parts = []
    for index in (1, 2):
        store = Store(tmp_path / f"part{index}", create=True)
        console = Console(Terminal(file=StringIO()))
        done_part = runner.execute(sweep, store, InThisProcess(), console, no_corpus, part=(index, 2))
        assert (done_part.exit_code, len(done_part.keys)) == (0, 2)
        parts.append(store)
    merge.merge(parts, tmp_path / "joined")

    local = answers(tmp_path / "local")
    assert len(local) == 4
    assert answers(tmp_path / "ray") == local
    assert answers(tmp_path / "joined") == local
    assert Store(tmp_path / "joined").named_sweeps() == Store(tmp_path / "local").named_sweeps()


def no_corpus(request: runner.Request, download: bool) -> None:
    raise AssertionError(request)


# -- addresses that do not answer --------------------------------------------------------------------------------------


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "7" * 64)


def refusal(address: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    arguments = ["--tasks", "adding", "--models", "lstm", "--lengths", "5", "--budget", "smoke", "--wandb", "off"]
    code = main([*arguments, "--engine", "ray", "--address", address, "--store", str(folder / "results")])
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    return line


@here
@pytest.mark.parametrize("address", ["nowhere", "ray://head:10001", "head:", ":6379", "head:port"])
def test_an_address_that_is_none(address: str, token: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(address, tmp_path, capsys)
    assert line == f"bench.run: --address expects HOST:PORT of the cluster's head, or auto, got {address!r}"


@here
def test_an_address_where_nobody_listens(token: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    line = refusal(f"127.0.0.1:{port}", tmp_path, capsys)
    assert line.startswith(f"bench.run: no cluster answers at --address 127.0.0.1:{port} (")
    assert line.endswith("Start one there with `ray start --head`.")
    assert time.monotonic() - began < _connection.CONNECT_SECONDS + 5


@here
def test_an_address_that_keeps_silent(
    token: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connection, "ANSWER_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        line = refusal(f"127.0.0.1:{port}", tmp_path, capsys)
    assert f"no cluster can be joined at --address 127.0.0.1:{port}: no answer within 2 s." in line
    assert time.monotonic() - began < 10


@here
def test_an_address_without_a_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("HOME", str(tmp_path))
    line = refusal("127.0.0.1:6379", tmp_path, capsys)
    assert line.startswith(
        "bench.run: a cluster needs a token, the same on every node: `ray get-auth-token --generate`"
    )


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with ClusterEngine(Surroundings()) as engine, pytest.raises(AddressError, match=r"pip install .*\[ray\]"):
        engine.check([])


# -- versions of the suite ---------------------------------------------------------------------------------------------


def test_a_fingerprint_is_of_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _connection.fingerprint()
    assert before == _connection.fingerprint.__wrapped__()
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"changed")
    assert before != _connection.fingerprint.__wrapped__()
