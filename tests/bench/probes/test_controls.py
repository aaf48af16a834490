"""Controls as cells: measured like every model, and never trained."""

from __future__ import annotations

import pytest

from bench.records.job import Surroundings
from bench.records.result import Result
from bench.trial.faults import status_of
from bench.trial.trial import run
from tests.support.jobs import a_job


def record(model: str, task: str, length: int = 10, **values: int) -> Result:
    return run(a_job(model, task, length, **values), Surroundings()).result


@pytest.mark.parametrize(
    ("task", "score", "horizon"), [("adding", 0.0, 10), ("running_average", 0.0, 10), ("copying", 1.0, None)]
)
def test_an_oracle_is_validated_and_tested_but_not_trained(task: str, score: float, horizon: float | None) -> None:
    result = record("oracle", task, steps=20, probes=6)
    assert (result.status, result.error, result.steps, result.tokens_seen) == ("ok", None, 0, 0)
    assert result.score is not None
    assert result.score.score == pytest.approx(score, abs=1e-9)
    assert result.score.validation_score == pytest.approx(score, abs=1e-9)
    assert [step for step, _ in result.curves.validation] == [0]
    assert result.curves.train_loss == result.curves.gradient_norm == ()
    assert result.steps_per_second is None
    assert result.solved_at_step == 0
    assert result.size is not None
    assert (result.size.parameters, result.size.parameters_body, result.size.hidden) == (0, 0, 0)
    assert result.memory_horizon == (None if horizon is None else pytest.approx(horizon, abs=1e-3))
    (flow,) = result.gradient_flow
    assert (flow.step, list(flow.profiles)) == (0, ["input"])
    assert flow.credit_alignment == pytest.approx(1)


def test_a_window_of_half_the_length_has_half_the_skill() -> None:
    result = record("window:k=5", "adding", steps=20, probes=6)
    assert result.status == "ok"
    assert result.solved_at_step is None
    assert result.memory_horizon == pytest.approx(5, abs=0.5)
    assert result.gradient_flow[0].credit_alignment == pytest.approx(0.5)  # it sees the second half's marker only


def test_no_steps_measure_a_control_without_a_score() -> None:
    result = record("oracle", "adding", steps=0, probes=6)
    assert (result.status, result.score, len(result.gradient_flow)) == ("ok", None, 1)


def test_a_task_without_a_solution_is_unavailable_to_them() -> None:
    assert status_of(NotImplementedError("no exact solution")) == "unavailable"
