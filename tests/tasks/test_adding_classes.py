from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tasks.adding_classes import AddingClasses
from tasks.base import Batch, generator

SAMPLES = 20_000


def many(length: int) -> Batch:
    return AddingClasses(length).draw(generator(0, "many", length), SAMPLES)


def logits(batch: Batch, window: int | None) -> Tensor:
    predict = AddingClasses(batch.steps - 2).spec.predict
    assert predict is not None
    return predict(one_hot(batch.inputs[..., 0], 18).double(), window)[:, 0]


def number(token: int) -> int:
    """The number that a token stands for, marked or not."""
    return token % 8 + 1


@pytest.mark.parametrize("length", [2, 3, 9])
def test_the_rule(length: int) -> None:
    task = AddingClasses(length, batch_size=30)
    batch = task.training_batch(0)
    assert batch.inputs.shape == (30, length + 2, 1)
    assert batch.reads.mask.nonzero().tolist() == [[row, length + 1] for row in range(30)]
    for row in range(30):
        *numbers, delimiter, blank = batch.inputs[row, :, 0].tolist()
        assert (delimiter, blank) == (16, 17)
        marked = [number(token) for token in numbers if token >= 8]
        assert len(marked) == 2
        assert all(0 <= token < 16 for token in numbers)
        assert int(batch.targets[row]) == sum(marked) - 2


def test_the_docstrings_example() -> None:
    lines = reversed((AddingClasses.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = AddingClasses(6).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(8))
    shown = [f"{number(token)}{'*' * (token >= 8)}" for token in batch.inputs[0, :6, 0].tolist()]
    assert rows["input"] == [*shown, "=", "_"]
    assert rows["target"] == ["·"] * 7 + [str(int(batch.targets[0]) + 2)]


def test_numbers_and_marks_are_uniform() -> None:
    ids = many(10).inputs[:, :10, 0]
    assert float(((ids >= 8).double().mean(0) - 0.2).abs().max()) < 4.5 * math.sqrt(0.2 * 0.8 / SAMPLES)
    counts = (ids % 8).flatten().bincount(minlength=8).double()
    # Chi-squared with 7 degrees of freedom: 24.3 is its 99.9th percentile.
    assert float(((counts - SAMPLES * 10 / 8).square() / (SAMPLES * 10 / 8)).sum()) < 24.3


def test_chance_is_the_share_of_the_likeliest_sum() -> None:
    task, targets = AddingClasses(20), many(20).targets
    shares = targets.bincount(minlength=15).double() / SAMPLES
    assert int(shares.argmax()) == 9 - 2
    assert abs(float(shares[7]) - task.chance) < 4 * math.sqrt(1 / 8 * 7 / 8 / SAMPLES)
    assert shares.tolist() == pytest.approx([(8 - abs(s - 9)) / 64 for s in range(2, 17)], abs=0.01)


def test_the_solution_is_perfect() -> None:
    batch = many(6)
    for window in (None, 8):
        assert torch.equal(logits(batch, window).argmax(-1), batch.targets)


@pytest.mark.parametrize("window", [2, 6, 12, 17])
def test_a_window_answers_what_it_sees(window: int) -> None:
    """T = 20: K steps hold the last K−2 numbers. Both marked ones are among them with probability n(n−1)/(T(T−1));
    else the best answer is right one time in eight, whether one is seen or none."""
    n = window - 2
    known = n * (n - 1) / (20 * 19)
    batch = many(20)
    right = (logits(batch, window).argmax(-1) == batch.targets).double()
    assert abs(float(right.mean()) - (known + (1 - known) / 8)) < 4 * float(right.std()) / math.sqrt(SAMPLES)


def test_one_number_seen_leaves_eight_sums_alike() -> None:
    batch = AddingClasses(4).training_batch(0)
    marked = (batch.inputs[:, :4, 0] >= 8).int()
    for row in range(len(batch)):
        first, second = marked[row].nonzero().flatten().tolist()
        likely = logits(batch, 6 - second)[row].softmax(-1)
        seen = number(int(batch.inputs[row, second, 0]))
        assert first < second
        assert [s for s in range(2, 17) if likely[s - 2] > 0.1] == list(range(seen + 1, seen + 9))
        assert likely.max() == pytest.approx(1 / 8, rel=1e-6)


def test_credit_is_a_half_on_each_marked_number() -> None:
    task = AddingClasses(12)
    batch = task.training_batch(0)
    credit = task.credit(batch)
    assert credit.sum(1).tolist() == [1.0] * 32
    ids = batch.inputs[..., 0]
    assert torch.equal(credit == 0.5, (ids >= 8) & (ids < 16))
    assert task.reach == 13


def test_counterfactuals_change_one_marked_number_each() -> None:
    task = AddingClasses(7)
    batch = task.probe_batch(5)
    replaced = task.counterfactuals(batch)
    assert len(replaced) == 2
    for positions, inputs in replaced:
        changed = (inputs != batch.inputs)[..., 0]
        assert changed.nonzero()[:, 1].tolist() == positions.tolist()
        before, after = batch.inputs[changed][:, 0], inputs[changed][:, 0]
        assert torch.equal(after, 8 + (before + 1) % 8)
        assert int(before.min()) >= 8
