"""Nothing that comes as data is ever run, and no secret is ever written: RELIABILITY rows 17 and 19. What comes by
download (row 16) is tested in tests/tasks/corpora/test_download.py."""

from __future__ import annotations

import ast
import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch

from bench.run import main
from bench.store import Store, StoreError
from bench.store.sealed import decode, seal
from tests.reliability.runners import ROOT
from tests.support.factories import a_cell, a_result

# Modules whose reading runs code that comes with the data.
EXECUTING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "jsonpickle"}
BUILTINS = {"eval", "exec", "compile", "__import__"}


def trees() -> Iterator[tuple[str, ast.AST]]:
    for package in ("bench", "tasks", "models", "reports"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"))


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {name.name.partition(".")[0] for name in node.names}
    return {(node.module or "").partition(".")[0]} if isinstance(node, ast.ImportFrom) else set()


def faults(tree: ast.AST) -> Iterator[str]:
    """What could run code that comes as data."""
    for node in ast.walk(tree):
        yield from (f"imports {name}" for name in imported(node) & EXECUTING)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called in BUILTINS:
            yield f"calls {called}"
        if called == "safetensors.torch.load":  # numbers and names, nothing that runs
            continue
        if called.endswith(("torch.load", "load_from_checkpoint")) and keywords.get("weights_only") != "True":
            yield f"calls {called} without weights_only=True"
        if keywords.get("allow_pickle") == "True" or keywords.get("shell") == "True":
            yield f"calls {called} with {keywords}"


def test_no_source_of_ours_runs_what_comes_as_data() -> None:
    """Row 17."""
    found = [f"{name}: {fault}" for name, tree in trees() for fault in faults(tree)]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from yaml import load", "torch.load(path)", "torch.load(path, weights_only=False)", "eval(x)",
        "def f():\n    import joblib.parallel", "numpy.load(path, allow_pickle=True)", "run(words, shell=True)",
    ],
)  # fmt: skip
def test_the_check_of_sources_finds(source: str) -> None:
    assert list(faults(ast.parse(source)))


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.mark,))


def test_a_pickle_in_the_place_of_weights_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    bomb = pickle.dumps(Bomb(mark))
    store = Store(tmp_path / "results", create=True)
    store.publish(a_result(), bomb)
    with pytest.raises(StoreError, match="is not what its record says"):
        store.weights(a_cell().key)
    forged = a_result(a_cell(seed=1), weights_sha256=hashlib.sha256(bomb).hexdigest())
    store.publish(forged, bomb)
    with pytest.raises(Exception, match=r"[Hh]eader"):
        safetensors.torch.load(store.weights(forged.cell.key))
    assert not mark.exists()
    pickle.loads(bomb)
    assert mark.exists(), "the bomb was live"


@pytest.mark.parametrize("content", ["[1]", "{}", '{"schema_number":1,"cell":"os:system"}', "[" * 10_000, "null", "\0"])
def test_a_forged_record_is_refused(tmp_path: Path, content: str) -> None:
    """A checksum anyone can compute: what it covers is still only data."""
    store = Store(tmp_path, create=True)
    body = content.encode()[1:] + b"\n"
    line = b'{"checksum":"' + hashlib.sha256(body).hexdigest().encode() + b'",' + body
    (tmp_path / "cells" / "00.json").write_bytes(line)
    assert store.results() == []
    assert [path.name for path in store.corrupt] == ["00.json"]
    with pytest.raises(StoreError, match="cannot be read"):
        decode(line)


def test_names_in_a_record_are_never_imported(tmp_path: Path) -> None:
    """A record says `package.module:Class`; reading it must not look for that."""
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()\n")
    store = Store(tmp_path / "results", create=True)
    store.publish(a_result(a_cell(model="trap:Model", task="trap:Task")))
    code = "import bench; print(len(bench.load('results')))"
    path = f"{ROOT}{os.pathsep}{tmp_path}"
    for command in (["-c", code], ["-m", "bench.status", "results"]):
        run = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, timeout=60
        )
        assert run.returncode == 0
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "text",
    [
        "tasks = !!python/object/apply:os.system ['touch executed']",
        "tasks = ['''__import__('os').system('touch executed')''']",
        'lengths = \'__import__("os").system("touch executed")\'',
        "models = [{name = 'rnn', layers = '__import__(\"os\")'}]",
    ],
)
def test_a_hostile_configuration_is_only_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hostile.toml").write_text(text)
    assert main(["--config", "hostile.toml", "--dry-run"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not Path("executed").exists()


# -- secrets -----------------------------------------------------------------------------------------------------------

CANARY = "c4n4ry" * 7  # of a W&B key's length


def test_no_secret_reaches_any_output(tmp_path: Path) -> None:
    """Row 19: a key in the environment, in argv and in netrc; then every byte written is searched. With W&B, which has
    a test of its own, off."""
    home, work = tmp_path / "home", tmp_path / "work"
    for folder in (home, work):
        folder.mkdir()
    (home / ".netrc").write_text(f"machine api.wandb.ai login user password {CANARY}\n")
    (home / ".netrc").chmod(0o600)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BENCH_", "WANDB_"))}
    secrets = {"WANDB_API_KEY": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY, "TOKEN": CANARY, "WANDB_MODE": "disabled"}
    environment = kept | secrets | {"HOME": str(home), "PYTHONPATH": str(ROOT)}
    models = "rnn,tests.support.examples:Raises,tests.support.examples:Aborts"
    sizes = ["--tasks", "adding", "--lengths", "4", "--hidden", "4", "--steps", "10", "--workers", "2"]
    output = b""
    for code, command in (
        (1, ["bench.run", *sizes, "--models", models]),
        (1, ["bench.status", "results"]),
        (0, ["bench.doctor", "--store", "results"]),
    ):
        run = subprocess.run(
            [sys.executable, "-X", f"secret={CANARY}", "-m", *command],
            cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200,
        )  # fmt: skip
        assert run.returncode == code, run.stdout.decode()
        output += run.stdout
    files = [path for path in work.rglob("*") if path.is_file()]
    assert len(files) >= 4
    found = [str(path) for path in files if CANARY.encode() in path.read_bytes() or CANARY in path.name]
    assert found == []
    assert CANARY.encode() not in output


def test_the_search_would_find_it(tmp_path: Path) -> None:
    Store(tmp_path, create=True).publish(a_result(notes=(CANARY,)))
    assert any(CANARY.encode() in path.read_bytes() for path in tmp_path.rglob("*.json"))
    assert CANARY.encode() in seal({"key": CANARY})
