"""The first README's own model runs on as it stands, its own task once its two private imports are replaced.

Both are kept here word for word. One message shows how the imports read today, before anything runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

MODEL = '''# mypackage/mymodule.py
import torch.nn.functional as F
from torch import Tensor, nn

from models.base import SequenceModel
from tasks.base import Spec


class MyModel(SequenceModel):
    """f_t = ReLU(W · [x_{t−K+1} … x_t] + b): a model that sees the last K steps and nothing before."""

    def __init__(self, spec: Spec, *, window: int = 8, **common) -> None:
        super().__init__(spec, **common)
        self.window = window
        self.assemble(lambda hidden: nn.Conv1d(self.width, hidden, window), lambda body: body.out_channels)

    def encode(self, x: Tensor, read: Tensor) -> Tensor:  # (batch, time, width), (batch, time) -> (reads, features)
        x = F.pad(x.transpose(1, 2), (self.window - 1, 0))
        return self.pick(self.body(x).relu().transpose(1, 2), read)
'''

TASK = '''# mypackage/mytask.py
import torch

from tasks._objectives import SquaredError
from tasks._synthetic import SyntheticTask
from tasks.base import Batch, Features, Spec


class FirstValue(SyntheticTask):
    """T numbers from U[0, 1]; after the last, the first is asked for. length T: how many."""

    minimum_length = 2

    def __init__(self, length: int, **common) -> None:
        super().__init__(length, **common)
        self.spec = Spec(inputs=Features(1), outputs=1, reads="last", objective=SquaredError())
        self.chance, self.best, self.solved_threshold = 1 / 12, 0.0, 0.001  # chance: the variance of U[0, 1]

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        values = torch.rand(batch_size, self.length, 1, generator=generator)
        return Batch(inputs=values, targets=values[:, 0, 0], read=self.read_last(batch_size, self.length, 1))
'''

PRIVATE = {
    "from tasks._objectives import SquaredError": "from tasks.base import SquaredError",
    "from tasks._synthetic import SyntheticTask": "from tasks.base import SyntheticTask",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a package of one's own."""
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage" / "mymodule.py").write_text(MODEL, "utf-8")
    (tmp_path / "mypackage" / "mytask.py").write_text(TASK, "utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "bench.run", "--lengths", "10", "--budget", "smoke", "--steps", "2", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((folder / "results" / "cells").glob("*.json"))]


def test_the_private_imports_end_in_one_message_that_shows_the_new_form(folder: Path) -> None:
    refused = run(folder, "--tasks", "mypackage.mytask:FirstValue", "--models", "rnn")
    assert (refused.returncode, refused.stdout) == (2, "")
    first, *lines = refused.stderr.splitlines()
    assert first.startswith("bench.run: ")
    assert first.endswith("mytask.py imports from modules that have moved:")
    assert lines == [f"  line {4 + i}: `{old}` is now `{new}`" for i, (old, new) in enumerate(PRIVATE.items())]
    assert records(folder) == [], "nothing ran"


def test_the_model_and_the_task_with_its_new_imports_run_together(folder: Path) -> None:
    renewed = TASK
    for old, new in PRIVATE.items():
        renewed = renewed.replace(old, new)
    (folder / "mypackage" / "mytask.py").write_text(renewed, "utf-8")
    done = run(folder, "--tasks", "adding,mypackage.mytask:FirstValue",
               "--models", "mypackage.mymodule:MyModel,mypackage.mymodule:MyModel:window=4")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = records(folder)
    assert [record["status"] for record in found] == ["ok"] * 4, [record["error"] for record in found]
    assert {(record["cell"]["task"], record["cell"]["model"]) for record in found} == {
        (task, model)
        for task in ("adding", "mypackage.mytask:FirstValue")
        for model in ("mypackage.mymodule:MyModel", "mypackage.mymodule:MyModel:window=4")
    }
    assert {record["score"]["chance"] for record in found if "mytask" in record["cell"]["task"]} == {1 / 12}
