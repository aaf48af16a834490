from __future__ import annotations

import itertools

import pytest
import torch

from tasks.base import Batch, generator
from tasks.glyphs.lines import columns_of
from tasks.glyphs.shapes import EASTERN, LATIN
from tasks.scripts import Scripts
from tests.support.examples_in_columns import columns


def many(task: Scripts, count: int = 1000) -> Batch:
    return task.draw(generator(0, "many", task.length), count)


def test_the_docstrings_example() -> None:
    rows, batch = columns(Scripts.__doc__), Scripts(12).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(17))
    for row in range(9):
        assert [word == "#" for word in rows[f"row{row}"]] == (batch.inputs[0, :, row] > 0.5).tolist()
    assert [word == "·" for word in rows["class"]] == (~batch.reads.mask[0]).tolist()
    assert [int(word) for word in rows["class"][5:]] == batch.targets[:12].tolist()


def test_columns_are_those_of_their_script() -> None:
    """Upright and without noise; paper is empty but for what slant moves there from a neighbour."""
    task = Scripts(60, noise=0.0)
    batch, line = many(task), task._line(generator(0, "many", 60), 1000)
    classes, columns_seen = batch.targets.view(1000, 60), columns_of(line.setting, line.bitmaps)
    for script, number in ((LATIN, 1), (EASTERN, 2)):
        drawn = {tuple(column.tolist()) for bitmap in script.bitmaps for column in bitmap if column.any()}
        assert {tuple(column.tolist()) for column in columns_seen[classes == number] if column.any()} == drawn
    assert 0.35 < float(columns_seen[classes == 3].mean()) < 0.45
    near = torch.nn.functional.max_pool1d((classes > 0).float()[:, None], 3, 1, 1)[:, 0] > 0
    assert not batch.inputs[:, :60][~near].any()
    assert not batch.inputs[:, 60:].any()


def test_words_are_of_one_kind_and_apart() -> None:
    for row in many(Scripts(80)).targets.view(1000, 80).tolist():
        kinds = [(step, kind) for step, kind in enumerate(row) if kind]
        for (step, kind), (after, other) in itertools.pairwise(kinds):
            assert after - step in (1, 2, 5)
            assert kind == other or after - step == 5


@pytest.mark.parametrize("length", [10, 40])
def test_chance_is_the_share_of_paper(length: int) -> None:
    task, batch = Scripts(length), many(Scripts(length), 4000)
    shares = [float((batch.targets == kind).double().mean()) for kind in range(4)]
    assert max(shares) == shares[0] == pytest.approx(task.chance, abs=0.01)
    metric = task.spec.objective.metric()
    metric.update(torch.eye(4)[0].expand(len(batch.targets), -1), batch)
    assert metric.compute().score == pytest.approx(shares[0])


def test_kinds_are_equally_frequent_at_the_first_glyph() -> None:
    classes = many(Scripts(20), 3000).targets.view(3000, 20)
    counts = classes.gather(1, (classes > 0).int().argmax(1, keepdim=True)).flatten().bincount(minlength=4)
    # Chi-squared with 2 degrees of freedom: 13.8 is its 99.9th percentile.
    assert float((counts[1:] - 1000.0).square().sum() / 1000) < 13.8


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Scripts: option 'noise' expects at least 0, got -1.0$"):
        Scripts(20, noise=-1.0)
