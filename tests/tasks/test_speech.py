from __future__ import annotations

import itertools

import pytest
import torch

from tasks.base import Batch, generator
from tasks.base.transcription import constant_error
from tasks.speech import PHONES, TEMPLATES, Speech
from tests.support.examples_in_columns import columns


def many(task: Speech, count: int = 500) -> Batch:
    return task.draw(generator(0, "many", task.length), count)


def transcripts(batch: Batch) -> list[list[int]]:
    assert batch.lengths is not None
    return [row[:n] for row, n in zip(batch.targets.tolist(), batch.lengths.tolist(), strict=True)]


def test_the_docstrings_example() -> None:
    rows, batch = columns(Speech.__doc__), Speech(12).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(12))
    assert [int(word) for word in rows["band"]] == batch.inputs[0].argmax(1).tolist()
    assert [int(word) for word in rows["phone"] if word != "·"] == transcripts(batch)[0]
    templates = (batch.inputs[0] - TEMPLATES[[int(word) - 1 for word in rows["phone"] if word != "·"], None]).norm(
        dim=2
    )
    begins = [step for step, word in enumerate(rows["phone"]) if word != "·"]
    assert all(float(templates[i, step]) < 2 for i, step in enumerate(begins))


@pytest.mark.parametrize("length", [8, 9, 40])
def test_without_noise_the_frames_spell_the_transcript(length: int) -> None:
    """The nearest template of each loud frame, repetitions removed; two equal phones never touch."""
    batch = many(Speech(length, noise=0.0))
    assert batch.inputs.shape == (500, length, 12)
    assert bool(batch.reads.mask.all())
    loud = batch.inputs.amax(2)
    assert not loud[:, [0, -1]].any()
    direction = torch.nn.functional.normalize(batch.inputs, dim=2) @ torch.nn.functional.normalize(TEMPLATES, dim=1).T
    said = torch.where(loud > 0, direction.argmax(2) + 1, 0).tolist()
    runs = [[(k, len(list(g))) for k, g in itertools.groupby(row)] for row in said]
    assert [[k for k, _ in row if k] for row in runs] == transcripts(batch)
    assert {n for row in runs for k, n in row if k} == set(range(2, 6))
    assert {n for row in runs for k, n in row[:-1] if not k} <= {1, 2}
    assert all(a != b for row in transcripts(batch) for a, b in itertools.pairwise(row))
    gains = loud.amax(1) / TEMPLATES.amax()
    assert float(gains.max()) <= 1.0


def test_phones_are_uniform_and_templates_differ() -> None:
    counts = torch.tensor([row[0] for row in transcripts(many(Speech(20), 4000))]).bincount(minlength=PHONES + 1)
    # Chi-squared with 7 degrees of freedom: 24.3 is its 99.9th percentile.
    assert float((counts[1:] - 500.0).square().sum() / 500) < 24.3
    distances = torch.cdist(TEMPLATES, TEMPLATES) + 9 * torch.eye(PHONES)
    assert float(distances.min()) > 0.9


@pytest.mark.parametrize("length", [10, 30])
def test_chance_is_the_error_of_the_best_constant(length: int) -> None:
    """On other utterances, and against 300 random constants."""
    task, batch = Speech(length), many(Speech(length), 4000)
    assert batch.lengths is not None
    most = int(batch.lengths.max())
    assert constant_error(torch.arange(most) % PHONES + 1, batch.targets, batch.lengths) == pytest.approx(
        task.chance, abs=0.02
    )
    random = torch.Generator().manual_seed(0)
    others = [torch.randint(1, PHONES + 1, (most,), generator=random) for _ in range(300)]
    assert min(constant_error(said, batch.targets, batch.lengths) for said in others) > task.chance - 0.02


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Speech: option 'noise' expects at least 0, got -0.5$"):
        Speech(20, noise=-0.5)
