"""`import bench`: what notebooks and scripts call."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
import torch

import bench
from bench.__main__ import COMMANDS
from bench.records.errors import BenchError, UsageError
from bench.store import Store
from tests.support.factories import a_cell, a_result

SMALL = {"tasks": ["running_average", "adding"], "models": "rnn", "lengths": [6, 4], "steps": 20, "wandb": "off"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for command in COMMANDS.values():  # a module of the same name would hide a function of `bench`
        importlib.import_module(command)
    folder = tmp_path_factory.mktemp("api") / "results"
    frame = bench.measure(store=folder, workers=1, **SMALL)
    assert frame[["task", "length"]].to_numpy().tolist() == [
        ["adding", 4], ["adding", 6], ["running_average", 4], ["running_average", 6],
    ]  # fmt: skip
    return folder


def test_every_public_name_is_called(store: Path) -> None:
    held = bench.load(store)
    assert set(bench.__all__) == {"curves", "figure", "gradients", "load", "measure", "weights"}
    assert bench.figure("score", store).to_dict()
    assert not bench.weights(held["key"][0], store).training
    assert (held["status"] == "ok").all()
    curves = bench.curves(store)
    assert len(curves) == 4 * 20
    assert curves.groupby("key")["step"].max().tolist() == [20] * 4
    last = curves[curves["step"] == 20].set_index("key")["validation_score"]
    scores = held.set_index("key")["validation_score"]
    pandas.testing.assert_series_equal(last.sort_index(), scores.sort_index(), rtol=1e-4)
    gradients = bench.gradients(store)
    ends = gradients[(gradients["quantity"] == "input") & (gradients["step"] == 20)].groupby("key")["rate"].first()
    assert ends.to_dict() == pytest.approx(held.set_index("key")["gradient_rate"].to_dict(), nan_ok=True)


def test_a_figure_is_a_chart_that_shows_itself(store: Path) -> None:
    chart = bench.figure("score", store, tasks=["adding"], label={"rnn": "Elman"})
    spec = chart.to_dict()
    assert "Elman" in json.dumps(spec)
    assert "running_average" not in json.dumps(spec)
    assert chart._repr_mimebundle_()
    with pytest.raises(UsageError, match="no figure 'skor': did you mean score"):
        bench.figure("skor", store)


def test_a_rebuilt_model_scores_what_is_stored(store: Path) -> None:
    from tasks.adding import Adding

    row = next(bench.load(store).itertuples())
    model = bench.weights(row.key, store)
    task, errors = Adding(row.length), []
    held_out = task.held_out("test")
    with torch.no_grad():
        for number in range(len(held_out)):
            batch = held_out[number]
            errors.append(torch.nn.functional.mse_loss(model(batch)[:, 0], batch.targets).item())
    assert sum(errors) / len(errors) == pytest.approx(row.score, rel=1e-5)


def test_the_same_call_resumes_and_a_wider_one_adds(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = bench.load(store)
    assert bench.measure(store=store, workers=1, **SMALL).equals(before)
    wider = bench.measure(store=store, workers=1, **(SMALL | {"seeds": [0, 1], "tasks": "adding"}))
    assert wider["seed"].tolist() == [0, 1, 0, 1]


def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    """Workers are processes of their own; they must not run the script again."""
    script = tmp_path / "script.py"
    script.write_text(
        "import bench\n"
        "print('begun')\n"
        "print(bench.measure(tasks='adding', models='rnn', lengths=[4], steps=10, workers=1, wandb='off')['status'])\n"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, script.name], cwd=tmp_path, env=os.environ | {"PYTHONPATH": root}, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("begun") == 1
    assert "0    ok" in done.stdout


def test_rows_are_in_the_order_of_task_model_length(tmp_path: Path) -> None:
    made = Store(tmp_path, create=True)
    for model, length in (("rnn", 100), ("gru", 100), ("rnn", 10)):
        made.publish(a_result(a_cell(model=model, length=length)))
    assert bench.load(tmp_path)[["model", "length"]].to_numpy().tolist() == [["gru", 100], ["rnn", 10], ["rnn", 100]]


def test_bad_calls_say_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown key 'length'.*Did you mean 'lengths'"):
        bench.measure(length=10)
    Store(tmp_path, create=True)
    with pytest.raises(BenchError, match="no weights of cell 0123"):
        bench.weights("0123", tmp_path)


def test_one_word_reaches_every_command() -> None:
    from bench.__main__ import main

    for word in COMMANDS:
        assert main([word, "--help"]) == 0
    assert main([]) == main(["rnu"]) == 2
    assert main(["--version"]) == main(["list"]) == 0


def test_the_list_names_everything() -> None:
    command = [sys.executable, "-m", "bench.run", "--list"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    lines = text.splitlines()
    assert any(line.startswith("  selective_copying ") for line in lines)
    assert "    :reset=after            after or before" in lines
    assert max(map(len, lines)) <= 80 + 10, "a long default leaves room for what it accepts"
