from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tasks.base import generator
from tasks.running_average import RunningAverage, leaky_sum, memory_horizon, windowed_sum
from tests.support.batches import a_batch


def recurrence(x: list[float], alpha: float) -> list[float]:
    y: list[float] = []
    for value in x:
        y.append(value + alpha * (y[-1] if y else 0.0))
    return y


@pytest.mark.parametrize("length", [1, 2, 3, 8, 9, 100])
@pytest.mark.parametrize("alpha", [None, 0.3, 0.999])
def test_the_rule(length: int, alpha: float | None) -> None:
    task = RunningAverage(length, alpha=alpha, batch_size=4)
    batch = task.training_batch(0)
    assert batch.inputs.shape == (4, length, 1)
    assert bool(batch.reads.mask.all())
    used = 10 ** (-1 / length) if alpha is None else alpha
    for row in range(4):
        expected = recurrence(batch.inputs[row, :, 0].tolist(), used)
        targets = batch.targets.view(4, length)[row] / math.sqrt(1 - used**2)
        assert targets.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("length", [1, 5, 64, 1000])
def test_doubling_is_exact(length: int) -> None:
    x = torch.randn(2, length, generator=generator(0, "doubling"), dtype=torch.float64)
    before = x.clone()
    y = leaky_sum(x, 0.99)
    assert torch.equal(x, before)
    for row in range(2):
        assert y[row].tolist() == pytest.approx(recurrence(x[row].tolist(), 0.99), rel=1e-9, abs=1e-12)


def test_the_docstrings_example() -> None:
    lines = [line.split() for line in (RunningAverage.__doc__ or "").splitlines()]
    rows = {words[0]: words[-4:] for words in lines if len(words) in (5, 6)}
    task = RunningAverage(4)
    batch = task.training_batch(0)
    x, y = batch.inputs[0, :, 0].tolist(), recurrence(batch.inputs[0, :, 0].tolist(), 10**-0.25)
    assert rows["t"] == ["1", "2", "3", "4"]
    assert [float(word) for word in rows["input"]] == pytest.approx(x, abs=0.00501)
    assert [float(word) for word in rows["y"]] == pytest.approx(y, abs=0.00501)
    assert [float(word) for word in rows["target"]] == pytest.approx(batch.targets[:4].tolist(), abs=0.00501)
    assert task.alpha == pytest.approx(0.5623, abs=5e-5)
    assert math.sqrt(1 - task.alpha**2) == pytest.approx(0.8269, abs=5e-5)


@pytest.mark.parametrize(("length", "alpha"), [(10, 0.794328), (100, 0.977237), (1000, 0.997700)])
def test_alpha_makes_the_first_input_weigh_a_tenth(length: int, alpha: float) -> None:
    assert RunningAverage(length).alpha == pytest.approx(alpha, abs=5e-7)
    assert RunningAverage(length).alpha ** length == pytest.approx(0.1)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.5, 1.5, math.nan])
def test_alpha_outside_its_range(alpha: float) -> None:
    with pytest.raises(ValueError, match="option 'alpha' expects a number between 0 and 1"):
        RunningAverage(10, alpha=alpha)


def score(task: RunningAverage, outputs: Tensor, targets: Tensor) -> tuple[float, float]:
    """Score of outputs (sequences, time) and its standard error, from the 64 blocks."""
    metric = task.spec.objective.metric()
    metric.update(outputs.reshape(-1, 1), a_batch(targets, torch.ones(outputs.shape, dtype=torch.bool)))
    evaluation = metric.compute()
    ratios = torch.tensor([numerator / denominator for numerator, denominator in evaluation.blocks])
    return evaluation.score, float(ratios.std()) / math.sqrt(len(ratios))


@pytest.mark.parametrize("length", [1, 10, 100])
@pytest.mark.parametrize("alpha", [None, 0.9])
def test_chance_is_one_for_answering_zero(length: int, alpha: float | None) -> None:
    task = RunningAverage(length, alpha=alpha)
    batch = task.draw(generator(0, "chance"), 8000)
    value, error = score(task, torch.zeros(8000, length), batch.targets)
    assert abs(value - task.chance) < 4 * error
    assert error < 0.03
    assert task.skill(task.chance) == 0
    assert task.skill(task.best) == 1


def test_variance_of_every_step() -> None:
    task = RunningAverage(10)
    targets = task.draw(generator(0, "variance"), 40_000).targets.view(-1, 10)
    expected = 1 - task.alpha ** (2 * torch.arange(1, 11))
    # The variance of a normal's squares is 2 σ⁴.
    assert bool(((targets.square().mean(0) - expected).abs() < 4.5 * expected * math.sqrt(2 / 40_000)).all())


def test_an_oracle_scores_perfectly() -> None:
    task = RunningAverage(50)
    metric = task.spec.objective.metric()
    for batch in task.held_out("test"):  # type: ignore[attr-defined]
        h = torch.zeros(len(batch.inputs), dtype=torch.float64)
        outputs = []
        for x in batch.inputs[..., 0].double().unbind(1):
            h = task.alpha * h + x
            outputs.append(h * math.sqrt(1 - task.alpha**2))
        metric.update(torch.stack(outputs, 1).reshape(-1, 1), batch)
    evaluation = metric.compute()
    assert evaluation.score < 1e-10
    assert evaluation.n == 1024
    assert task.solved(evaluation.score)


def window_error(length: int, alpha: float, window: int) -> float:
    """Relative squared error of the window's best answer, summed input by input."""

    def squares(skip: int) -> float:
        return math.fsum(alpha ** (2 * k) for t in range(1, length + 1) for k in range(skip, t))

    return squares(window) / squares(0)


@pytest.mark.parametrize("length", [1, 10, 100])
@pytest.mark.parametrize("alpha", [None, 0.5, 0.99])
def test_a_window_of_k_has_the_horizon_k(length: int, alpha: float | None) -> None:
    task = RunningAverage(length, alpha=alpha)
    for window in sorted({0, length // 10, length // 4, length // 2}):
        error = window_error(length, task.alpha, window)
        assert task.memory_horizon(error) == pytest.approx(window, abs=1e-4)
    assert task.memory_horizon(1.0) == pytest.approx(0, abs=1e-9)
    assert task.memory_horizon(1.7) == pytest.approx(0, abs=1e-9)
    assert task.memory_horizon(0.0) == pytest.approx(length, rel=1e-6)


def test_a_sampled_window_has_its_horizon() -> None:
    task = RunningAverage(100)
    batch = task.draw(generator(0, "window"), 4000)
    x = batch.inputs[..., 0] * math.sqrt(1 - task.alpha**2)
    outputs = leaky_sum(x, task.alpha)
    outputs[:, 30:] -= task.alpha**30 * outputs[:, :-30].clone()
    value, error = score(task, outputs, batch.targets)
    assert abs(value - window_error(100, task.alpha, 30)) < 4 * error
    assert task.memory_horizon(value) == pytest.approx(30, abs=1)


@pytest.mark.parametrize("length", [10, 100, 1000])
def test_the_threshold_asks_for_two_thirds_of_the_length(length: int) -> None:
    task = RunningAverage(length)
    assert task.memory_horizon(task.solved_threshold or 0) / length == pytest.approx(0.67, abs=0.03)
    assert memory_horizon(0.01, length, task.alpha) == task.memory_horizon(0.01)


@pytest.mark.parametrize("window", [1, 2, 3, 7, 8, 12, 13, 40, None])
def test_a_windowed_sum_holds_the_windows_inputs_and_no_others(window: int | None) -> None:
    x = torch.randn(2, 13, generator=generator(0, "window"), dtype=torch.float64).requires_grad_()
    y = windowed_sum(x, 0.9, window)
    seen = 13 if window is None else window
    for t in range(13):
        steps = range(max(0, t - seen + 1), t + 1)
        by_hand = [sum(0.9 ** (t - s) * float(x[row, s].detach()) for s in steps) for row in range(2)]
        assert y[:, t].tolist() == pytest.approx(by_hand, rel=1e-12)
        (gradient,) = torch.autograd.grad(y[:, t].sum(), x, retain_graph=True)
        assert (gradient[0] != 0).nonzero().flatten().tolist() == list(steps)


def test_reach_is_the_whole_length() -> None:
    assert RunningAverage(30).reach == 29


def test_credit_is_the_weight_of_each_input_in_the_last_answer() -> None:
    task = RunningAverage(6, batch_size=2)
    batch = task.training_batch(0)
    x = batch.inputs[..., 0].double().requires_grad_()
    (gradient,) = torch.autograd.grad(leaky_sum(x, task.alpha)[:, -1].sum(), x)
    assert torch.allclose(task.credit(batch).double(), gradient)


def test_length_below_one() -> None:
    with pytest.raises(ValueError, match="RunningAverage: length must be at least 1, got 0"):
        RunningAverage(0)
