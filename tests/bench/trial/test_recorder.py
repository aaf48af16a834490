from __future__ import annotations

import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning import Trainer

from bench.trial.recorder import Recorder
from models.base import SequenceModel
from tasks.adding import Adding
from tasks.base import Batch, Block, Evaluation
from tests.support.factories import a_recipe, a_result


def a_recorder(**recipe: Any) -> Recorder:
    return Recorder(a_recipe(**({"probes": 0} | recipe)), Adding(6))


class FakeTrainer:
    """As much of a Trainer as the hooks touch."""

    should_stop = False
    global_step = 0


def validate(seen: Recorder, *scores: float) -> FakeTrainer:
    """Validations every 10 steps with these scores; the trainer after the last."""
    trainer = FakeTrainer()
    for score in scores:
        seen.seen.steps += 10
        model = SimpleNamespace(evaluation=Evaluation(score, 1, ((score, 1.0),), {}))
        seen.on_validation_end(cast(Trainer, trainer), model)
    return trainer


def step(
    seen: Recorder,
    trainer: FakeTrainer,
    losses: list[float],
    norms: list[float] | None = None,
    clipped: list[bool] | None = None,
) -> None:
    batch = Batch(torch.zeros(4, 6, 2), torch.zeros(4), torch.ones(4, 6, dtype=torch.bool))
    block = Block([batch] * len(losses))
    first = trainer.global_step
    trainer.global_step += len(losses)
    outputs = {
        "curves": torch.tensor([losses, norms or losses, clipped or [False] * len(losses)], dtype=torch.float64),
        "parameter_norms": {s: torch.tensor([1.0, 2.0]) for s in range(first, trainer.global_step) if s % 25 == 0},
    }
    seen.on_train_batch_start(cast(Trainer, trainer), None, block, 0)
    seen.on_train_batch_end(cast(Trainer, trainer), cast(SequenceModel, None), outputs, block, 0)


def start(seen: Recorder) -> FakeTrainer:
    trainer = FakeTrainer()
    seen.on_train_start(cast(Trainer, trainer), None)
    return trainer


# -- solved and diverged -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "solved_at"),
    [
        ((0.5, 0.009, 0.009), 20),
        ((0.009, 0.009), 10),
        ((0.01, 0.01), 10),
        ((0.009,), None),
        ((0.5, 0.009), None),
        ((0.009, 0.5, 0.009), None),
        ((0.011, 0.011), None),
    ],
)
def test_two_validations_in_a_row_solve(scores: tuple[float, ...], solved_at: int | None) -> None:
    seen = a_recorder()
    trainer = validate(seen, *scores)
    assert seen.solved_at == solved_at
    assert trainer.should_stop is (solved_at is not None)
    assert seen.seen.validated == 10 * len(scores)
    assert not seen.diverged


def test_a_cell_that_never_stops_keeps_the_step_at_which_it_was_solved() -> None:
    seen = a_recorder(stop="never")
    trainer = validate(seen, 0.5, 0.009, 0.009, 0.5, 0.009, 0.009)
    assert seen.solved_at == 20
    assert not trainer.should_stop
    assert a_result(solved_at_step=seen.solved_at).outcome == "solved"


def test_the_step_at_which_it_was_solved_is_known_across_processes() -> None:
    seen = a_recorder(stop="never")
    validate(seen, 0.009, 0.009, 0.5)
    later = a_recorder(stop="never")
    later.restore(seen.state(), cast(SequenceModel, None))
    validate(later, 0.5)
    assert later.solved_at == 10


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_validation_that_is_no_number_is_divergence(score: float) -> None:
    seen = a_recorder()
    trainer = validate(seen, 0.5, score)
    assert seen.diverged
    assert trainer.should_stop
    assert seen.curves([]).validation == ((10, 0.5), (20, None))


@pytest.mark.parametrize(
    ("losses", "norms"), [([1.0, math.nan], [1.0, 1.0]), ([1.0, 1.0], [1.0, math.inf]), ([math.inf, 1.0], [1.0, 1.0])]
)
def test_a_loss_or_gradient_that_is_no_number_is_divergence(losses: list[float], norms: list[float]) -> None:
    seen = a_recorder()
    trainer = start(seen)
    verdicts = []
    for part in ([1.0, 1.0], [1.0, 1.0]), (losses, norms):
        step(seen, trainer, *part)
        verdicts.append((seen.diverged, trainer.should_stop))
    assert verdicts == [(False, False), (True, True)]


# -- validations that end early --------------------------------------------------------------------------------------


class Answers:
    """A model that answers adding with a constant for the task's own sequences, and scores what it saw."""

    def __init__(self, answer: float, task: Adding) -> None:
        self.answer, self.metric = answer, task.spec.objective.metric()

    def evaluated(self) -> Evaluation:
        return cast(Evaluation, self.metric.compute())

    @property
    def evaluation(self) -> Evaluation:
        return self.evaluated()


def a_validation(seen: Recorder, error: float) -> int:
    """One validation of a model whose squared error is about this; the sequences that it saw."""
    trainer, drawn = cast(Trainer, FakeTrainer()), 0
    model = Answers(0.0, cast(Adding, seen.task))
    seen.on_validation_start(trainer, model)
    for batch in seen.task.val_dataloader():
        noise = error**0.5 * torch.randn(len(batch.targets), 1, generator=torch.Generator().manual_seed(drawn))
        model.metric.update(batch.targets.reshape(-1, 1) + noise, batch)
        seen.on_validation_batch_end(trainer, model, None, batch)
        drawn += len(batch.targets)
    seen.on_validation_end(trainer, model)
    assert len(seen.task.probe_batch(8).targets) == 8, "probes draw from the same set"
    return drawn


@pytest.mark.parametrize(("error", "drawn"), [(0.17, 64), (0.05, 64), (0.011, 1024), (0.009, 1024), (0.0, 1024)])
def test_a_validation_ends_where_it_is_clearly_not_solved(error: float, drawn: int) -> None:
    """Adding is solved from .01 on; what may still be solved, or is, sees all 1,024 sequences."""
    seen = Recorder(a_recipe(probes=0, steps=100), Adding(1000))
    assert a_validation(seen, error) == drawn
    assert seen.seen.validation_n == [drawn]


def test_the_last_validation_and_those_of_no_threshold_see_the_whole_set(monkeypatch: pytest.MonkeyPatch) -> None:
    last = Recorder(a_recipe(probes=0, steps=100), Adding(1000))
    assert a_validation(last, 0.17) == 64
    last.seen.steps = 100
    assert a_validation(last, 0.17) == 1024, "the decision of the one before is no longer there"
    assert last.curves([]).validation_n == (64, 1024)
    never = Recorder(a_recipe(probes=0, steps=100), Adding(1000))
    monkeypatch.setattr(never.task, "solved_threshold", None)
    assert a_validation(never, 0.17) == 1024
    assert never.curves([]).validation_n == (), "left out where every one saw the whole set"


# -- curves ------------------------------------------------------------------------------------------------------------


def test_curves_hold_every_step() -> None:
    seen = a_recorder()
    trainer = start(seen)
    step(seen, trainer, [1.0, 0.5, 0.25], [2.0, 1.0, 1.5], [True, False, True])
    step(seen, trainer, [0.123456789], [0.5])
    seen_later = a_recorder()
    seen_later.restore(seen.state(), cast(SequenceModel, None))
    assert seen_later.curves([]).clipped == 2
    curves = seen.curves(["a", "b"])
    assert curves.train_loss == (1.0, 0.5, 0.25, 0.12346)
    assert curves.gradient_norm == (2.0, 1.0, 1.5, 0.5)
    assert curves.clipped == 2
    assert curves.parameter_steps == (0,)
    assert curves.parameter_norms == {"a": (1.0,), "b": (2.0,)}
    assert seen.seen.tokens == 4 * 4 * 6


@pytest.mark.parametrize("blocks", [1, 39, 40, 41, 100, 400])
def test_parameter_norms_stay_few(blocks: int) -> None:
    seen = a_recorder(steps=25 * blocks)
    trainer = start(seen)
    for _ in range(blocks):
        step(seen, trainer, [1.0] * 25)
    curves = seen.curves(["a", "b"])
    assert min(blocks, 20) <= len(curves.parameter_steps) <= 40
    assert len({later - sooner for sooner, later in pairwise(curves.parameter_steps)}) <= 1
    assert {len(norms) for norms in curves.parameter_norms.values()} == {len(curves.parameter_steps)}
    assert len(curves.train_loss) == 25 * blocks


def test_curves_of_nothing() -> None:
    curves = a_recorder().curves(["a"])
    assert (curves.train_loss, curves.parameter_steps, curves.parameter_norms) == ((), (), {})
