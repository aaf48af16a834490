from __future__ import annotations

import contextlib
from typing import cast

import pytest
import torch
from lightning import Trainer

from bench.trial import stopwatch
from bench.trial.recorder import Recorder
from bench.trial.stopwatch import PARTS, Stopwatch
from models.base import SequenceModel
from tasks.adding import Adding
from tasks.base import Evaluation
from tests.support.factories import a_recipe


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stopwatch, "time", clock)
    return clock


def test_time_belongs_to_the_part_that_was_entered(clock: Clock) -> None:
    watch = Stopwatch()
    for part, seconds in (("data", 1.0), ("train", 2.0), ("data", 4.0), ("evaluation", 8.0), ("train", 16.0)):
        clock.now += seconds
        watch.enter(part)
    clock.now += 32.0
    found = watch.seconds()
    assert (found.start_up, found.data, found.train, found.evaluation, found.probe) == (1.0, 10.0, 36.0, 16.0, 0.0)
    assert found.total == 63.0
    clock.now += 1.0
    assert watch.seconds().total == 64.0, "asking does not stop the clock"


def test_a_part_inside_another(clock: Clock) -> None:
    watch = Stopwatch()
    watch.enter("train")
    clock.now += 1.0
    with contextlib.suppress(RuntimeError), watch.during("probe"):
        clock.now += 2.0
        raise RuntimeError
    clock.now += 4.0
    found = watch.seconds()
    assert (found.train, found.probe) == (5.0, 2.0), "also where the probe raises"


def test_the_rate_counts_training_alone(clock: Clock) -> None:
    watch = Stopwatch()
    assert watch.steps_per_second(0) is None
    for part, seconds in (("train", 3.0), ("evaluation", 2.0), ("probe", 9.0)):
        clock.now += seconds  # of the part before
        watch.enter(part)
    assert watch.steps_per_second(20) == 10.0


def test_a_state_goes_on_without_the_time_between(clock: Clock) -> None:
    first = Stopwatch()
    first.enter("train")
    clock.now += 5.0
    state = first.state()
    clock.now += 1000.0
    second = Stopwatch()
    clock.now += 1.0
    second.restore(state)
    assert second.started == first.started
    found = second.seconds()
    assert (found.total, found.train, found.start_up) == (6.0, 5.0, 1.0)
    assert state["spent"]["train"] == 5.0, "the state is a copy: the first goes on"
    assert set(state["spent"]) == set(PARTS)


def test_what_a_recorder_counts_for_what(clock: Clock) -> None:
    seen = Recorder(a_recipe(steps=50, probes=0), Adding(6))
    trainer, model, batch = cast(Trainer, _Trainer()), _Model(), Adding(6).probe_batch(2)
    clock.now += 5.0
    seen.on_train_start(trainer, model)
    clock.now += 7.0  # drawing data
    seen.on_train_batch_start(trainer, model, batch, 0)
    clock.now += 0.5
    outputs = {"first_step": 0, "curves": torch.ones(3, 5), "parameter_norms": {}}
    seen.on_train_batch_end(trainer, cast(SequenceModel, model), outputs, batch, 0)
    seen.on_validation_start(trainer, model)
    clock.now += 9.0
    seen.on_validation_end(trainer, model)
    assert seen.watch.steps_per_second(seen.seen.steps) == 10.0
    assert seen.watch.seconds().model_dump(include={"start_up", "data", "train", "evaluation"}) == {
        "start_up": 5.0, "data": 7.0, "train": 0.5, "evaluation": 9.0,
    }  # fmt: skip


class _Trainer:
    should_stop = False
    global_step = 5


class _Model:
    evaluation = Evaluation(0.5, 1, ((0.5, 1.0),), {})
