from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from tasks.adding import Adding
from tasks.base import Reads
from tasks.base.synthetic import SyntheticTask, choose
from tasks.copying import Copying
from tasks.running_average import RunningAverage

VARIANTS: list[tuple[type[SyntheticTask], dict[str, Any]]] = [
    (Copying, {}),
    (Copying, {"loss": "all"}),
    (Adding, {}),
    (Adding, {"marks": "anywhere"}),
    (Adding, {"marks": "early"}),
    (RunningAverage, {}),
    (RunningAverage, {"alpha": 0.5}),
]
every_variant = pytest.mark.parametrize(
    ("kind", "options"), VARIANTS, ids=lambda value: getattr(value, "__name__", str(value))
)


@every_variant
@pytest.mark.parametrize("length", [2, 10, 97, 1000])
def test_held_out_sets_have_1024_sequences_in_bounded_batches(
    kind: type[SyntheticTask], options: dict[str, Any], length: int
) -> None:
    task = kind(length, **options)
    assert len(task.held_out("test")) * task.held_out_batch_size == 1024  # type: ignore[arg-type]
    assert task.held_out_batch_size >= 8
    batch = task.held_out("test")[0]
    assert len(batch.inputs) == task.held_out_batch_size
    assert batch.inputs.shape[:2].numel() <= 2 * 32_768


@pytest.mark.parametrize(("length", "count"), [(10, 64), (97, 256), (97, 512), (4000, 256)])
def test_a_smaller_held_out_set_is_the_beginning_of_the_whole_one(length: int, count: int) -> None:
    whole, part = Adding(length), Adding(length)
    part.held_out_sequences = count
    batches = list(part.test_dataloader())
    assert sum(map(len, batches)) == count
    for first, second in zip(batches, whole.test_dataloader(), strict=False):
        assert torch.equal(first.inputs, second.inputs[: len(first)])
    assert sum(map(len, part.val_dataloader())) == count


def test_memory_of_a_held_out_batch_is_bounded_at_very_long_lengths() -> None:
    task = Adding(100_000)
    assert len(task.held_out("validation")[127].inputs) == 8
    with pytest.raises(IndexError, match="batch 128 of a validation set of 128 batches"):
        task.held_out("validation")[128]


@every_variant
def test_streams_differ_where_they_should(kind: type[SyntheticTask], options: dict[str, Any]) -> None:
    first, second = kind(20, seed=0, **options), kind(20, seed=1, batch_size=7, **options)
    train = [first.draw(generator, 8).targets for generator in (torch.Generator().manual_seed(s) for s in (0, 0, 1))]
    assert torch.equal(train[0], train[1])
    assert not torch.equal(train[0], train[2])
    seeded = kind(20, seed=1, **options).training_batch(0).inputs
    assert not same(first.training_batch(0).inputs, seeded)
    assert not same(first.training_batch(0).inputs, first.training_batch(1).inputs)
    validation, test = first.held_out("validation"), first.held_out("test")
    assert not same(validation[0].inputs, test[0].inputs)
    for split in ("validation", "test"):
        ours, theirs = first.held_out(split), second.held_out(split)
        assert same(ours[0].inputs, theirs[0].inputs)
    if len(validation) > 1:  # type: ignore[arg-type]
        assert not same(validation[0].inputs, validation[1].inputs)


def same(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Equal over the steps and sequences that both have."""
    rows, steps = min(len(first), len(second)), min(first.size(1), second.size(1))
    return torch.equal(first[:rows, :steps], second[:rows, :steps])


@every_variant
def test_reads_are_made_once_for_each_shape(kind: type[SyntheticTask], options: dict[str, Any]) -> None:
    task = kind(20, **options)
    made: dict[torch.Size, Reads] = {}
    for step in range(20):
        reads = task.training_batch(step).reads
        assert made.setdefault(reads.mask.shape, reads) is reads


def test_read_last() -> None:
    assert Copying(5).read_last(2, 4, 3).mask.tolist() == [[False, True, True, True]] * 2


def test_choose_names_option_values_and_the_nearest() -> None:
    assert choose("Adding", "marks", "early", {"early": 1}) == 1
    expected = "Adding: option 'marks' expects halves or anywhere or early, got 'halfs'. Did you mean 'halves'?"
    with pytest.raises(ValueError, match=re.escape(expected)):
        Adding(10, marks="halfs")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Copying: option 'loss' expects recall or all, got 'xyz'"):
        Copying(10, loss="xyz")  # type: ignore[arg-type]
