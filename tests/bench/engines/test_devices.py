"""GPUs as seen without torch, and slots on them with real processes: what a worker sees is all that needs a GPU."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from bench.engines.devices import visible
from bench.engines.local import LocalEngine
from bench.records.job import Surroundings
from tests.support.jobs import a_job

EXAMPLES = "tests.support.engine_examples"


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch that is built with CUDA."""
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.13.0")


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ("0", ["0"]),
        ("3, 1", ["3", "1"]),
        ("GPU-ab12,MIG-cd34", ["GPU-ab12", "MIG-cd34"]),
        ("", []),
        ("-1", []),
        ("1,-1,2", ["1"]),
        ("NoDevFiles", []),
    ],
)
def test_the_environment_says_which(stated: str, found: list[str], cuda: None, tmp_path: Path) -> None:
    assert visible({"CUDA_VISIBLE_DEVICES": stated}, tmp_path) == found


@pytest.mark.parametrize("count", range(9))
def test_else_the_device_files_are_counted(count: int, cuda: None, tmp_path: Path) -> None:
    for name in [*(f"nvidia{number + 3}" for number in range(count)), "nvidiactl", "nvidia-uvm", "null"]:
        (tmp_path / name).touch()
    assert visible({}, tmp_path) == [str(number) for number in range(count)], "CUDA numbers what it sees from 0"


def test_a_torch_without_cuda_sees_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.13.0+cpu")
    assert visible({"CUDA_VISIBLE_DEVICES": "0"}, tmp_path) == []


def test_each_worker_sees_its_own_gpu_and_a_starved_cell_runs_again(tmp_path: Path) -> None:
    """On the CPU, but with the environment of two GPUs."""
    folders = [tmp_path / name for name in ("0", "1", "starved")]
    for folder in folders:
        folder.mkdir()
    models = [f"{EXAMPLES}:Marks:marks={folder}:pause=100" for folder in folders[:2]]
    models.append(f"{EXAMPLES}:StarvesOnce:marks={folders[2]}")
    jobs = [a_job(model, steps=2) for model in models]
    with LocalEngine(Surroundings(accelerator="cpu"), workers=2, devices=["GPU-a", "GPU-b"]) as engine:
        outcomes = list(engine.run(jobs))
    assert [finished.result.status for finished in outcomes] == ["ok"] * 3
    seen = [[mark.read_text() for mark in folder.iterdir()] for folder in folders]
    assert sorted(seen[0] + seen[1]) == ["GPU-a", "GPU-b"]
    assert len(seen[2]) == 2, "once beside others, once alone"
    assert set(seen[2]) <= {"GPU-a", "GPU-b"}
