from __future__ import annotations

import math
from math import comb

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tasks.base import Batch, generator
from tasks.selective_copying import SelectiveCopying, place_probabilities

SAMPLES = 4000


def many(length: int) -> Batch:
    return SelectiveCopying(length).draw(generator(0, "many", length), SAMPLES)


def accuracy_of(task: SelectiveCopying, batch: Batch, window: int | None) -> Tensor:
    """Which recalls (batch, 10) the window answers right."""
    assert task.spec.predict is not None
    answers = task.spec.predict(one_hot(batch.inputs[..., 0], 10).double(), window)[:, -10:].argmax(-1)
    return answers == batch.targets.view(-1, 10)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_the_rule(length: int) -> None:
    task = SelectiveCopying(length, batch_size=20)
    batch = task.training_batch(0)
    assert batch.inputs.shape == (20, length + 20, 1)
    assert batch.reads.mask.tolist() == [[False] * (length + 10) + [True] * 10] * 20
    for row in range(20):
        steps = batch.inputs[row, :, 0].tolist()
        assert steps[-10:] == [9] * 10
        assert steps[:-10].count(8) == length
        symbols = [token for token in steps[:-10] if token != 8]
        assert all(0 <= symbol <= 7 for symbol in symbols)
        assert batch.targets.view(20, 10)[row].tolist() == symbols


def test_the_docstrings_example() -> None:
    lines = reversed((SelectiveCopying.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = SelectiveCopying(3).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(23))
    assert [int(word) for word in rows["input"]] == batch.inputs[0, :, 0].tolist()
    assert [word == "·" for word in rows["target"]] == (~batch.reads.mask[0]).tolist()
    assert [int(word) for word in rows["target"][-10:]] == batch.targets[:10].tolist()


def test_places_and_symbols_are_uniform() -> None:
    inputs = many(5).inputs[:, :15, 0]
    shares = (inputs != 8).double().mean(0)
    assert float((shares - 10 / 15).abs().max()) < 4 * math.sqrt(2 / 9 / SAMPLES)
    counts = inputs[inputs != 8].bincount(minlength=8).double()
    # Chi-squared with 7 degrees of freedom: 24.3 is its 99.9th percentile.
    assert float(((counts - 5000).square() / 5000).sum()) < 24.3


def test_distances_lie_between_ten_and_reach() -> None:
    inputs = many(4).inputs[:, :14, 0]
    places = (inputs != 8).nonzero()[:, 1].view(-1, 10)
    distances = 14 + torch.arange(10) - places
    assert (int(distances.min()), int(distances.max())) == (10, SelectiveCopying(4).reach) == (10, 14)
    spread = distances.double().mean(1).std() / math.sqrt(SAMPLES)
    assert abs(float(distances.double().mean()) - 12) < 4 * float(spread)


def test_a_constant_answer_is_chance_and_the_solution_is_perfect() -> None:
    task = SelectiveCopying(20)
    batch = many(20)
    right = (batch.targets == 3).double().mean()
    assert abs(float(right) - task.chance) < 4 * math.sqrt(1 / 8 * 7 / 8 / (10 * SAMPLES))
    assert accuracy_of(task, batch, None).all()
    assert accuracy_of(task, batch, 40).all()


@pytest.mark.parametrize("window", [1, 12, 20, 28])
def test_a_window_recalls_what_it_sees(window: int) -> None:
    """Recall i knows its symbol where the last K−i−1 of the T+10 steps hold at least 10−i symbols."""
    task, steps = SelectiveCopying(20), 30
    expected = 0.0
    for i in range(10):
        seen = max(0, min(steps, window - i - 1))
        ways = sum(comb(seen, j) * comb(steps - seen, 10 - j) for j in range(10 - i, 11))
        known = ways / comb(steps, 10)
        expected += (known + (1 - known) / 8) / 10
    shares = accuracy_of(task, many(20), window).double().mean(1)
    assert abs(float(shares.mean()) - expected) < 4 * float(shares.std()) / math.sqrt(SAMPLES)


def test_the_probabilities_of_places_are_counted() -> None:
    probabilities = place_probabilities(3)
    for i in range(10):
        counted = [comb(t, i) * comb(12 - t, 9 - i) / comb(13, 10) for t in range(13)]
        assert probabilities[i].tolist() == pytest.approx(counted, abs=1e-12)


def test_the_best_linear_predictor_is_the_least_squares_fit() -> None:
    """Fitted by least squares on one-hot inputs; its answers score what the floor says, far from solved."""
    task = SelectiveCopying(6)
    batch = SelectiveCopying(6).draw(generator(0, "fit"), 20_000)
    x = one_hot(batch.inputs[:, :16, 0], 9).flatten(1).double()
    y = one_hot(batch.targets.view(-1, 10), 8).flatten(1).double()
    gram = x.T @ x
    fitted = torch.linalg.solve(gram + 1e-6 * torch.eye(len(gram), dtype=gram.dtype), x.T @ y)
    test = many(6)
    answers = (one_hot(test.inputs[:, :16, 0], 9).flatten(1).double() @ fitted).view(-1, 10, 8).argmax(2)
    shares = (answers == test.targets.view(-1, 10)).double().mean(1)
    floor = task.floors["best_linear"]
    tolerance = 4 * float(shares.std()) * (1 / math.sqrt(SAMPLES) + 1 / math.sqrt(1024))
    assert abs(float(shares.mean()) - floor) < tolerance
    for length, stated in ((10, 0.60), (30, 0.55), (100, 0.53)):
        assert SelectiveCopying(length).floors["best_linear"] == pytest.approx(stated, abs=0.02)


def test_credit_of_the_first_recall_lies_on_the_first_symbol() -> None:
    task = SelectiveCopying(7)
    batch = task.probe_batch(6)
    assert task.answer_steps(batch).tolist() == [17] * 6
    firsts = [next(t for t, token in enumerate(row) if token != 8) for row in batch.inputs[..., 0].tolist()]
    assert task.credit(batch).nonzero().tolist() == [[row, first] for row, first in enumerate(firsts)]


def test_counterfactuals_change_one_symbol_each() -> None:
    task = SelectiveCopying(7)
    batch = task.probe_batch(4)
    replaced = task.counterfactuals(batch)
    assert len(replaced) == 10
    for i, (positions, inputs) in enumerate(replaced):
        symbols = inputs[:, :17, 0][inputs[:, :17, 0] < 8].view(4, 10)
        expected = batch.targets.view(4, 10).clone()
        expected[:, i] = (expected[:, i] + 1) % 8
        assert torch.equal(symbols, expected)
        assert (inputs != batch.inputs)[..., 0].nonzero()[:, 1].tolist() == positions.tolist()


def test_length_below_one() -> None:
    with pytest.raises(ValueError, match=r"^SelectiveCopying: length must be at least 1, got 0$"):
        SelectiveCopying(0)


def test_other_numbers_of_symbols_follow_the_same_rule() -> None:
    task = SelectiveCopying(28, symbols=4, batch_size=20)
    batch = task.training_batch(0)
    assert batch.inputs.shape == (20, 36, 1)
    for row in range(20):
        steps = batch.inputs[row, :, 0].tolist()
        assert steps[-4:] == [9] * 4
        assert [token for token in steps[:32] if token != 8] == batch.targets.view(20, 4)[row].tolist()
    assert task.spec.predict is not None
    answers = task.spec.predict(one_hot(batch.inputs[..., 0], 10).double(), None)[:, -4:].argmax(-1)
    assert torch.equal(answers.flatten(), batch.targets)
    counted = [comb(t, 1) * comb(6 - t, 2) / comb(7, 4) for t in range(7)]
    assert place_probabilities(3, 4)[1].tolist() == pytest.approx(counted, abs=1e-12)
    assert 1 / 8 < task.floors["best_linear"] < 0.99
    with pytest.raises(ValueError, match=r"^SelectiveCopying: option 'symbols' expects at least 1, got 0$"):
        SelectiveCopying(4, symbols=0)
