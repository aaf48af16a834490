"""What a stranger asks for by mistake ends with one message that names the culprit, before anything is run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.run import main
from bench.store import Store
from tests.support import jobs
from tests.support.hostile import is_safe

ROOT = Path(__file__).parents[2]
TINY = ["--tasks", "copying", "--models", "gru", "--lengths", "10", "--steps", "2", "--workers", "1", "--wandb", "off"]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lengths", "10", "100"], "Separate the values of one flag by commas: --lengths 10,100"),
        (["--store", ""], "--store: expected the path of a folder, got ''"),
        (["--store", " "], "--store: expected the path of a folder, got ' '"),
        (["--data", ""], "--data: expected the path of a folder, got ''"),
        (["--shard", "1/1000000"], "--shard: expected at most 10,000 parts, got '1/1000000'"),
        (["--shard", "1/" + "9" * 5000], "--shard: "),
        (["--tasks", "char_lm:corpus=/a,b.txt"], 'goes into a file for --config, as in tasks = [{name = "char_lm"'),
        (["--tasks", "char_lm:corpus=/a,b"], "A value with a comma or a colon goes into a file for --config"),
        (["--tasks", "char_lm:corpus=/a:b.txt"], "cannot read option 'b.txt'"),
        (["--tasks", "/a/b.txt"], "'/a/b.txt' is no name: write name, name:option=value or package.module:Class"),
        (["--models", "gru\x1b[31m"], r"'gru\\x1b[31m' holds a control character"),
        (["--tasks", "char_lm:corpus=caf\udce9"], "a byte that is not UTF-8. Rename what it names"),
        (["--models", "\u202eurg"], r"unknown model: '\u202eurg'"),
    ],
)
def test_one_message(elsewhere: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--dry-run"]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert message in error
    assert is_safe(error)
    assert list(elsewhere.iterdir()) == []


def test_one_seed_is_that_seed(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--seeds", "5", "--dry-run"]) == 0
    assert "copying / gru / T10 / seed 5 / rate" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbflengths = [10]\r\ntasks = ['copying']\nmodels = ['gru']\n", None),
        ("lengths = [10]".encode("utf-16"), "is not valid TOML"),
        ("lengths = [10]".encode("utf-16-le"), "is not valid TOML"),
        (b"[sweep]\nlengths = [10]\n", "has a table [sweep]: expected its keys at the top, without tables"),
        (b"[tasks.char_lm]\ncorpus = 'x'\n", "--tasks: expected a list of names or of tables, got a table"),
        (b"[store]\nx = 1\n", "--store: input should be a valid string"),
        (b"lengths = [[10]]\n", "--lengths: expected whole numbers"),
        (b"lengths = " + b"[" * 50_000, "nested too deeply"),
        (b"models = [{name = 'lstm', layers = {a = 1}}]\n", "option 'layers' expects a number, text"),
    ],
)
def test_configurations(
    elsewhere: Path, content: bytes, message: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "sweep.toml").write_bytes(content)
    assert main(["--config", "sweep.toml", "--dry-run"]) == (2 if message else 0)
    assert (message or "") in capsys.readouterr().err


def test_any_corpus_path_through_a_configuration(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = []
    for name in ("a,b.txt", "a:b.txt", "a:b=c.txt", "a%3Ab.txt", "a b'\".txt", "‏ltr.txt"):
        path = elsewhere / name
        path.write_text("the cat sat on the mat. " * 500 + name, encoding="utf-8")
        shown = str(path).replace("\\", "\\\\").replace('"', '\\"')
        tasks.append(f'{{name = "char_lm", corpus = "{shown}"}}')
    (elsewhere / "sweep.toml").write_text(f"tasks = [{', '.join(tasks)}]\n", encoding="utf-8")
    assert main([*TINY[2:], "--config", "sweep.toml", "--store", "store"]) == 0
    written = capsys.readouterr()
    assert is_safe(written.out + written.err)
    assert [result.status for result in Store(elsewhere / "store").results()] == ["ok"] * 6


def test_a_corpus_without_anything_to_score_is_a_row(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The data's fault, not the command's: the other cells run, the split is named first, the way on at the end."""
    names, none = "Ann\tB-PER\nran\tO\n\n" * 9, "she\tO\nran\tO\n\n"
    (elsewhere / "own.txt").write_text((names + none) * 2, encoding="utf-8")
    (elsewhere / "sweep.toml").write_text(
        f"tasks = ['adding', {{name = 'ner', corpus = '{elsewhere / 'own.txt'}', lookahead = 1}}]\n", encoding="utf-8"
    )
    assert main(["--config", "sweep.toml", "--models", "gru", "--lengths", "4", *TINY[6:], "--store", "store"]) == 1
    results = {result.cell.task.partition(":")[0]: result for result in Store(elsewhere / "store").results()}
    assert {task: (result.status, result.score is None) for task, result in results.items()} == {
        "adding": ("ok", False),
        "ner": ("invalid", True),
    }
    first = str(results["ner"].error).splitlines()[0]
    assert first.startswith("own.txt: the test documents hold no entity (all their 4 tags are O), so no score can be")
    said = capsys.readouterr().out
    assert f"invalid  {first}" in said
    assert "1 cell failed: --retry-failed runs failed cells again." in said


POSITIONAL = """
from models.base import SequenceModel
class Model(SequenceModel):
    def __init__(self, spec, width: int = 3, **common):
        super().__init__(spec, **common)
"""
PARSES = "import argparse\nargparse.ArgumentParser().parse_args(['--no-such-flag'])\nclass Model: ...\n"
META = """
from torch import nn
from tests.support.examples import Mean
class Layer(nn.Linear):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.scale = WHAT
class Model(Mean):
    version = 1
    def __init__(self, spec, **common):
        super().__init__(spec, **common)
        self.assemble(lambda hidden: Layer(self.width, hidden), lambda body: int(body.out_features))
"""


@pytest.mark.parametrize(
    ("module", "text", "options", "message"),
    [
        (
            "by_position",
            POSITIONAL,
            ":width=4",
            "because Model.__init__ takes it by position",
        ),
        ("parses_on_import", PARSES, "", "importing parses_on_import ends the process"),
    ],
)
def test_a_class_of_ones_own(
    elsewhere: Path, module: str, text: str, options: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / f"{module}.py").write_text(text, encoding="utf-8")
    assert main([*TINY[:2], "--models", f"{module}:Model{options}", *TINY[4:], "--store", "store"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("what", ["self.weight.sum().item()", "self.weight.detach().numpy()", "self.weight.tolist()"])
def test_a_width_is_solved_where_a_layer_looks_at_its_numbers(elsewhere: Path, what: str) -> None:
    """On the meta device there are none: the width is counted in layers that are really built."""
    module = f"looks_{len(what)}"
    (elsewhere / f"{module}.py").write_text(META.replace("WHAT", what), encoding="utf-8")
    result = jobs.run(jobs.a_job(f"{module}:Model", "copying", 10, hidden=None, steps=2)).result
    assert (result.status, result.error) == ("ok", None)
    assert result.size is not None
    assert abs(result.size.parameters_body - 16_000) <= 11


def test_a_package_that_parses_on_import(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "parsing").mkdir()
    (elsewhere / "parsing" / "__init__.py").write_text("raise SystemExit('usage: …')\n", encoding="utf-8")
    assert main(["--models", "parsing.model:Model", "--dry-run"]) == 2
    assert "importing parsing ends the process (SystemExit: 'usage: …')" in capsys.readouterr().err


def run(folder: Path, *arguments: str, encoding: str = "utf-8", **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, in a folder."""
    variables: Mapping[str, str] = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, encoding=encoding, timeout=300)


@pytest.mark.parametrize("package", ["models", "tasks", "reports"])
@pytest.mark.parametrize("form", ["package", "file"])
def test_a_folder_of_ones_own_that_hides_ours(tmp_path: Path, package: str, form: str) -> None:
    if form == "file":
        (tmp_path / f"{package}.py").write_text("x = 1\n")
    else:
        (tmp_path / package).mkdir()
        (tmp_path / package / "net.py").write_text("x = 1\n")
        (tmp_path / package / "__init__.py").touch()
    ran = run(tmp_path, "-m", "bench.run", "--dry-run")
    assert ran.returncode == 2
    assert f"stands in for the package {package!r} of this suite" in ran.stderr
    assert "Rename it, or run from another folder" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, whose cells were measured on a terminal that knows ASCII only."""
    folder = tmp_path_factory.mktemp("measured")
    ran = run(folder, "-m", "bench.run", *TINY, "--store", "störe", encoding="ascii", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stderr) == (0, "")
    ran = run(folder, "-m", "reports", "störe", encoding="ascii", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stderr) == (0, "")
    return folder


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_any_terminal(measured: Path, encoding: str) -> None:
    again = ["bench.run", *TINY, "--store"]
    for command in (again, ["bench.status"], ["reports.table"], ["reports.gradients"]):
        ran = run(measured, "-m", *command, "störe", encoding=encoding, PYTHONIOENCODING=encoding)
        assert (ran.returncode, ran.stderr) == (0, ""), command
    assert run(measured, "-m", "bench.run", "--help", encoding=encoding, PYTHONIOENCODING=encoding).returncode == 0


@pytest.mark.parametrize(("redirected", "code"), [("| head -n 1", 0), ("> /dev/full", 1), (">&-", 0)])
def test_a_sweep_goes_on_storing_where_nobody_listens(tmp_path: Path, redirected: str, code: int) -> None:
    line = f"set -o pipefail; '{sys.executable}' -m bench.run {' '.join(TINY)} --seeds 0,1,2,3 {redirected}"
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=300)
    assert ran.returncode == code
    assert "Traceback" not in ran.stderr
    assert len(Store(tmp_path / "results").results()) == 4
