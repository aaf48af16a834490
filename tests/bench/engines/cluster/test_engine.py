"""The cluster engine on real nodes, all on this machine. Starting them takes seconds, so few tests do."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.engines.base import AddressError
from bench.engines.cluster import connection
from bench.engines.cluster.engine import ClusterEngine
from bench.records.job import Job, Source, Surroundings
from bench.run import main
from bench.store import Store
from bench.trial import trial
from tests.support.jobs import but_for_time

ROOT = Path(__file__).parents[4]
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
    done = python("-m", "tests.support.two_nodes", str(tmp_path))
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


SWEEP = "--tasks adding --models gru,lstm --lengths 6,12 --budget smoke --steps 4 --hidden 4"
SURROUNDINGS = "--accelerator cpu --workers 1 --wandb off"


def answers(path: Path) -> dict[str, tuple[dict[str, object], bytes]]:
    store = Store(path)
    return {result.cell.key: (but_for_time(result), store.weights(result.cell.key)) for result in store.answers()}


@here
def test_local_cluster_and_merged_shards_give_the_same_bits(tmp_path: Path) -> None:
    """By the command line throughout: the sweep whole, the sweep through Ray, and the sweep in two parts that know
    nothing of each other, joined."""
    asked = {"local": [], "ray": ["--engine", "ray"], "part-1": ["--shard", "1/2"], "part-2": ["--shard", "2/2"]}
    for name, flags in asked.items():
        done = python("-m", "bench.run", *SWEEP.split(), *SURROUNDINGS.split(), *flags, "--store", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
        assert "(raylet)" not in done.stdout + done.stderr
    parts = [tmp_path / "part-1", tmp_path / "part-2"]
    first, second = (answers(part) for part in parts)
    assert (len(first), len(second), first.keys() & second.keys()) == (2, 2, set()), "no cell twice"
    done = python("-m", "bench.merge", *map(str, parts), "--into", str(tmp_path / "joined"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'joined'}: 4 answers (4 new), 0 failures, 1 sweeps\n"

    local = answers(tmp_path / "local")
    assert len(local) == 4
    assert answers(tmp_path / "ray") == local
    assert answers(tmp_path / "joined") == local
    for name in ("ray", "joined"):
        assert Store(tmp_path / name).sweeps() == Store(tmp_path / "local").sweeps()
        assert not list(Store(tmp_path / name).attempts())


# -- corpora -----------------------------------------------------------------------------------------------------------


@here
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="makes paths that one process alone can open")
def test_nodes_get_corpora_that_only_the_driver_has(tmp_path: Path) -> None:
    draw = random.Random(0)
    words = "the of and a to in he was that it with as his on be at by I this had not are but from or have"
    text = draw.choices(words.split(), k=4000)
    (tmp_path / "book.txt").write_text(" ".join(text))
    tagged = [f"{word} {'B-PER' if word in ('he', 'I') else 'O'}" for word in text[:360]]
    documents = ["\n".join(tagged[first : first + 30]) for first in range(0, 360, 30)]
    (tmp_path / "tags.conll").write_text("\n\n".join(documents) + "\n")

    done = python("-m", "tests.support.carried", str(tmp_path))
    assert done.returncode == 0, done.stderr
    events = json.loads(done.stdout.splitlines()[-1])
    assert events["code"] == 0, events["said"]

    caches = [tmp_path / f"cache-{number}" / "bench-long-range" / "handed" for number in (1, 2)]
    kept = [{path.name: path.read_bytes() for path in cache.rglob("*") if path.is_file()} for cache in caches]
    assert all(kept), "both nodes had something to read"
    assert set().union(*kept) == {"700", "701", "python.txt"}
    for files in kept:
        assert files.get("700") in (None, (tmp_path / "book.txt").read_bytes())
        assert files.get("701") in (None, (tmp_path / "tags.conll").read_bytes())
    assert not (tmp_path / "cache-of-the-driver" / "bench-long-range" / "handed").exists()

    here_too = {"700": str(tmp_path / "book.txt"), "701": str(tmp_path / "tags.conll"), "python": "python"}
    answers = list(Store(tmp_path / "results").answers())
    assert len(answers) == 6
    for answer in answers:
        assert answer.cell.data is not None
        again = trial.run(Job(answer.cell, Source(here_too[answer.cell.data.name], None)), Surroundings())
        assert but_for_time(again.result) == but_for_time(answer)


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
    assert time.monotonic() - began < connection.CONNECT_SECONDS + 5


@here
def test_an_address_that_keeps_silent(
    token: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 2.0)
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
    before = connection.fingerprint()
    assert before == connection.fingerprint.__wrapped__()
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"changed")
    assert before != connection.fingerprint.__wrapped__()
