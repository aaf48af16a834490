from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import Tensor

from tasks.adding import Adding, chance_early
from tasks.base import Batch, generator

Marks = Literal["halves", "anywhere", "early"]
SAMPLES = 40_000


def many(length: int, marks: Marks) -> Batch:
    return Adding(length, marks=marks).draw(generator(0, "many", length, marks), SAMPLES)


def assert_mean(values: Tensor, expected: float) -> None:
    """The mean of `values` lies within four of its standard errors of `expected`."""
    error = float(values.double().std()) / math.sqrt(len(values))
    assert abs(float(values.double().mean()) - expected) < 4 * error


@pytest.mark.parametrize("length", [2, 3, 10, 11])
@pytest.mark.parametrize("marks", ["halves", "anywhere"])
def test_the_rule(length: int, marks: Marks) -> None:
    task = Adding(length, marks=marks, batch_size=50)
    batch = task.training_batch(0)
    assert batch.inputs.shape == (50, length, 2)
    assert batch.reads.mask.nonzero().tolist() == [[row, length - 1] for row in range(50)]
    assert 0 <= float(batch.inputs[..., 0].min()) <= float(batch.inputs[..., 0].max()) < 1
    for row in range(50):
        values, markers = batch.inputs[row].T.tolist()
        marked = [step for step, marker in enumerate(markers) if marker == 1]
        assert len(marked) == 2
        assert markers.count(0) == length - 2
        assert float(batch.targets[row]) == pytest.approx(values[marked[0]] + values[marked[1]], rel=1e-6)
        if marks == "halves":
            assert marked[0] < length // 2 <= marked[1]


@pytest.mark.parametrize("length", [2, 3, 9, 10, 40])
def test_the_rule_of_early(length: int) -> None:
    task = Adding(length, marks="early", batch_size=16)
    lengths = set()
    for step in range(60):
        batch = task.training_batch(step)
        lengths.add(batch.inputs.size(1))
        assert batch.reads.mask.nonzero().tolist() == [[row, batch.inputs.size(1) - 1] for row in range(16)]
        for row in range(16):
            values, markers = batch.inputs[row].T.tolist()
            marked = [i for i, marker in enumerate(markers) if marker == 1]
            assert len(marked) == 2
            assert marked[0] < max(10, length // 2)
            assert marked[1] <= max(9, length // 2 - 1, 1)
            for i, marker in enumerate(markers):
                if i not in marked:
                    assert marker == (-1 if i in (0, len(markers) - 1) else 0)
            assert values[0] == 0 or 0 not in marked
            expected = 0.5 + (values[marked[0]] + values[marked[1]]) / 4
            assert float(batch.targets[row]) == pytest.approx(expected, rel=1e-5)
    assert lengths == set(range(length, length + length // 10 + 1))


def test_early_values_span_both_signs_and_the_held_out_set_every_length() -> None:
    task = Adding(100, marks="early")
    held_out = [task.held_out("test")[i].inputs for i in range(64)]
    assert len({inputs.size(1) for inputs in held_out}) >= 10
    values = torch.cat([inputs[..., 0].flatten() for inputs in held_out])
    assert -1 <= float(values.min()) < -0.99
    assert 0.99 < float(values.max()) <= 1


def test_the_docstrings_example() -> None:
    lines = reversed((Adding.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = Adding(6).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(6))
    assert [float(word) for word in rows["value"]] == pytest.approx(batch.inputs[0, :, 0].tolist(), abs=0.00501)
    assert [float(word) for word in rows["marker"]] == batch.inputs[0, :, 1].tolist()
    assert [word == "·" for word in rows["target"]] == (~batch.reads.mask[0]).tolist()
    assert float(rows["target"][-1]) == pytest.approx(float(batch.targets[0]), abs=0.00501)


@pytest.mark.parametrize("marks", ["halves", "anywhere", "early"])
@pytest.mark.parametrize("length", [2, 5, 20, 100])
def test_chance_is_the_error_of_answering_the_mean(marks: Marks, length: int) -> None:
    batch = many(length, marks)
    answer = 0.5 if marks == "early" else 1.0
    assert_mean(batch.targets, answer)
    assert_mean((batch.targets - answer).square(), Adding(length, marks=marks).chance)


def test_closed_forms_of_chance() -> None:
    assert Adding(10).chance == Adding(10, marks="anywhere").chance == 1 / 6
    # T=100: the first pair is marked first with probability .1, second with .9/49.
    assert chance_early(100) == pytest.approx((2 / 3 - (0.1 + 0.9 / 49) / 3) / 16)
    # T=2: both pairs are marked, one of them is the first, whose value is 0.
    assert chance_early(2) == pytest.approx(1 / 48)


@pytest.mark.parametrize("marks", ["halves", "anywhere"])
def test_one_marker_seen_is_the_plateau_of_one_twelfth(marks: Marks) -> None:
    batch = many(20, marks)
    last = torch.where(batch.inputs[..., 1] == 1, torch.arange(20), -1).argmax(1)
    seen = batch.inputs[torch.arange(SAMPLES), last, 0]
    assert_mean((batch.targets - seen - 0.5).square(), 1 / 12)
    assert Adding(20, marks=marks).skill(1 / 12) == pytest.approx(0.5)


@pytest.mark.parametrize("marks", ["halves", "anywhere"])
@pytest.mark.parametrize("window", [0, 5, 10, 14, 20])
def test_a_window_of_k_steps_has_the_closed_form(marks: Marks, window: int) -> None:
    batch = many(20, marks)
    seen = batch.inputs[:, 20 - window :]
    # Its best answer: what it has seen, and a half for every marker it has not.
    answer = (seen[..., 0] * seen[..., 1]).sum(1) + (2 - seen[..., 1].sum(1)) / 2
    errors = (batch.targets - answer).square()
    if window == 20:
        assert float(errors.max()) < 1e-10
        return
    expected = (1 / 6) * (1 - window / 20)
    assert_mean(errors, expected)
    assert Adding(20, marks=marks).memory_horizon(expected) == pytest.approx(window)


@pytest.mark.parametrize("marks", ["halves", "anywhere", "early"])
def test_the_solution_sees_marked_values_in_its_window_only(marks: Marks) -> None:
    task = Adding(20, marks=marks)
    batch = task.training_batch(0)
    assert task.spec.predict is not None
    time = batch.inputs.size(1)
    for window in (1, 7, time, None):
        x = batch.inputs.double().requires_grad_()
        (gradient,) = torch.autograd.grad(task.spec.predict(x, window).sum(), x)
        seen = torch.arange(time) >= (0 if window is None else time - window)
        weight = 0.25 if marks == "early" else 1.0
        assert torch.equal(gradient[..., 0], weight * ((batch.inputs[..., 1] == 1) & seen))
        assert not gradient[..., 1].any()


def test_reach_is_the_whole_length() -> None:
    assert [Adding(20).reach, Adding(20, marks="early").reach] == [19, 19]


def test_memory_horizon_stays_within_the_sequence_and_is_unknown_for_early() -> None:
    assert Adding(20).memory_horizon(0.3) == 0
    assert Adding(20).memory_horizon(0.0) == 20
    assert Adding(20, marks="early").memory_horizon(0.01) is None


@pytest.mark.parametrize("marks", ["halves", "anywhere", "early"])
def test_an_oracle_scores_perfectly(marks: Marks) -> None:
    task = Adding(50, marks=marks)
    metric = task.spec.objective.metric()
    for batch in task.held_out("validation"):  # type: ignore[attr-defined]
        marked = (batch.inputs[..., 0] * (batch.inputs[..., 1] == 1)).sum(1, keepdim=True)
        metric.update(0.5 + marked / 4 if marks == "early" else marked, batch)
    evaluation = metric.compute()
    assert evaluation.score < 1e-12
    assert evaluation.n == 1024
    assert task.solved(evaluation.score)
    assert task.skill(task.chance) == 0
    assert task.skill(task.best) == 1


def test_solved_is_the_same_skill_whatever_the_marks() -> None:
    halves, early = Adding(100), Adding(100, marks="early")
    assert halves.solved_threshold == pytest.approx(0.01)
    assert halves.skill(halves.solved_threshold or 0) == pytest.approx(early.skill(early.solved_threshold or 0))


@pytest.mark.parametrize("marks", ["halves", "anywhere", "early"])
def test_credit_is_a_half_on_each_marked_value(marks: Marks) -> None:
    task = Adding(12, marks=marks)
    batch = task.training_batch(0)
    credit = task.credit(batch)
    assert credit.sum(1).tolist() == [1.0] * 32
    assert torch.equal(credit == 0.5, batch.inputs[..., 1] == 1)
    assert int((credit > 0).sum()) == 64


@pytest.mark.parametrize("marks", ["halves", "anywhere"])
def test_markers_are_uniform(marks: Marks) -> None:
    shares = many(10, marks).inputs[..., 1].mean(0)
    assert float((shares - 0.2).abs().max()) < 4.5 * math.sqrt(0.2 * 0.8 / SAMPLES)
