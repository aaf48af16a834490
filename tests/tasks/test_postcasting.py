from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import one_hot

from tasks.base import generator
from tasks.postcasting import Postcasting


@pytest.mark.parametrize(("length", "answers"), [(1, 1), (3, 5), (15, 85)])
def test_the_rule(length: int, answers: int) -> None:
    task = Postcasting(length, answers=answers, batch_size=6)
    batch = task.training_batch(0)
    assert batch.inputs.shape == (6, length + answers, 1)
    assert batch.reads.mask.tolist() == [[False] * length + [True] * answers] * 6
    for row in range(6):
        symbols = batch.inputs[row, :, 0].tolist()
        assert all(0 <= symbol < 8 for symbol in symbols)
        assert batch.targets.view(6, answers)[row].tolist() == symbols[:answers]
    assert task.reach == length


def test_the_docstrings_example() -> None:
    lines = reversed((Postcasting.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = Postcasting(3, answers=5).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(8))
    assert "".join(rows["input"]) == "".join("abcdefgh"[token] for token in batch.inputs[0, :, 0])
    assert "".join(rows["target"]) == "···" + "".join("abcdefgh"[token] for token in batch.targets[:5])


def test_a_constant_answer_is_chance_and_the_solution_is_perfect() -> None:
    task = Postcasting(15)
    assert task.spec.predict is not None
    oracle, constant = task.spec.objective.metric(), task.spec.objective.metric()
    for batch in task.held_out("test"):  # type: ignore[attr-defined]
        answers = task.spec.predict(one_hot(batch.inputs[..., 0], 8).double(), None)[:, 15:].reshape(-1, 8)
        oracle.update(answers, batch)
        constant.update(one_hot(torch.full_like(batch.targets, 3), 8).double(), batch)
    assert oracle.compute().score == task.best == 1
    reads = 1024 * 85
    assert abs(constant.compute().score - task.chance) < 4 * math.sqrt(1 / 8 * 7 / 8 / reads)


def test_symbols_are_uniform() -> None:
    counts = Postcasting(5).draw(generator(0, "uniform"), 200).inputs.flatten().bincount(minlength=8).double()
    expected = 200 * 90 / 8
    # Chi-squared with 7 degrees of freedom: 24.3 is its 99.9th percentile.
    assert float(((counts - expected).square() / expected).sum()) < 24.3


def test_a_window_knows_all_or_nothing() -> None:
    task = Postcasting(4, answers=6)
    assert task.spec.predict is not None
    batch = task.training_batch(0)
    x = one_hot(batch.inputs[..., 0], 8).double()
    assert torch.equal(task.spec.predict(x, 5)[:, 4:].argmax(-1).flatten(), batch.targets)
    assert not task.spec.predict(x, 4).any()


def test_credit_and_counterfactuals() -> None:
    task = Postcasting(30, answers=7)
    batch = task.probe_batch(3)
    assert task.credit(batch).nonzero().tolist() == [[row, 6] for row in range(3)]
    assert task.answer_steps(batch).tolist() == [36] * 3
    replaced = task.counterfactuals(batch)
    assert [int(positions[0]) for positions, _ in replaced] == [6, 9, 13, 16, 19, 23, 26, 29, 33, 36]
    for positions, inputs in replaced:
        changed = (inputs != batch.inputs)[..., 0]
        assert changed.nonzero()[:, 1].tolist() == positions.tolist()
    assert len(Postcasting(1).counterfactuals(Postcasting(1).probe_batch(2))) == 2


def test_what_is_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"^Postcasting: length must be at least 1, got 0$"):
        Postcasting(0)
    with pytest.raises(ValueError, match=r"^Postcasting: option 'answers' expects at least 1, got 0$"):
        Postcasting(3, answers=0)
