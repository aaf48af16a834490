from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import one_hot

from models.oracle import Oracle
from models.window import Window
from tasks.base import generator
from tasks.repeating import Repeating


@pytest.mark.parametrize("length", [1, 3, 9])
def test_the_rule(length: int) -> None:
    task = Repeating(length, batch_size=6)
    batch = task.training_batch(0)
    assert batch.inputs.shape == (6, 2 * length + 2, 1)
    assert batch.reads.mask.tolist() == [[False] * (length + 1) + [True] * (length + 1)] * 6
    for row in range(6):
        start, *rest = batch.inputs[row, :, 0].tolist()
        symbols, delimiter, said = rest[:length], rest[length], rest[length + 1 :]
        assert (start, delimiter) == (21, 20)
        assert all(0 <= symbol < 20 for symbol in symbols)
        assert said == symbols
        assert batch.targets.view(6, length + 1)[row].tolist() == [*symbols, 20]


def test_the_docstrings_example() -> None:
    lines = reversed((Repeating.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = Repeating(3).training_batch(0)
    letters = "abcdefghijklmnopqrst:^"
    assert [int(word) for word in rows["step"]] == list(range(8))
    assert rows["input"] == [letters[token] for token in batch.inputs[0, :, 0]]
    assert rows["target"] == ["·"] * 4 + [letters[token] for token in batch.targets[:3]] + ["end"]


@pytest.mark.parametrize("length", [1, 6])
def test_a_constant_answer_is_chance(length: int) -> None:
    """One symbol at each place, and the end at its own."""
    batch = Repeating(length).draw(generator(0, "many"), 4000)
    right = (batch.targets.view(4000, -1) == torch.tensor([7] * length + [20])).double().mean(1)
    chance = Repeating(length).chance
    assert abs(float(right.mean()) - chance) < 4 * math.sqrt(1 / 20 * 19 / 20 * length / 4000) / (length + 1)
    assert chance == pytest.approx((length / 20 + 1) / (length + 1))


def test_the_oracle_goes_on_by_itself_without_a_fault_and_a_short_window_knows_the_end_alone() -> None:
    task = Repeating(5)
    assert task.spec.feed is not None
    for model, score, exact in ((Oracle(task.spec), 1.0, 1.0), (Window(task.spec, k=5), task.chance, 0.0)):
        metric = task.spec.objective.metric()
        for batch in task.held_out("test"):  # type: ignore[attr-defined]
            metric.update(model.generate(batch, task.spec.feed, 6).flatten(0, 1), batch)
        evaluation = metric.compute()
        assert evaluation.score == pytest.approx(score, abs=0.02)
        assert evaluation.extras["exact"] == pytest.approx(exact, abs=0.01)


def test_a_window_of_more_than_the_length_knows_all() -> None:
    task = Repeating(4)
    assert task.spec.predict is not None
    batch = task.training_batch(0)
    x = one_hot(batch.inputs[..., 0], 22).double()
    for window in (5, None):
        assert torch.equal(task.spec.predict(x, window)[:, 5:].argmax(-1).flatten(), batch.targets)


def test_credit_and_counterfactuals() -> None:
    task = Repeating(6)
    batch = task.probe_batch(3)
    assert task.answer_steps(batch).tolist() == [12] * 3
    assert task.credit(batch).nonzero().tolist() == [[row, 6] for row in range(3)]
    assert [int(positions[0]) for positions, _ in task.counterfactuals(batch)] == [6, 5, 4, 3, 2, 1]
    assert len(Repeating(100).counterfactuals(Repeating(100).probe_batch(1))) == 32


def test_other_lengths_are_the_same_rule() -> None:
    assert Repeating(16).at(20).spec.outputs == Repeating(16).spec.outputs
    assert list(Repeating(4).lengths()) == [1, 2, 3, 4]
