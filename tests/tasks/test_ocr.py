from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tasks.base import Batch, generator
from tasks.base.transcription import constant_error, decode, edits
from tasks.glyphs.shapes import LATIN
from tasks.ocr import OCR
from tests.support.examples_in_columns import columns

LENGTHS = [10, 11, 30, 100]


def many(task: OCR, count: int = 500) -> Batch:
    return task.draw(generator(0, "many", task.length), count)


def transcripts(batch: Batch) -> list[list[int]]:
    assert batch.lengths is not None
    return [row[:n] for row, n in zip(batch.targets.tolist(), batch.lengths.tolist(), strict=True)]


def test_the_docstrings_example() -> None:
    rows, line = columns(OCR.__doc__), OCR(12).training_batch(0)
    aligned = OCR(12, alignment="framewise").training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(12))
    for row in range(9):
        assert [word == "#" for word in rows[f"row{row}"]] == (line.inputs[0, :, row] > 0.5).tolist()
    assert [int(word) for word in rows["class"]] == aligned.targets[:12].tolist()
    assert transcripts(line)[0] == [k for k, _ in itertools.groupby(map(int, rows["class"])) if k]


@pytest.mark.parametrize("length", LENGTHS)
def test_both_alignments_hold_the_same_lines_and_transcripts(length: int) -> None:
    free, framewise = many(OCR(length)), many(OCR(length, alignment="framewise"))
    assert free.inputs.shape == (500, length, 9)
    assert framewise.inputs.shape == (500, length + 5, 9)
    assert torch.equal(framewise.inputs[:, :length], free.inputs)
    assert framewise.reads.mask.nonzero()[:, 1].view(500, -1).unique(dim=0).tolist() == [list(range(5, length + 5))]
    assert bool(free.reads.mask.all())
    symbols, lengths = decode(framewise.targets.view(500, -1))
    assert [row[:n] for row, n in zip(symbols.tolist(), lengths.tolist(), strict=True)] == transcripts(free)


@pytest.mark.parametrize("length", LENGTHS)
def test_no_transcript_needs_more_frames_than_there_are(length: int) -> None:
    for said in transcripts(many(OCR(length))):
        assert said
        assert len(said) + sum(a == b for a, b in itertools.pairwise(said)) <= length


def test_letters_are_uniform() -> None:
    counts = torch.tensor(list(itertools.chain(*transcripts(many(OCR(100), 1000))))).bincount(minlength=11).double()
    assert counts[0] == 0
    expected = float(counts.sum()) / 10
    # Chi-squared with 9 degrees of freedom: 27.9 is its 99.9th percentile.
    assert float((counts[1:] - expected).square().sum() / expected) < 27.9


@pytest.mark.parametrize("length", [10, 30])
def test_chance_is_the_error_of_the_best_constant(length: int) -> None:
    """On other lines, and against 200 random constants and all that repeat one letter."""
    task, batch = OCR(length), many(OCR(length), 2000)
    assert batch.lengths is not None
    beginnings = [torch.arange(n).remainder(10).add(1).expand(2000, -1) for n in range(int(batch.lengths.max()) + 1)]
    rates = [rate(said, batch) for said in beginnings]
    assert rates[0] == 1
    assert min(rates) == pytest.approx(task.chance, abs=0.02)
    random = torch.Generator().manual_seed(0)
    others = [torch.randint(1, 11, (int(batch.lengths.max()),), generator=random) for _ in range(200)]
    ones = [torch.full((int(batch.lengths.max()),), letter) for letter in range(1, 11)]
    assert min(constant_error(said, batch.targets, batch.lengths) for said in others + ones) > min(rates) - 0.02


def rate(said: Tensor, batch: Batch) -> float:
    assert batch.lengths is not None
    spoken = torch.full_like(batch.lengths, said.size(1))
    return float(edits(said, spoken, batch.targets, batch.lengths).sum() / batch.lengths.sum())


def test_what_is_read_right_scores_no_error() -> None:
    """The true classes as outputs, once per alignment; without alignment the blanks may lie anywhere."""
    framewise = many(OCR(40, alignment="framewise"))
    outputs = one_hot(framewise.targets, 11).float()
    for task, batch in ((OCR(40, alignment="framewise"), framewise), (OCR(40), many(OCR(40)))):
        metric = task.spec.objective.metric()
        metric.update(outputs, batch)
        assert metric.compute().score == task.best == 0
        assert task.solved(0)
        assert not task.solved(task.chance)


def test_noise() -> None:
    clean, noisy = many(OCR(30, noise=0.0)), many(OCR(30, noise=0.4))
    assert abs(float((noisy.inputs - clean.inputs).std()) - 0.4) < 0.01
    assert torch.equal(noisy.targets, clean.targets)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"alignment": "frame"},
            r"^OCR: option 'alignment' expects none or framewise, got 'frame'. Did you mean 'framewise'",
        ),
        ({"noise": -1.0}, r"^OCR: option 'noise' expects at least 0, got -1.0$"),
    ],
)
def test_what_is_refused(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OCR(12, **options)


def test_the_outputs_are_the_blank_and_the_letters() -> None:
    assert OCR(10).spec.outputs == 1 + len(LATIN.letters) == 11
