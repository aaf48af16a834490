from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from models.oracle import Oracle
from models.parts.control import one_hot
from tasks.base import Batch, generator
from tasks.captioning import BLANK, CELLS, DELIMITER, WORDS, Captioning

SAMPLES = 500
SHAPES = {"circle": (-1, -1), "square": (-1, 1), "star": (1, -1), "moon": (1, 1)}


def many(length: int, **options: Any) -> tuple[Captioning, Batch]:
    task = Captioning(length, **options)
    return task, task.draw(generator(0, "many", length), SAMPLES)


def score(task: Captioning, batch: Batch, outputs: Tensor) -> float:
    metric = task.spec.objective.metric()
    metric.update(outputs, batch)
    return float(metric.compute().score)


def told(row: Tensor) -> list[str]:
    """The shapes of one grid in reading order."""
    cells = [tuple(int(mark) for mark in cell) for cell in row.view(CELLS, 2).tolist()]
    names = {marks: name for name, marks in SHAPES.items()}
    return [names[cell] for cell in cells if cell != (0, 0)]


@pytest.mark.parametrize("scene", ["packed", "scattered"])
@pytest.mark.parametrize("feed", ["once", "every"])
@pytest.mark.parametrize("length", [1, 5, 100])
def test_the_rule(length: int, feed: Any, scene: Any) -> None:
    batch = Captioning(length, feed=feed, scene=scene, batch_size=20).training_batch(0)
    assert batch.inputs.shape == (20, length + 1, 2 * CELLS + 1)
    for row, (grids, tokens) in enumerate(zip(batch.inputs[..., :-1], batch.inputs[..., -1].tolist(), strict=True)):
        words = told(grids[0])
        assert [WORDS[target] for target in batch.targets.view(20, length)[row]] == words
        assert tokens == [BLANK, DELIMITER, *(WORDS.index(word) for word in words[:-1])]
        for grid in grids[1:]:
            assert torch.equal(grid, grids[0] if feed == "every" else torch.zeros(2 * CELLS))
        filled = grids[0].view(CELLS, 2)[:, 0].nonzero()[:, 0].tolist()
        assert (filled == list(range(length))) == (scene == "packed" or length == CELLS)
    assert batch.reads.mask.tolist() == [[False] + [True] * length] * 20


def test_the_docstrings_example() -> None:
    lines = reversed((Captioning.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = Captioning(4).training_batch(0)
    tokens = [*WORDS, "_", ":"]
    assert [int(word) for word in rows["step"]] == list(range(5))
    shown = [tuple(int(mark) for mark in cell.strip("()").split(",")) for cell in rows["scene"]]
    assert shown == [tuple(cell) for cell in batch.inputs[0, 0, :8].view(4, 2).int().tolist()]
    assert [tokens.index(word) for word in rows["input"]] == batch.inputs[0, :, -1].tolist()
    assert [word == "·" for word in rows["target"]] == (~batch.reads.mask[0]).tolist()
    assert [WORDS.index(word) for word in rows["target"][1:]] == batch.targets[:4].tolist()


@pytest.mark.parametrize("scene", ["packed", "scattered"])
@pytest.mark.parametrize("feed", ["once", "every"])
def test_chance_and_what_a_window_knows(feed: Any, scene: Any) -> None:
    task, batch = many(6, feed=feed, scene=scene)
    x = one_hot(task.spec.inputs)(batch.inputs)
    assert task.spec.predict is not None
    for window in (None, 7, 5, 2, 1):
        known = 6 if window is None or feed == "every" else window - 1
        expected = (known + (6 - known) * task.chance) / 6
        value = score(task, batch, batch.reads.pick(task.spec.predict(x, window)))
        assert abs(value - expected) <= 4 * math.sqrt(3 / 16 / (6 * SAMPLES)) * (known < 6), window
    for word in range(4):
        constant = torch.eye(4)[word].expand(len(batch.targets), -1)
        assert abs(score(task, batch, constant) - task.chance) < 4 * math.sqrt(3 / 16 / (6 * SAMPLES))


@pytest.mark.parametrize("feed", ["once", "every"])
def test_the_solutions_own_continuation_is_right(feed: Any) -> None:
    task, batch = many(7, feed=feed, scene="scattered")
    assert task.spec.feed is not None
    outputs = Oracle(task.spec).generate(batch, task.spec.feed, 7)
    assert score(task, batch, outputs.flatten(0, 1)) == 1


def test_an_answer_becomes_the_next_input() -> None:
    for feed in ("once", "every"):
        task, batch = many(4, feed=feed)
        answers = torch.eye(4)[batch.targets].view(SAMPLES, 4, 4)
        assert task.spec.feed is not None
        for step in (1, 2, 3):
            following = batch.inputs[:, step + 1]
            assert torch.equal(task.spec.feed(answers[:, step - 1], following), following)
        last = task.spec.feed(answers[:, 3], None)
        assert not last[:, :-1].any()
        assert torch.equal(last[:, -1].long(), batch.targets.view(SAMPLES, 4)[:, -1])


def test_credit_counterfactuals_and_reach() -> None:
    task = Captioning(5, scene="scattered")
    batch = task.probe_batch(8)
    assert task.credit(batch).nonzero().tolist() == [[row, 0] for row in range(8)]
    assert task.reach == 5
    replaced = task.counterfactuals(batch)
    assert [int(positions[0]) for positions, _ in replaced] == [0, 2, 3, 4, 5]
    for row in range(8):
        before, after = told(batch.inputs[row, 0, :-1]), told(replaced[0].inputs[row, 0, :-1])
        assert before[:-1] == after[:-1]
        assert before[-1] != after[-1]
    every = Captioning(5, feed="every")
    assert every.credit(batch) is every.counterfactuals(batch) is every.reach is None


def test_all_forms_hold_out_the_same_words() -> None:
    forms: list[dict[str, Any]] = [{}, {"feed": "every"}, {"scene": "scattered"}]
    first, *others = (Captioning(5, **form).held_out("test")[0].targets for form in forms)
    assert all((other == first).all() for other in others)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Captioning: length must be at least 1, got 0$"):
        Captioning(0)
    with pytest.raises(ValueError, match=r"^Captioning: length must be at most 100, one word for each cell, got 101$"):
        Captioning(101)
    with pytest.raises(ValueError, match=r"^Captioning: option 'feed' expects once or every, got 'evry'\. Did"):
        Captioning(3, feed="evry")  # type: ignore[arg-type]
