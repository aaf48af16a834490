from __future__ import annotations

import math
from math import comb

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tasks.base import Batch, generator
from tasks.marked_copying import MarkedCopying

SAMPLES = 4000


def many(length: int) -> Batch:
    return MarkedCopying(length).draw(generator(0, "many", length), SAMPLES)


def right(task: MarkedCopying, batch: Batch, window: int | None) -> Tensor:
    """Which recalls (batch, 10) the window answers right."""
    assert task.spec.predict is not None
    answers = task.spec.predict(one_hot(batch.inputs[..., 0], 18).double(), window)[:, -10:].argmax(-1)
    return answers == batch.targets.view(-1, 10)


@pytest.mark.parametrize(("length", "delay"), [(10, 0), (12, 2), (20, 10)])
def test_the_rule(length: int, delay: int) -> None:
    task = MarkedCopying(length, delay=delay, batch_size=20)
    batch = task.training_batch(0)
    assert batch.inputs.shape == (20, length + delay + 11, 1)
    assert batch.reads.mask.tolist() == [[False] * (length + delay + 1) + [True] * 10] * 20
    assert task.reach == length + delay + 1
    for row in range(20):
        steps = batch.inputs[row, :, 0].tolist()
        assert steps[length:] == [16] * delay + [17] + [16] * 10
        marked = [token - 8 for token in steps[:length] if token >= 8]
        assert len(marked) == 10
        assert all(0 <= token <= 15 for token in steps[:length])
        assert batch.targets.view(20, 10)[row].tolist() == marked


def test_the_docstrings_example() -> None:
    lines = reversed((MarkedCopying.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = MarkedCopying(12, delay=2).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(25))
    assert "".join(rows["input"]) == "".join("abcdefghABCDEFGH_:"[token] for token in batch.inputs[0, :, 0])
    assert [word == "·" for word in rows["target"]] == (~batch.reads.mask[0]).tolist()
    assert "".join(rows["target"][-10:]) == "".join("abcdefgh"[token] for token in batch.targets[:10])


def test_places_and_symbols_are_uniform() -> None:
    ids = many(16).inputs[:, :16, 0]
    shares = (ids >= 8).double().mean(0)
    assert float((shares - 10 / 16).abs().max()) < 4 * math.sqrt(10 / 16 * 6 / 16 / SAMPLES)
    for chosen in (ids[ids >= 8] - 8, ids[ids < 8]):
        counts = chosen.bincount(minlength=8).double()
        expected = len(chosen) / 8
        # Chi-squared with 7 degrees of freedom: 24.3 is its 99.9th percentile.
        assert float(((counts - expected).square() / expected).sum()) < 24.3


def test_a_constant_answer_is_chance_and_the_solution_is_perfect() -> None:
    task, batch = MarkedCopying(20), many(20)
    share = float((batch.targets == 3).double().mean())
    assert abs(share - task.chance) < 4 * math.sqrt(1 / 8 * 7 / 8 / (10 * SAMPLES))
    assert right(task, batch, None).all()
    assert right(task, batch, 41).all()
    metric = task.spec.objective.metric()
    for held in task.held_out("test"):  # type: ignore[attr-defined]
        metric.update(one_hot(held.targets, 8).double(), held)
    assert metric.compute().extras["exact"] == metric.compute().score == task.best


@pytest.mark.parametrize("window", [1, 15, 22, 28])
def test_a_window_recalls_what_it_sees(window: int) -> None:
    """Recall i (at step T+11+i) sees the last K−12−i of the T symbols, and knows its own where these hold at least
    10−i marked ones; elsewhere it is right one time in eight."""
    expected = 0.0
    for i in range(10):
        seen = max(0, min(20, window - 12 - i))
        known = sum(comb(seen, j) * comb(20 - seen, 10 - j) for j in range(10 - i, 11)) / comb(20, 10)
        expected += (known + (1 - known) / 8) / 10
    shares = right(MarkedCopying(20), many(20), window).double().mean(1)
    assert abs(float(shares.mean()) - expected) < 4 * float(shares.std()) / math.sqrt(SAMPLES)


def test_credit_of_the_first_recall_lies_on_the_first_marked_symbol() -> None:
    task = MarkedCopying(13)
    batch = task.probe_batch(6)
    assert task.answer_steps(batch).tolist() == [24] * 6
    firsts = [next(t for t, token in enumerate(row) if 8 <= token < 16) for row in batch.inputs[..., 0].tolist()]
    assert task.credit(batch).nonzero().tolist() == [[row, first] for row, first in enumerate(firsts)]


def test_counterfactuals_change_one_marked_symbol_each() -> None:
    task = MarkedCopying(13)
    batch = task.probe_batch(4)
    replaced = task.counterfactuals(batch)
    assert len(replaced) == 10
    for i, (positions, inputs) in enumerate(replaced):
        ids = inputs[:, :13, 0]
        expected = batch.targets.view(4, 10).clone()
        expected[:, i] = (expected[:, i] + 1) % 8
        assert torch.equal(ids[ids >= 8].view(4, 10) - 8, expected)
        assert (inputs != batch.inputs)[..., 0].nonzero()[:, 1].tolist() == positions.tolist()


def test_what_is_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"^MarkedCopying: length must be at least 10, got 9$"):
        MarkedCopying(9)
    with pytest.raises(ValueError, match=r"^MarkedCopying: option 'delay' expects at least 0, got -1$"):
        MarkedCopying(10, delay=-1)
