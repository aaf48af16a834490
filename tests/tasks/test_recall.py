from __future__ import annotations

import math
from typing import Any

import pytest
from torch import Tensor
from torch.nn.functional import one_hot

from tasks.base import Batch, generator
from tasks.recall import AssociativeRecall

SAMPLES = 4000
SIZES = [(4, 8), (2, 2), (3, 3), (5, 7)]


def many(length: int, **sizes: Any) -> tuple[AssociativeRecall, Batch]:
    task = AssociativeRecall(length, **sizes)
    return task, task.draw(generator(0, "many", length), SAMPLES)


def right(task: AssociativeRecall, batch: Batch, window: int | None) -> Tensor:
    """Which recalls (batch, pairs) the window gives right."""
    assert task.spec.predict is not None
    outputs = task.spec.predict(one_hot(batch.inputs[..., 0], 2 * task.values + 1).double(), window)
    return outputs[:, -task.pairs :].argmax(-1) == batch.targets.view(-1, task.pairs)


@pytest.mark.parametrize(("pairs", "values"), SIZES)
@pytest.mark.parametrize("length", [1, 2, 6])
def test_the_rule(length: int, pairs: int, values: int) -> None:
    batch = AssociativeRecall(length, pairs=pairs, values=values, batch_size=20).training_batch(0)
    for row in range(20):
        steps = batch.inputs[row, :, 0].tolist()
        assert len(steps) == 3 * pairs + length - 1
        bound = dict(zip(steps[0 : 2 * pairs : 2], steps[1 : 2 * pairs : 2], strict=True))
        assert len(bound) == len(set(bound.values())) == pairs
        assert all(values <= key < 2 * values for key in bound)
        assert all(0 <= value < values for value in bound.values())
        assert steps[2 * pairs : -pairs] == [2 * values] * (length - 1)
        queries = steps[-pairs:]
        assert sorted(queries) == sorted(bound)
        assert steps.index(queries[0], 2 * pairs) - (2 * pairs - 1) == length
        assert batch.targets.view(20, pairs)[row].tolist() == [bound[query] for query in queries]
    assert batch.reads.mask.tolist() == [[False] * (2 * pairs + length - 1) + [True] * pairs] * 20


def test_the_docstrings_example() -> None:
    lines = reversed((AssociativeRecall.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = AssociativeRecall(3).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(14))
    assert [int(word) for word in rows["input"]] == batch.inputs[0, :, 0].tolist()
    assert [word == "·" for word in rows["target"]] == (~batch.reads.mask[0]).tolist()
    assert [int(word) for word in rows["target"][-4:]] == batch.targets[:4].tolist()


def test_keys_values_and_orders_are_uniform() -> None:
    _, batch = many(2)
    for tokens, size in ((batch.inputs[:, 0, 0] - 8, 8), (batch.inputs[:, 1, 0], 8), (batch.targets[::4], 8)):
        shares = tokens.bincount(minlength=size) / SAMPLES
        assert float((shares - 1 / size).abs().max()) < 4 * math.sqrt((1 / size) * (1 - 1 / size) / SAMPLES)
    asked_first = (batch.inputs[:, 0:8:2, 0] == batch.inputs[:, -4, :]).double().mean(0)
    assert float((asked_first - 1 / 4).abs().max()) < 4 * math.sqrt(3 / 16 / SAMPLES)


@pytest.mark.parametrize(("pairs", "values"), SIZES)
def test_chance_plateau_and_the_solution(pairs: int, values: int) -> None:
    task, batch = many(4, pairs=pairs, values=values)
    shares = (batch.targets == values - 1).double().view(-1, pairs).mean(1)
    assert abs(float(shares.mean()) - task.chance) <= 4 * float(shares.std()) / math.sqrt(SAMPLES) + 1e-12
    # One value of the sequence, answered to every query, is right exactly once.
    known = batch.inputs[:, 1] == batch.targets.view(-1, pairs)
    assert known.sum(1).eq(1).all()
    assert task.floors == {"values_without_bindings": 1 / pairs}
    assert right(task, batch, None).all()
    assert right(task, batch, 3 * pairs + 3).all()


@pytest.mark.parametrize(("pairs", "values"), SIZES)
def test_a_window_knows_the_pairs_in_sight_and_excludes_their_values(pairs: int, values: int) -> None:
    task, batch = many(4, pairs=pairs, values=values)
    for window in range(1, 3 * pairs + 4):
        expected = 0.0
        for query in range(2 * pairs + 3, 3 * pairs + 3):
            in_sight = [step > query - window for step in range(2 * pairs)]
            whole = sum(in_sight[0::2])
            half = sum(in_sight) % 2
            guess = 1 / (pairs - whole) if half else 1 / (values - whole) if whole < pairs else 0.0
            expected += (whole + (pairs - whole) * guess) / pairs**2
        shares = right(task, batch, window).double().mean(1)
        assert abs(float(shares.mean()) - expected) <= 4 * float(shares.std()) / math.sqrt(SAMPLES) + 1e-12, window


def test_credit_and_reach() -> None:
    task = AssociativeRecall(5)
    batch = task.probe_batch(8)
    for row, credit in enumerate(task.credit(batch).tolist()):
        steps = batch.inputs[row, :, 0].tolist()
        assert [step for step, weight in enumerate(credit) if weight] == [steps.index(steps[-1]) + 1]
    assert task.reach == 5 + 9
    assert AssociativeRecall(5, pairs=2).reach == 5 + 3


@pytest.mark.parametrize(("pairs", "values"), SIZES)
def test_counterfactuals_change_one_value_each(pairs: int, values: int) -> None:
    task = AssociativeRecall(5, pairs=pairs, values=values)
    batch = task.probe_batch(8)
    for pair, (positions, inputs) in enumerate(task.counterfactuals(batch)):
        changed = (inputs != batch.inputs)[..., 0].nonzero().tolist()
        assert changed == [[row, 2 * pair + 1] for row in range(8)]
        assert positions.tolist() == [2 * pair + 1] * 8
        for row in inputs[:, 1 : 2 * pairs : 2, 0].tolist():
            assert all(0 <= value < values for value in row)
            assert len(set(row)) == (pairs if values > pairs else pairs - 1)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^AssociativeRecall: length must be at least 1, got 0$"):
        AssociativeRecall(0)
    with pytest.raises(ValueError, match=r"^AssociativeRecall: option 'pairs' expects at least 2, got 1$"):
        AssociativeRecall(3, pairs=1)
    with pytest.raises(ValueError, match=r"^AssociativeRecall: option 'values' expects at least pairs \(9\), got 8$"):
        AssociativeRecall(3, pairs=9)
