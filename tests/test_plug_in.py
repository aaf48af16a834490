"""One new file is a new task, one new file is a new model: they appear everywhere, with no other edit."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

TASK = '''"""The first value of a sequence, asked for at its end."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator

from tasks.base import Reads, Batch, Features, Spec, SquaredError, SyntheticTask


class Recollection(SyntheticTask):
    """Answer the first value after `length` steps. chance: the variance, 1."""

    version = 1
    minimum_length = 2

    def __init__(self, length: int, *, scale: float = 1.0, **common: Any) -> None:
        super().__init__(length, **common)
        self.scale = scale
        self.spec = Spec(inputs=Features(1), outputs=1, objective=SquaredError())
        self.chance = scale**2
        self.best = 0.0
        self.solved_threshold = 0.01 * self.chance

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        inputs = self.scale * torch.randn(batch_size, self.length, 1, generator=generator)
        return Batch(inputs, inputs[:, 0, 0], self.read_last(batch_size, self.length, 1))
'''

MODEL = '''"""The newest input, and nothing of the past."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from models.base import SequenceModel
from tasks.base import Spec


class Forgetful(SequenceModel):
    """f_t = relu(W x_t + b)."""

    version = 1
    documented_learning_rate = 0.02

    def __init__(self, spec: Spec, *, leak: float = 0.0, **common: Any) -> None:
        super().__init__(spec, **common)
        self.activation = nn.LeakyReLU(leak)
        self.assemble(lambda hidden: nn.Linear(self.width, hidden), lambda body: int(body.out_features))

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.activation(self.body(x)), reads)
'''


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the suite with one more task and one more model."""
    root = tmp_path_factory.mktemp("tree")
    for package in ("bench", "tasks", "models", "reports"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "tasks" / "recollection.py").write_text(TASK)
    (root / "models" / "forgetful.py").write_text(MODEL)
    return root


def python(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tree), "PYTHONPATH": str(tree), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=tree, env=environment, capture_output=True, text=True, timeout=200
    )


def test_the_command_line_knows_them(tree: Path) -> None:
    asked = ["--tasks", "recoll:scale=2", "--models", "forg", "--lengths", "5"]
    looked = python(tree, "-m", "bench.run", "--dry-run", *asked)
    assert looked.stderr == ""
    assert looked.stdout.startswith("recollection:scale=2.0 / forgetful / T5 / seed 0 / rate 0.02: ")
    for arguments, message in (
        (["--tasks", "recolection"], "unknown task: 'recolection'. Did you mean 'recollection'?"),
        (["--models", "forgotful"], "unknown model: 'forgotful'. Did you mean 'forgetful'?"),
        (["--models", "forgetful:leek=1"], "unknown option of model forgetful: 'leek'. Did you mean 'leak'?"),
        (["--tasks", "recollection", "--lengths", "1"], "task recollection: length must be at least 2, got 1."),
    ):
        refused = python(tree, "-m", "bench.run", "--dry-run", *arguments)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert message in refused.stderr


def test_nothing_else_changes(tree: Path) -> None:
    """What is discovered beside the five tasks and models is opt-in."""
    looked = python(tree, "-m", "bench.run", "--dry-run")
    assert looked.stdout.splitlines()[-1].startswith("75 cells")
    assert "recollection" not in looked.stdout


def test_a_sweep_measures_them_and_the_table_shows_them(tree: Path) -> None:
    ran = python(
        tree, "-m", "bench.run", "--budget", "smoke", "--tasks", "recollection,adding", "--models", "forgetful,rnn",
        "--lengths", "6", "--workers", "1", "--wandb", "off",
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "4 cells: 0 stored, 4 to run on 1 workers" in ran.stdout
    table = ran.stdout.partition("[4/4]")[2]
    assert "recollection" in table
    assert "forgetful" in table

    shown = python(tree, "-m", "reports.table", "results", "--by", "cell", "--format", "csv")
    assert shown.returncode == 0, shown.stderr
    rows = list(csv.DictReader(io.StringIO(shown.stdout)))
    assert {(row["task"], row["model"]) for row in rows} == {
        (task, model) for task in ("recollection", "adding") for model in ("forgetful", "rnn")
    }
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["chance"] for row in rows if row["task"] == "recollection"} == {"1.0"}


def test_the_contract_of_all_tasks_is_tested_of_it_too(tree: Path) -> None:
    shutil.copytree(ROOT / "tests", tree / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / file, tree / file)
    tested = python(tree, "-m", "pytest", "tests/tasks/test_contract.py", "-k", "recollection")
    assert tested.returncode == 0, tested.stdout
    assert int(tested.stdout.splitlines()[-1].partition(" passed")[0].split()[-1]) >= 10
