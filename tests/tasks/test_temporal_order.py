from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tasks.base import Batch, generator
from tasks.temporal_order import TemporalOrder

Relevant = Literal["two", "three"]
SAMPLES = 4000
LETTERS = "abcdXYEB"


def many(length: int, relevant: Relevant) -> Batch:
    return TemporalOrder(length, relevant=relevant).draw(generator(0, "many", length), SAMPLES)


def right(length: int, relevant: Relevant, window: int | None) -> Tensor:
    """Which sequences (batch,) the window answers right."""
    batch = many(length, relevant)
    predict = TemporalOrder(length, relevant=relevant).spec.predict
    assert predict is not None
    return predict(one_hot(batch.inputs[..., 0], 8).double(), window)[:, 0].argmax(-1) == batch.targets


@pytest.mark.parametrize("length", [10, 11, 12, 19, 100, 101])
@pytest.mark.parametrize("relevant", ["two", "three"])
def test_the_rule(length: int, relevant: Relevant) -> None:
    batch = TemporalOrder(length, relevant=relevant, batch_size=100).training_batch(0)
    shares = [(0.1, 0.2), (0.5, 0.6)] if relevant == "two" else [(0.1, 0.2), (1 / 3, 0.43), (0.66, 0.76)]
    ranges = [(math.floor(a * length + 1e-9), math.floor(b * length + 1e-9)) for a, b in shares]
    assert batch.reads.mask.nonzero().tolist() == [[row, length - 1] for row in range(100)]
    places = []
    for row in range(100):
        letters = "".join(LETTERS[token] for token in batch.inputs[row, :, 0].tolist())
        assert len(letters) == length
        assert (letters[0], letters[-1]) == ("E", "B")
        assert not {"E", "B"} & set(letters[1:-1])
        relevant_at = [t for t, letter in enumerate(letters) if letter in "XY"]
        assert len(relevant_at) == len(ranges)
        places.append(relevant_at)
        order = "".join(letters[t] for t in relevant_at)
        assert int(batch.targets[row]) == int(order.replace("X", "0").replace("Y", "1"), base=2)
    for found, (first, last) in zip(zip(*places, strict=True), ranges, strict=True):
        assert first <= min(found) <= max(found) <= last
        if length < 20:
            assert set(found) == set(range(first, last + 1))


def test_the_places_at_a_hundred_are_the_papers() -> None:
    assert TemporalOrder(100).ranges == [(10, 20), (50, 60)]
    assert TemporalOrder(100, relevant="three").ranges == [(10, 20), (33, 43), (66, 76)]


def test_the_docstrings_example() -> None:
    lines = reversed((TemporalOrder.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = TemporalOrder(12).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(12))
    assert [LETTERS.index(word) for word in rows["input"]] == batch.inputs[0, :, 0].tolist()
    assert [word == "·" for word in rows["target"]] == (~batch.reads.mask[0]).tolist()
    assert int(rows["target"][-1]) == int(batch.targets[0])


@pytest.mark.parametrize("relevant", ["two", "three"])
def test_classes_and_distractors_are_uniform(relevant: Relevant) -> None:
    task, batch = TemporalOrder(20, relevant=relevant), many(20, relevant)
    chance = task.chance
    shares = batch.targets.bincount(minlength=task.spec.outputs) / SAMPLES
    assert len(shares) == task.spec.outputs == 1 / chance
    assert float((shares - chance).abs().max()) < 4 * math.sqrt(chance * (1 - chance) / SAMPLES)
    distractors = batch.inputs[batch.inputs < 4].bincount(minlength=4).double()
    expected = float(distractors.sum()) / 4
    # Chi-squared with 3 degrees of freedom: 16.3 is its 99.9th percentile.
    assert float(((distractors - expected).square() / expected).sum()) < 16.3


@pytest.mark.parametrize(
    ("relevant", "window", "known"),
    [
        ("two", None, 1.0),
        ("two", 90, 1.0),
        ("two", 79, 1 / 2),  # misses the first
        ("two", 50, 1 / 2),
        ("two", 39, 1 / 4),
        ("three", None, 1.0),
        ("three", 79, 1 / 2),  # misses the first
        ("three", 56, 1 / 4),  # sees the last only
        ("three", 23, 1 / 8),
        ("two", 85, (1 + 6 / 11) / 2),  # steps 15 … 20 of 10 … 20 are in sight
    ],
)
def test_each_symbol_in_sight_doubles_the_score(relevant: Relevant, window: int | None, known: float) -> None:
    share = float(right(100, relevant, window).double().mean())
    assert abs(share - known) <= 4 * math.sqrt(known * (1 - known) / SAMPLES)


@pytest.mark.parametrize("relevant", ["two", "three"])
def test_credit_counterfactuals_and_reach(relevant: Relevant) -> None:
    task = TemporalOrder(20, relevant=relevant)
    batch = task.probe_batch(6)
    places = [[t for t, token in enumerate(row) if token in (4, 5)] for row in batch.inputs[..., 0].tolist()]
    assert task.credit(batch).nonzero().tolist() == [[row, t] for row, found in enumerate(places) for t in found]
    assert task.reach == 19 - 2
    bits = len(places[0])
    for i, (positions, inputs) in enumerate(task.counterfactuals(batch)):
        assert positions.tolist() == [found[i] for found in places]
        assert task.spec.predict is not None
        answers = task.spec.predict(one_hot(inputs[..., 0], 8).double(), None)[:, 0].argmax(-1)
        assert torch.equal(answers, batch.targets ^ (1 << (bits - 1 - i)))


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^TemporalOrder: length must be at least 10, got 9$"):
        TemporalOrder(9)
    with pytest.raises(ValueError, match=r"^TemporalOrder: option 'relevant' expects two or three, got 'four'\.$"):
        TemporalOrder(10, relevant="four")  # type: ignore[arg-type]
