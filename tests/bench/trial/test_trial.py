from __future__ import annotations

import hashlib
import math
from typing import Any

import pytest
import safetensors.torch
import torch

from bench.records.cell import Cell
from bench.records.job import Job
from bench.records.result import Result
from bench.trial import build, faults, trial
from tests.support.factories import SHAKESPEARE
from tests.support.jobs import EXAMPLES, HERE, a_job, but_for_time, run


def state(weights: bytes | None) -> dict[str, torch.Tensor]:
    assert weights is not None
    return safetensors.torch.load(weights)


# -- a cell that works -------------------------------------------------------------------------------------------------


def test_the_record_of_a_cell() -> None:
    job = a_job(steps=20, evaluate_every=10, length=7)
    finished = run(job)
    result = finished.result
    assert (result.status, result.error) == ("ok", None)
    assert result.cell == job.cell
    assert (result.steps, result.tokens_seen) == (20, 20 * 4 * 7)
    curves = result.curves
    assert [step for step, _ in curves.validation] == [10, 20]
    assert len(curves.train_loss) == len(curves.gradient_norm) == 20
    assert None not in curves.train_loss
    assert curves.clipped == sum(norm > 1.0 for norm in curves.gradient_norm if norm is not None)
    assert curves.parameter_steps == (0,)
    assert set(curves.parameter_norms) == {"body.weight", "body.bias", "head.weight", "head.bias"}
    squares = [(norms[0] or 0.0) ** 2 for norms in curves.parameter_norms.values()]
    assert curves.gradient_norm[0] == pytest.approx(math.sqrt(sum(squares)), rel=1e-3)

    score = result.score
    assert score is not None
    assert (score.metric, score.higher_is_better) == ("mean_squared_error", False)
    assert score.chance == pytest.approx(1 / 6)
    assert score.validation_score is not None
    assert score.validation_score == pytest.approx(curves.validation[-1][1], rel=1e-4)
    assert score.score == pytest.approx(sum(a for a, _ in score.blocks) / sum(b for _, b in score.blocks))
    assert score.test_n == sum(b for _, b in score.blocks)

    assert result.size is not None
    assert (result.size.hidden, result.size.parameters_body, result.size.parameters) == (4, 12, 17)
    assert result.provenance is not None
    assert (result.provenance.device, result.provenance.threads) == ("cpu", torch.get_num_threads())
    assert torch.__version__.startswith(result.provenance.libraries["torch"].partition("+")[0])
    assert result.steps_per_second is not None
    assert result.steps_per_second > 0
    assert Result.model_validate_json(result.model_dump_json()) == result


def test_the_parts_of_the_time_add_up() -> None:
    result = run(a_job(probes=3)).result
    assert result.seconds is not None
    parts = result.seconds.model_dump()
    total = parts.pop("total")
    assert all(part >= 0 for part in parts.values())
    assert sum(parts.values()) == pytest.approx(total, abs=1e-4 * len(parts))
    for part in ("start_up", "data", "train", "evaluation", "probe"):
        assert parts[part] > 0, part
    assert result.steps_per_second == pytest.approx(result.steps / parts["train"], rel=0.05)


def test_the_weights_are_the_models() -> None:
    job = a_job(steps=5)
    finished = run(job)
    saved = state(finished.weights)
    _, model = build.build(job.cell, job.source)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert model.load_state_dict(saved).missing_keys == []
    assert set(saved) == set(before)
    assert any(not torch.equal(saved[name], before[name]) for name in saved), "training moves them"
    assert finished.weights is not None
    assert finished.result.weights_sha256 == hashlib.sha256(finished.weights).hexdigest()


@pytest.mark.parametrize("model", [f"{EXAMPLES}:Mean", "gru", "transformer"])
def test_the_same_cell_twice_is_bit_equal(model: str) -> None:
    job = a_job(model, task="copying", length=3, steps=7, probes=3, hidden=None, parameters=2000)
    one = run(job)
    torch.manual_seed(123)  # what others do with the global generator is no business of a cell's
    torch.rand(7)
    two = run(job)
    assert one.result.status == "ok"
    assert but_for_time(one.result) == but_for_time(two.result)
    assert one.weights == two.weights


def test_seeds_change_weights_and_data() -> None:
    weights = [state(run(a_job(seeds=seed, steps=steps)).weights) for seed in (0, 1) for steps in (0, 1)]
    assert len({tuple(w["head.weight"].flatten().tolist()) for w in weights}) == 4
    losses = [run(a_job(seeds=seed)).result.curves.train_loss for seed in (0, 1)]
    assert losses[0] != losses[1]


@pytest.mark.parametrize(("steps", "every"), [(1, 50), (7, 50), (13, 10), (26, 50), (30, 25), (53, 53), (60, 50)])
def test_any_number_of_steps(steps: int, every: int) -> None:
    result = run(a_job(steps=steps, evaluate_every=min(every, steps))).result
    assert (result.status, result.steps) == ("ok", steps)
    assert len(result.curves.train_loss) == len(result.curves.gradient_norm) == steps
    regular = list(range(min(every, steps), steps + 1, min(every, steps)))
    assert [step for step, _ in result.curves.validation] == sorted({*regular, steps})
    assert result.tokens_seen == steps * 4 * 6
    assert result.curves.parameter_steps == tuple(range(0, steps, 25))


def test_the_number_of_steps_in_a_block_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    job = a_job(steps=12, evaluate_every=12)
    one = run(job)
    monkeypatch.setattr(build, "BLOCK", 1)
    two = run(job)
    assert but_for_time(one.result) == but_for_time(two.result)
    assert one.weights == two.weights


def test_no_steps_measure_initialisation_only() -> None:
    job = a_job(steps=0, probes=6)
    finished = run(job)
    result = finished.result
    assert (result.status, result.score, result.steps, result.steps_per_second) == ("ok", None, 0, None)
    assert (result.curves.validation, result.curves.train_loss) == ((), ())
    assert [flow.step for flow in result.gradient_flow] == [0]
    assert result.size is not None
    _, model = build.build(job.cell, job.source)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state(finished.weights).items())


def test_progress_is_reported() -> None:
    seen: list[tuple[int, int]] = []
    trial.run(a_job(steps=12, evaluate_every=4), HERE, lambda step, steps: seen.append((step, steps)))
    assert seen == [(4, 12), (8, 12), (12, 12)]


def test_a_solved_cell_stops_at_the_second_validation_that_says_so() -> None:
    result = run(a_job(f"{EXAMPLES}:AddsUp", steps=60, evaluate_every=10)).result
    assert (result.status, result.outcome) == ("ok", "solved")
    assert (result.solved_at_step, result.steps) == (10, 20)
    assert [step for step, _ in result.curves.validation] == [10, 20]
    assert len(result.curves.train_loss) == 20
    assert result.score is not None
    assert result.score.score < 1e-6


def test_the_last_two_validations_may_solve_a_cell() -> None:
    result = run(a_job(f"{EXAMPLES}:AddsUp", steps=15, evaluate_every=10)).result
    assert (result.solved_at_step, result.steps) == (10, 15)
    result = run(a_job(f"{EXAMPLES}:AddsUp", steps=10, evaluate_every=10)).result
    assert (result.solved_at_step, result.steps) == (None, 10), "one validation is not two"


# -- a cell that fails -------------------------------------------------------------------------------------------------


def test_nan_is_an_answer_called_diverged() -> None:
    finished = run(a_job(f"{EXAMPLES}:Diverges:healthy=30", steps=100, evaluate_every=20))
    result = finished.result
    assert (result.status, result.score, result.solved_at_step) == ("diverged", None, None)
    assert 20 < result.steps < 100
    assert None in result.curves.train_loss
    assert None not in result.curves.train_loss[:20]
    assert finished.weights is not None
    assert Result.model_validate_json(result.model_dump_json()) == result


@pytest.mark.parametrize(
    ("model", "status", "error"),
    [
        ("Raises", "error", "ZeroDivisionError: on purpose, after 7 letters"),
        ("Starves", "out_of_memory", "MemoryError"),
        ("Allocates", "out_of_memory", "RuntimeError: "),
        ("Lacks", "unavailable", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("NoModel", "error", f"ValueError: {EXAMPLES}:NoModel must be a subclass of models.base.SequenceModel"),
    ],
)
def test_what_a_cell_raises_becomes_its_status(model: str, status: str, error: str) -> None:
    finished = run(a_job(f"{EXAMPLES}:{model}"))
    result = finished.result
    assert (result.status, result.score, finished.weights) == (status, None, None)
    assert result.error is not None
    assert result.error.splitlines()[0].startswith(error)
    assert result.seconds is not None
    assert Result.model_validate_json(result.model_dump_json()) == result


def test_an_error_says_where_and_no_local_value() -> None:
    error = run(a_job(f"{EXAMPLES}:Raises")).result.error
    assert error is not None
    assert "examples.py:" in error
    assert "in misbehave" in error
    assert "hunter2" not in error


def test_what_was_seen_before_a_failure_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support import examples

    calls = iter(range(10_000))

    def late(self: Any) -> None:
        if next(calls) > 30:
            raise ValueError("late")

    monkeypatch.setattr(examples.Raises, "misbehave", late)
    result = run(a_job(f"{EXAMPLES}:Raises", steps=50, evaluate_every=10)).result
    assert (result.status, result.error and result.error.splitlines()[0]) == ("error", "ValueError: late")
    assert 0 < result.steps < 50
    assert len(result.curves.train_loss) == result.steps


def test_data_that_are_not_the_cells_are_an_error() -> None:
    result = run(Job(a_job().cell.model_copy(update={"data": SHAKESPEARE}))).result
    assert result.status == "error"
    assert result.error is not None
    assert f"the data of adding changed since the sweep began: expected sha256 {SHAKESPEARE.sha256}" in result.error


# -- looking before leaping --------------------------------------------------------------------------------------------


def test_a_check_names_every_distinct_fault_once() -> None:
    jobs = [
        a_job(),
        a_job("lstm:layers=0"),
        a_job("lstm:layers=0", length=9),
        a_job("lstm", hidden=None, parameters=2),
        a_job(f"{EXAMPLES}:NoModel"),
    ]
    faults = build.check(jobs)
    assert len(faults) == 3
    assert "layers" in faults[0]
    assert "--parameters 2" in faults[1]
    assert "must be a subclass" in faults[2]
    assert build.check([a_job(), a_job(f"{EXAMPLES}:Raises")]) == []


def test_a_check_leaves_a_fault_in_the_models_code_to_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support import examples

    def broken(self: Any, *_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(examples.Mean, "__init__", broken)
    assert build.check([a_job()]) == []
    assert run(a_job()).result.status == "error"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError(), "out_of_memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes"), "out_of_memory"),
        (FileNotFoundError("corpus"), "unavailable"),
        (ImportError("seqeval"), "unavailable"),
        (RuntimeError("shapes do not fit"), "error"),
        (ValueError("x"), "error"),
    ],
)
def test_the_status_of_an_exception(error: Exception, status: str) -> None:
    assert faults.status_of(error) == status


def test_a_cell_of_the_command_line_is_the_cell_that_is_run() -> None:
    """Options, widths and lengths reach the task and the model."""
    cell: Cell = a_job("lstm:layers=2", task="adding:marks=anywhere", length=9, hidden=5, seeds=3)[0]
    task, model = build.build(cell, None)
    assert (task.length, task.seed, task.batch_size, vars(task)["marks"]) == (9, 3, 4, "anywhere")
    assert (model.hidden, model.clip, model.learning_rate) == (5, 1.0, cell.recipe.learning_rate)
    assert sum("weight_hh" in name for name, _ in model.named_parameters()) == 2
