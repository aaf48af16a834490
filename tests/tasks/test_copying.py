from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from tasks.base import Batch, generator
from tasks.copying import Copying, knowing_nothing

Loss = Literal["recall", "all"]


def decode(task: Copying, batch: Batch, row: int) -> list[int | None]:
    """One sequence's targets by step, None where nothing is read."""
    targets = iter(batch.targets.view(len(batch.inputs), -1)[row].tolist())
    return [next(targets) if read else None for read in batch.reads.mask[row].tolist()]


@pytest.mark.parametrize("length", [1, 2, 7])
@pytest.mark.parametrize("loss", ["recall", "all"])
def test_the_rule(length: int, loss: Loss) -> None:
    task = Copying(length, loss=loss, batch_size=5)
    batch = task.training_batch(0)
    assert batch.inputs.shape == (5, length + 20, 1)
    for row in range(5):
        steps = batch.inputs[row, :, 0].tolist()
        symbols = steps[:10]
        assert all(0 <= symbol <= 7 for symbol in symbols)
        assert steps[10:] == [8] * (length - 1) + [9] + [8] * 10
        assert steps.index(9) == length + 9
        targets = decode(task, batch, row)
        # Every symbol is recalled T+10 steps after it was read.
        assert [targets[length + 10 + i] for i in range(10)] == symbols
        assert targets[: length + 10] == [8 if loss == "all" else None] * (length + 10)


@pytest.mark.parametrize("loss", ["recall", "all"])
def test_reversed_recalls_from_the_last_to_the_first(loss: Loss) -> None:
    """Distances T+1, T+3 … T+19, T+10 in the mean; the same sequences and the same floors as in order."""
    task = Copying(4, recall="reversed", loss=loss, batch_size=3)
    batch = task.training_batch(0)
    assert torch.equal(batch.inputs, Copying(4, loss=loss, batch_size=3).training_batch(0).inputs)
    for row in range(3):
        recalls = decode(task, batch, row)[14:]
        assert recalls == batch.inputs[row, :10, 0].flip(0).tolist()
    distances = [(14 + i) - (9 - i) for i in range(10)]
    assert distances == list(range(5, 25, 2))
    assert sum(distances) / 10 == 14
    assert task.reach == distances[-1] == 23
    assert task.credit(batch).nonzero().tolist() == [[row, 0] for row in range(3)]
    assert task.answer_steps(task.probe_batch(2)).tolist() == [23, 23]


@pytest.mark.parametrize(("recall", "sighted"), [("forward", [0] * 10), ("reversed", [1, 1, 1] + [0] * 7)])
def test_a_window_decides_each_recall_by_itself(recall: Any, sighted: list[int]) -> None:
    """T = 4: in order every distance is 14; reversed they are 5, 7, 9 … 23, and ten steps hold the first three."""
    task = Copying(4, recall=recall, batch_size=3)
    batch = task.training_batch(0)
    x = torch.nn.functional.one_hot(batch.inputs[..., 0], 10).double()
    assert task.spec.predict is not None
    for window, expected in ((10, sighted), (None, [1] * 10)):
        recalled = task.spec.predict(x, window)[:, 14:]
        known = (recalled.softmax(-1).max(-1).values > 0.99).int()
        assert known.tolist() == [expected] * 3
        right = recalled.argmax(-1) == batch.targets.view(3, 10)
        assert right[known.bool()].all()


def test_the_docstrings_example() -> None:
    lines = reversed((Copying.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = Copying(3).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(23))
    assert [int(word) for word in rows["input"]] == batch.inputs[0, :, 0].tolist()
    assert [None if w == "·" else int(w) for w in rows["target"]] == decode(Copying(3), batch, 0)


def outputs_of(targets: Tensor, right: float) -> Tensor:
    """Logits that put `right` on each target and nothing on the other classes."""
    return torch.zeros(len(targets), 10).scatter_(1, targets[:, None], right)


@pytest.mark.parametrize("loss", ["recall", "all"])
def test_an_oracle_scores_perfectly_and_a_constant_answer_is_chance(loss: Loss) -> None:
    task = Copying(10, loss=loss)
    oracle, constant, blank = (task.spec.objective.metric() for _ in range(3))
    for batch in task.held_out("test"):  # type: ignore[attr-defined]
        oracle.update(outputs_of(batch.targets, 50.0), batch)
        constant.update(outputs_of(torch.zeros_like(batch.targets), 1.0), batch)
        blank.update(outputs_of(torch.full_like(batch.targets, 8), 1.0), batch)
    best, chance = oracle.compute(), constant.compute()
    assert best.score == task.best == 1
    assert best.extras["recall_9"] == 1
    assert best.extras["cross_entropy"] < 1e-6
    # 10,240 recalls: four standard errors.
    assert abs(chance.score - task.chance) < 4 * math.sqrt(1 / 8 * 7 / 8 / 10_240)
    assert task.skill(task.chance) == 0
    assert task.skill(task.best) == 1
    # Knowing where the blanks are earns nothing.
    assert blank.compute().score == 0


def test_cross_entropy_of_knowing_nothing() -> None:
    for length, published in ((100, 0.17329), (500, 0.03999), (1000, 0.02039)):
        assert knowing_nothing(length) == pytest.approx(published, abs=5e-6)
    task = Copying(100, loss="all")
    batch = task.training_batch(0)
    outputs = torch.full((len(batch.targets), 10), -1e4)
    frame = batch.targets == 8
    outputs[frame, 8] = 0
    outputs[~frame, :8] = 0
    assert float(task.spec.objective.loss(outputs, batch)) == pytest.approx(knowing_nothing(100))
    assert task.floors == {"cross_entropy_knowing_nothing": knowing_nothing(100)}
    assert Copying(100).floors == {}


def test_both_losses_hold_out_the_same_sequences() -> None:
    recall, everything = Copying(10).held_out("test")[0], Copying(10, loss="all").held_out("test")[0]
    assert torch.equal(recall.inputs, everything.inputs)


def test_symbols_are_uniform() -> None:
    batch = Copying(1).draw(generator(0, "uniform"), 4000)
    counts = batch.targets.bincount(minlength=8).double()
    assert len(counts) == 8
    # Chi-squared with 7 degrees of freedom: 24.3 is its 99.9th percentile.
    assert float(((counts - 5000).square() / 5000).sum()) < 24.3


def test_credit_lies_on_the_symbol_recalled_last() -> None:
    task = Copying(4, batch_size=3)
    batch = task.training_batch(0)
    assert task.credit(batch).nonzero().tolist() == [[row, 9] for row in range(3)]
    assert torch.equal(batch.targets.view(3, 10)[:, -1], batch.inputs[:, 9, 0])


@pytest.mark.parametrize("loss", ["recall", "all"])
def test_the_answer_probed_is_the_last_recall_and_reaches_back_to_its_symbol(loss: Loss) -> None:
    task = Copying(7, loss=loss)
    batch = task.probe_batch(4)
    assert task.answer_steps(batch).tolist() == [26] * 4
    assert task.reach == 17
    assert task.credit(batch).argmax(1).tolist() == [26 - 17] * 4


def test_counterfactuals_change_one_symbol_each() -> None:
    task = Copying(7)
    batch = task.probe_batch(4)
    replaced = task.counterfactuals(batch)
    assert [positions.tolist() for positions, _ in replaced] == [[place] * 4 for place in range(10)]
    for positions, inputs in replaced:
        where = (inputs != batch.inputs)[..., 0].nonzero()[:, 1]
        assert where.tolist() == positions.tolist()
        assert 0 <= int(inputs[:, :10].min()) <= int(inputs[:, :10].max()) < 8


def test_length_below_one() -> None:
    with pytest.raises(ValueError, match="Copying: length must be at least 1, got 0"):
        Copying(0)


@pytest.mark.parametrize("recall", ["forward", "reversed"])
def test_other_numbers_of_symbols_follow_the_same_rule(recall: Any) -> None:
    """Fifty symbols at T = 11: ten blanks, the delimiter, and each symbol again T + 50 steps later (or reversed)."""
    task = Copying(11, symbols=50, recall=recall, batch_size=3)
    batch = task.training_batch(0)
    assert batch.inputs.shape == (3, 111, 1)
    assert task.reach == (61 if recall == "forward" else 110)
    for row in range(3):
        steps = batch.inputs[row, :, 0].tolist()
        assert steps[50:] == [8] * 10 + [9] + [8] * 50
        symbols = steps[:50] if recall == "forward" else steps[49::-1]
        assert decode(task, batch, row) == [None] * 61 + symbols
    metric = task.spec.objective.metric()
    for held in task.held_out("test"):  # type: ignore[attr-defined]
        metric.update(outputs_of(held.targets, 50.0), held)
    evaluation = metric.compute()
    assert (evaluation.score, evaluation.extras["recall_49"], evaluation.extras["exact"]) == (1, 1, 1)
    assert Copying(11, symbols=50, loss="all").floors == {"cross_entropy_knowing_nothing": knowing_nothing(11, 50)}
    assert knowing_nothing(11, 50) == pytest.approx(50 * math.log(8) / 111)


def test_ten_symbols_are_the_default() -> None:
    assert torch.equal(Copying(4, symbols=10).training_batch(2).inputs, Copying(4).training_batch(2).inputs)
    with pytest.raises(ValueError, match=r"^Copying: option 'symbols' expects at least 1, got 0$"):
        Copying(4, symbols=0)
