"""One sweep in several parts, and the flags that spread it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bench.cli.settings import Settings
from bench.records.sweep import Sweep
from bench.run import main
from bench.runner.plan import plan, share

SCALING = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text("utf-8")
TINY = ["--tasks", "adding", "--models", "lstm,gru", "--lengths", "10,20,40", "--budget", "smoke"]


def labels(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main([*TINY, *arguments, "--dry-run"]) == 0
    return [line.partition(":")[0] for line in capsys.readouterr().out.splitlines() if " steps × " in line]


@pytest.mark.parametrize("count", [1, 2, 4, 6, 9])
def test_the_parts_are_the_sweep(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    whole = labels([], capsys)
    parts = [labels(["--shard", f"{index}/{count}"], capsys) for index in range(1, count + 1)]
    assert sorted(label for part in parts for label in part) == sorted(whole)
    assert len(whole) == 6
    assert parts == [labels(["--shard", f"{index}/{count}"], capsys) for index in range(1, count + 1)]


def test_the_part_of_a_cell_does_not_depend_on_what_is_stored_or_where() -> None:
    planned = plan(Sweep())
    assert share(planned, (2, 3)) == share(plan(Sweep()), (2, 3))
    assert share(planned, None) == planned


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--shard", "3/2"], "--shard: expected I/N with I from 1 to N, as in 2/8, got '3/2'"),
        (["--shard", "0/2"], "--shard: expected I/N with I from 1 to N, as in 2/8, got '0/2'"),
        (["--shard", "half"], "--shard: expected I/N with I from 1 to N, as in 2/8, got 'half'"),
        (["--shard", "1/0"], "--shard: expected I/N with I from 1 to N, as in 2/8, got '1/0'"),
        (["--address", "head:6379"], "--address is where a Ray cluster answers: add --engine ray, or leave it out"),
        (["--cells-per-gpu", "0"], "--cells-per-gpu: input should be greater than or equal to 1, got 0"),
        (
            ["--cells-per-gpu", "2", "--accelerator", "cpu"],
            "--cells-per-gpu and --accelerator cpu exclude each other: leave one of them out",
        ),
        (
            ["--cells-per-gpu", "2", "--workers", "2"],
            "--cells-per-gpu and --workers exclude each other: both say how many cells run at a time",
        ),
        (["--engine", "rai"], "--engine: input should be 'local' or 'ray', got 'rai'. Did you mean 'ray'?"),
    ],
)
def test_bad_input_is_one_message(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, *flags]) == 2
    assert capsys.readouterr().err == f"bench.run: {message}\n"


def test_a_gpu_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert main([*TINY, "--accelerator", "gpu", "--store", str(tmp_path / "results")]) == 2
    assert capsys.readouterr().err.startswith("bench.run: --accelerator gpu: no NVIDIA GPU")


@pytest.mark.parametrize("gpus", range(1, 9))
def test_as_many_workers_as_slots(gpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import run
    from bench.engines import devices

    monkeypatch.setattr(devices, "visible", lambda: [str(number) for number in range(gpus)])
    assert run.workers_of(Settings()) == gpus
    assert run.workers_of(Settings(cells_per_gpu=3)) == 3 * gpus
    assert run.workers_of(Settings(workers=5)) == 5
    monkeypatch.setattr(run.os, "sched_getaffinity", lambda process: set(range(11)))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert run.workers_of(Settings(accelerator="cpu")) == 11


# -- what docs/scaling.md shows ----------------------------------------------------------------------------------------


def scripts() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", SCALING, re.MULTILINE | re.DOTALL)


def test_the_job_array_that_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    (script,) = [text for text in scripts() if "#SBATCH" in text]
    assert len(script.splitlines()) <= 10
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    (count,) = re.findall(r"--array=1-(\d+)", script)
    (line,) = [line for line in script.splitlines() if "bench.run" in line]
    arguments = line.replace("$SLURM_ARRAY_TASK_ID", count).replace('"', "").split("bench.run ")[1].split()
    assert arguments[arguments.index("--shard") + 1] == f"{count}/{count}"
    assert main([*arguments, "--dry-run"]) == 0
    assert "Nothing was run." in capsys.readouterr().out


def test_the_cluster_that_is_shown_has_five_lines(capsys: pytest.CaptureFixture[str]) -> None:
    (script,) = [text for text in scripts() if "ray start" in text]
    assert len(script.splitlines()) == 5
    assert main([*script.splitlines()[-1].partition("  #")[0].split("bench.run ")[1].split(), "--dry-run"]) == 0
    assert "Nothing was run." in capsys.readouterr().out
