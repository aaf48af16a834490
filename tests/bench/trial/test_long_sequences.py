"""What is measured inside of a model stays bounded at any length: the last steps, from the state before them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.engines.worker import ALLOCATOR
from bench.probes import flow as gradients
from bench.probes import jacobians, probing
from bench.records.job import Surroundings
from bench.trial import build, trial
from models.gru import GRU
from models.lstm import LSTM
from models.rnn import RNN
from models.transformer import Transformer
from tasks.adding import Adding
from tasks.base import Task
from tasks.running_average import RunningAverage
from tests.support.jobs import a_job

TIME, FOLLOWED = 60, 17
MODELS = [(RNN, {}), (GRU, {}), (GRU, {"reset": "before"}), (LSTM, {}), (LSTM, {"layers": 2})]
ALL = pytest.mark.parametrize(("model", "options"), MODELS, ids=lambda value: getattr(value, "__name__", str(value)))
TASKS = pytest.mark.parametrize("task", [Adding(TIME), RunningAverage(TIME)], ids=["adding", "running_average"])


@ALL
@TASKS
def test_gradient_flow_of_the_last_steps_is_that_of_the_whole(
    model: Any, options: Any, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    built = model(task.spec, hidden=5, **options)
    batch = task.probe_batch(3)
    whole = gradients.measure(built, task, batch)
    monkeypatch.setattr(probing, "FOLLOWED", FOLLOWED)
    last = gradients.measure(built, task, batch)
    assert (whole.start, last.start) == (0, TIME - FOLLOWED)
    assert last.distances == list(range(FOLLOWED))
    assert last.reach == whole.reach == TIME - 1
    assert last.loss_weight == pytest.approx(whole.loss_weight, rel=1e-9)
    assert whole.credit_alignment is not None
    assert last.credit_alignment is None
    assert last.profiles.keys() == whole.profiles.keys()
    for name, profile in last.profiles.items():
        of_whole = whole.profiles[name]
        assert profile.log10_median == pytest.approx(of_whole.log10_median[:FOLLOWED], abs=1e-9), name
        assert profile.log10_mean == pytest.approx(of_whole.log10_mean[:FOLLOWED], abs=1e-9), name


def test_training_may_cut_its_gradient_the_probe_does_not() -> None:
    task = RunningAverage(TIME)
    built = LSTM(task.spec, hidden=5)
    batch = task.probe_batch(3)
    whole = gradients.measure(built, task, batch)
    build.truncate(built, 4)
    assert gradients.measure(built, task, batch) == whole
    assert None not in whole.profiles["input"].log10_median


def test_a_model_that_carries_no_state_is_followed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Adding(TIME)
    built = Transformer(task.spec, hidden=4, heads=2)
    batch = task.probe_batch(2)
    whole = gradients.measure(built, task, batch)
    monkeypatch.setattr(probing, "FOLLOWED", FOLLOWED)
    assert gradients.measure(built, task, batch) == whole
    assert jacobians.measure(built, batch) is None


@ALL
def test_jacobians_of_the_last_steps_are_those_of_the_whole(
    model: Any, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = RunningAverage(TIME)
    built = model(task.spec, hidden=5, **options)
    batch = task.probe_batch(2)
    monkeypatch.setattr(jacobians, "DECOMPOSED", TIME)
    whole = jacobians.measure(built, batch)
    monkeypatch.setattr(jacobians, "ALONG", FOLLOWED)
    last = jacobians.measure(built, batch)
    assert whole is not None
    assert last is not None
    assert last.steps == list(range(TIME - FOLLOWED, TIME))
    for name in ("lowest", "median", "highest"):
        assert getattr(last, name) == pytest.approx(getattr(whole, name)[-FOLLOWED:], rel=1e-6, abs=1e-9)


def test_the_record_says_how_far_was_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    job = a_job("gru", task="running_average", length=TIME, probes=3)
    assert trial.run(job, Surroundings()).result.notes == ()
    monkeypatch.setattr(probing, "FOLLOWED", FOLLOWED)
    result = trial.run(job, Surroundings()).result
    (note,) = result.notes
    assert note.startswith("gradient flow was followed back 16 steps from the answer, not to the first step")
    assert [flow.distances[-1] for flow in result.gradient_flow] == [16, 16]


def test_of_a_large_state_fewer_steps_are_looked_at_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step's cost grows with the cube of the state's numbers; here there are 4."""
    job = a_job("gru", task="running_average", length=TIME, probes=3)
    monkeypatch.setattr(jacobians, "ALONG", TIME)
    for usual in (4, 3, 2):
        along = round(TIME * (usual / 4) ** 3)
        monkeypatch.setattr(jacobians, "USUAL", usual)
        result = trial.run(job, Surroundings()).result
        assert result.jacobians[-1].steps[0] == TIME - along
        assert result.notes == ()
    monkeypatch.setattr(jacobians, "LARGEST", 3)
    result = trial.run(job, Surroundings()).result
    assert result.jacobians == ()
    assert result.notes == ("no Jacobians: they are taken of states of up to 3 numbers, got 4",)


# -- evaluation --------------------------------------------------------------------------------------------------------

LONG = 36_000  # one array over all steps, of 8 sequences and 128 features, then takes more than the allocator keeps


@pytest.mark.skipif(platform.system() != "Linux", reason="reads what the kernel knows of a process's memory")
def test_evaluating_long_sequences_takes_one_array_of_features_and_gives_it_back() -> None:
    """Whole sequences at once take 2 to 9 such arrays; an allocator that keeps large ones, or pieces of one that lie
    between other things, holds on to one after every batch."""
    root = Path(__file__).parents[3]
    own = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.long_evaluation", str(LONG), "1"],
        cwd=root,
        env=own | ALLOCATOR | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(seen) == 6
    for each in seen:
        array = each["array"]
        assert array > 128
        most = array / 2 if each["task"] == "adding" else 1.5 * array
        assert each["peak"] < most, each
        assert max(each["kept"]) < 0.7 * array, each
