from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from torch.nn.functional import one_hot

from tasks.base import Batch, generator
from tasks.dyck import Dyck, reflected

SAMPLES = 2000
SIZES = [(2, 4), (2, 2), (5, 3)]


def many(length: int, **sizes: Any) -> tuple[Dyck, Batch]:
    task = Dyck(length, **sizes)
    return task, task.draw(generator(0, "many", length), SAMPLES)


def score(task: Dyck, batch: Batch, window: int | None) -> float:
    assert task.spec.predict is not None
    outputs = task.spec.predict(one_hot(batch.inputs[..., 0], 2 * task.kinds).double(), window)
    metric = task.spec.objective.metric()
    metric.update(batch.reads.pick(outputs), batch)
    return float(metric.compute().score)


@pytest.mark.parametrize(("kinds", "depth"), SIZES)
@pytest.mark.parametrize("length", [2, 4, 12])
@pytest.mark.parametrize("loss", ["all", "answer"])
def test_the_rule(loss: Literal["all", "answer"], length: int, kinds: int, depth: int) -> None:
    task = Dyck(length, loss=loss, kinds=kinds, depth=depth, batch_size=100)
    batch = task.training_batch(0)
    assert batch.inputs.shape == (100, length + 2 * depth - 2, 1)
    assert batch.reads.counts.tolist() == [length if loss == "all" else 1] * 100
    targets = iter(batch.targets.tolist())
    surrounding = set()
    for row in range(100):
        reads = batch.reads.mask[row].nonzero()[:, 0].tolist()
        assert reads == list(range(reads[0], reads[-1] + 1))
        stack: list[tuple[int, int]] = []  # kind, and when it was opened
        for step, token in enumerate(batch.inputs[row, :, 0].tolist()):
            if token < kinds:
                stack.append((token, step))
            else:
                assert stack.pop()[0] == token - kinds
            assert len(stack) <= depth
            if step in reads:
                assert stack[-1][0] == next(targets)
            if step == reads[-1]:
                assert stack[-1][1] == step - length
                assert [opened for _, opened in stack] == list(range(len(stack)))
                surrounding.add(len(stack))
        assert not stack
    assert surrounding == set(range(1, depth))


def test_the_docstrings_example() -> None:
    lines = reversed((Dyck.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = Dyck(6).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(12))
    assert ["([)]".index(word) for word in rows["input"]] == batch.inputs[0, :, 0].tolist()
    assert [word == "·" for word in rows["target"]] == (~batch.reads.mask[0]).tolist()
    assert [int(word) for word in rows["target"] if word != "·"] == batch.targets[:6].tolist()


def test_reflection() -> None:
    walk = torch.tensor([[1, 2, 3, 2, 1, 0, -1, -2, -3, -4, -5, -4]])
    assert reflected(walk, torch.tensor([[2]])).tolist() == [[1, 2, 1, 2, 1, 0, 1, 2, 1, 0, 1, 0]]
    assert reflected(walk, torch.tensor([[9]])).tolist() == walk.abs().tolist()
    assert reflected(walk, torch.tensor([[1]])).tolist() == (walk % 2).tolist()


@pytest.mark.parametrize(("kinds", "depth"), SIZES)
@pytest.mark.parametrize("length", [2, 10])
def test_a_window_knows_the_bracket_once_it_sees_it(length: int, kinds: int, depth: int) -> None:
    task, batch = many(length, kinds=kinds, depth=depth)
    assert score(task, batch, None) == score(task, batch, length + 1) == task.best == 1
    tolerance = 4 * math.sqrt((1 - task.chance) * task.chance / SAMPLES)
    assert task.chance == 1 / kinds
    for answer in range(kinds):
        constant = task.spec.objective.metric()
        constant.update(torch.eye(kinds)[answer].expand(len(batch.targets), -1), batch)
        assert abs(constant.compute().score - task.chance) < tolerance
    for window in {1, length - 1, length}:
        assert abs(score(task, batch, window) - task.chance) < tolerance


def test_depths_are_uniform_and_kinds_independent_of_the_surroundings() -> None:
    _, batch = many(6, loss="answer")
    opened = batch.reads.mask.int().argmax(1) - 6 + 1
    shares = opened.bincount(minlength=4)[1:] / SAMPLES
    assert float((shares - 1 / 3).abs().max()) < 4 * math.sqrt(2 / 9 / SAMPLES)
    # Where the bracket to close is not the first symbol, the first symbol tells nothing.
    inside = opened > 1
    same = (batch.inputs[inside, 0, 0] == batch.targets[inside]).double()
    assert abs(float(same.mean()) - 1 / 2) < 4 * 0.5 / math.sqrt(len(same))


def test_credit_counterfactuals_and_reach() -> None:
    task = Dyck(6)
    batch = task.probe_batch(8)
    opened = [row.index(True) - 1 for row in batch.reads.mask.tolist()]
    assert task.credit(batch).nonzero().tolist() == [[row, step] for row, step in enumerate(opened)]
    assert task.reach == 6
    assert len(task.counterfactuals(batch)) == 3
    for place, (positions, inputs) in enumerate(task.counterfactuals(batch)):
        assert positions.tolist() == [min(place, step) for step in opened]
        for row, step in enumerate(positions.tolist()):
            assert int(inputs[row, step, 0]) == 1 - int(batch.inputs[row, step, 0])


def test_a_delay_is_enough_for_the_answer_alone_and_not_for_the_others() -> None:
    """What stands T steps back is the bracket to close at the last read; elsewhere it is any symbol."""
    for loss in ("answer", "all"):
        task, batch = many(10, loss=loss)
        rows, steps = batch.reads.mask.nonzero().unbind(1)
        delayed = batch.inputs[rows, (steps - 10).clamp(min=0), 0] % 2
        share = float((delayed == batch.targets).double().mean())
        assert share == 1 if loss == "answer" else share < 0.75
        assert task.answer_steps(batch).tolist() == steps.view(SAMPLES, -1)[:, -1].tolist()


def test_both_losses_hold_out_the_same_sequences() -> None:
    everything, answer = Dyck(12).held_out("test")[0], Dyck(12, loss="answer").held_out("test")[0]
    assert torch.equal(everything.inputs, answer.inputs)
    assert torch.equal(everything.targets.view(-1, 12)[:, -1], answer.targets)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Dyck: length must be at least 2, got 1$"):
        Dyck(1)
    with pytest.raises(ValueError, match=r"^Dyck: length must be even, got 7$"):
        Dyck(7)
    with pytest.raises(ValueError, match=r"^Dyck: option 'kinds' expects at least 2, got 1$"):
        Dyck(6, kinds=1)
    with pytest.raises(ValueError, match=r"^Dyck: option 'depth' expects at least 2, got 1$"):
        Dyck(6, depth=1)
