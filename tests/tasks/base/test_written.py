"""Examples in a task's own symbols."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tasks.adding import Adding
from tasks.base import Batch, Column, Features, Mixed, Notation, Task, Tokens
from tasks.base.transcription import decode
from tasks.base.written import decimals, written
from tasks.captioning import Captioning
from tasks.copying import Copying
from tasks.dna import DNA
from tasks.dyck import Dyck
from tasks.ner import NER
from tasks.ocr import OCR
from tasks.parity import Parity
from tasks.pixels import Pixels
from tasks.recall import AssociativeRecall
from tasks.selective_copying import SelectiveCopying
from tasks.sentiment import Sentiment
from tasks.speech import Speech
from tasks.temporal_order import TemporalOrder
from tasks.translation import Translation
from tests.support.examples_in_columns import columns

EXAMPLES = [
    Adding(6), Copying(3), Dyck(6), AssociativeRecall(3), SelectiveCopying(3), TemporalOrder(12),
    Translation(4, batch_size=2), Captioning(4),
]  # fmt: skip


def rows(task: Task, batch: Batch | None = None) -> dict[str, list[str | float]]:
    whole = task.written(task.training_batch(0) if batch is None else batch)
    return {row.name: list(row.cells) for row in (*whole.steps, *whole.beside)}


@pytest.mark.parametrize("task", EXAMPLES, ids=lambda task: type(task).__name__)
def test_an_example_is_written_as_the_docstring_writes_it(task: Task) -> None:
    stated = columns(type(task).__doc__)
    shown = rows(task)
    assert {name: stated[name] for name in ("step", "target")} == {name: shown[name] for name in ("step", "target")}
    read = ("value", "marker") if isinstance(task, Adding) else ("input",)
    assert {name: stated[name] for name in read} == {name: shown[name] for name in read}


def test_labels_tags_and_bits() -> None:
    review = rows(Sentiment(7))
    assert review["input"] == columns(Sentiment.__doc__)["input"]
    assert review["target"][-1] == ("against", "for")[int(columns(Sentiment.__doc__)["target"][-1])]
    sequence = DNA(8).training_batch(0).select(slice(11, 12))
    shown, stated = rows(DNA(8), sequence), columns(DNA.__doc__)
    assert "".join(map(str, shown["input"])) == stated["bases"][0]
    assert "".join(map(str, shown["target"])) == stated["tags"][0]
    assert rows(Parity(8))["is 1"] == columns(Parity.__doc__)["bit"]
    assert "input" not in rows(Parity(8))


def test_words_of_a_document_and_padding() -> None:
    task = NER(12, corpus="generated")
    shown = rows(task)
    assert all(word[0] in "w<n" for word in map(str, shown["input"]))
    assert {str(tag)[:2] for tag in shown["target"]} <= {"·", "O", "B-", "I-"}
    batch = task.training_batch(0)
    padded = Batch(batch.inputs.clone().index_fill(1, torch.tensor([11]), 0), batch.targets, batch.reads)
    assert rows(task, padded)["input"] == [*shown["input"][:11], "_"]


def test_more_numbers_than_four_are_a_picture() -> None:
    batch = Batch(torch.tensor([[[-1.0, 0, 1, 2, 3]]]), torch.tensor([7]), torch.ones(1, 1, dtype=torch.bool))
    steps, *picture, target = written(Features(5), Notation(), batch).steps
    assert (steps.cells, target.cells) == (("0",), ("7",))
    assert [row.cells for row in picture] == [(0.0,), (0.25,), (0.5,), (0.75,), (1.0,)]
    fixed = written(Features(5), Notation(shades=(0.0, 2.0), features="abcde"), batch).steps[1:-1]
    assert "".join(row.name for row in fixed) == "abcde"
    assert [row.cells for row in fixed] == [(0.0,), (0.0,), (0.5,), (1.0,), (1.0,)]


def test_both_kinds_of_input_at_once() -> None:
    inputs = torch.tensor([[[0.5, 1.0], [-0.25, 0.0]]])
    batch = Batch(inputs, torch.tensor([0.126]), torch.tensor([[False, True]]))
    shown = written(Mixed(Features(1), Tokens((Column(2, 4),))), Notation(inputs="ab"), batch).steps
    assert [row.cells for row in shown] == [("0", "1"), (".50", "-.25"), ("b", "a"), ("·", ".13")]


def test_columns_without_words_have_a_row_each() -> None:
    inputs = torch.tensor([[[3, 1], [0, 2], [0, 0]]])
    batch = Batch(inputs, torch.tensor([[0.5, -12.0]]), torch.tensor([[False, False, True]]))
    kind = Tokens((Column(4, 4), Column(3, 4)))
    shown = written(kind, Notation(), batch).steps
    assert [(row.name, row.cells) for row in shown[1:]] == [
        ("id0", ("3", "0", "_")), ("id1", ("1", "2", "_")), ("target", ("·", "·", ".50,-12")),
    ]  # fmt: skip
    named = written(kind, Notation(inputs="abcd"), batch).steps
    assert [row.cells for row in named[1:-1]] == [("d", "a", "_")]


def test_numbers_are_short() -> None:
    values = torch.tensor([0.0, 0.126, -0.25, 0.999, 10.5, -100.25, float("nan")])
    assert decimals(values) == (".00", ".13", "-.25", "1.00", "10.50", "-100.25", "nan")
    assert decimals(torch.tensor([0.0, -1.0, 20.0])) == ("0", "-1", "20")


@pytest.mark.parametrize("kind", [OCR, Speech])
@pytest.mark.parametrize("split", ["training", "validation", "test"])
def test_true_frames_are_those_of_the_batch(kind: Any, split: Any) -> None:
    task = kind(30, seed=3, batch_size=5)
    held = {"validation": task.val_dataloader, "test": task.test_dataloader}
    batch = task.training_batch(0) if split == "training" else next(iter(held[split]()))
    symbols, count = decode(task.frames(split)[None])
    assert int(count[0]) == int(batch.lengths[0]) > 1
    assert symbols[0, : int(count[0])].tolist() == batch.targets[0, : int(count[0])].tolist()


def test_frames_are_where_the_ink_is() -> None:
    task = OCR(30, noise=0.0)
    frames = task.frames("training")
    assert frames is not None
    ink = (task.training_batch(0).inputs[0] > 0).any(1)
    assert not bool(ink[(frames == 0).nonzero()[0, 0]])
    assert torch.equal(frames, OCR(30, alignment="framewise").training_batch(0).targets.view(32, 30)[0]), (
        "what framewise alignment reads"
    )
    assert OCR(30, alignment="framewise").frames("training") is None
    assert Adding(6).frames("training") is None


@pytest.mark.parametrize("permuted", [False, True])
def test_an_image_is_upright_whatever_the_order(permuted: bool) -> None:
    task = Pixels(64, permuted=permuted)
    beside = task.written(task.training_batch(0)).beside
    stream = Pixels(64).training_batch(0).inputs[0, :, 0].view(8, 8)
    assert [list(row.cells) for row in beside] == stream.tolist()
    assert [row.name for row in beside] == ["image", *[""] * 7]


def test_a_scene_is_drawn_beside_its_words() -> None:
    whole = Captioning(12).written(Captioning(12).training_batch(0))
    cells = "".join("".join(map(str, row.cells)) for row in whole.beside)
    drawn = {"circle": "o", "square": "#", "star": "*", "moon": ")"}
    assert cells == "".join(drawn[str(word)] for word in whole.steps[-1].cells[1:]) + "·" * 88
