"""Training streams whose lengths are drawn, and those of a limited number of sequences."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
import torch

from tasks.adding import Adding
from tasks.base import Batch, Task, generator
from tasks.base.task import drawn_at, training_length
from tasks.copying import Copying
from tasks.dyck import Dyck
from tasks.pixels import Pixels
from tests.support.jobs import a_job, run


def uniform(task: Task, **attributes: Any) -> Task:
    task.train_lengths = "uniform"
    for name, value in attributes.items():
        setattr(task, name, value)
    return task


def stream(task: Task, batches: int) -> list[Batch]:
    return list(islice(task.train_dataloader(), batches))


def same(one: Batch, other: Batch) -> bool:
    pairs = ((one.inputs, other.inputs), (one.targets, other.targets), (one.reads.mask, other.reads.mask))
    return all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_every_length_from_the_minimum_is_drawn_about_equally_often() -> None:
    task = uniform(Adding(11))
    drawn = [training_length(task, step) for step in range(2000)]
    counts = [drawn.count(length) for length in range(2, 12)]
    assert sum(counts) == 2000
    assert all(140 < count < 260 for count in counts), "200 each, give or take four standard deviations"
    assert drawn != [training_length(uniform(Adding(11, seed=1)), step) for step in range(2000)]


def test_a_batch_is_that_of_its_step_at_its_length() -> None:
    task = uniform(Adding(20, seed=3, batch_size=5, marks="anywhere"))
    for step, batch in enumerate(stream(task, 10)):
        there = Adding(training_length(task, step), seed=3, batch_size=5, marks="anywhere").training_batch(step)
        assert same(batch, there)


def test_a_stream_can_begin_anywhere_and_come_in_blocks() -> None:
    plain = stream(uniform(Adding(20)), 12)
    later = stream(uniform(Adding(20), first_step=4), 8)
    blocks = [batch for block in uniform(Adding(20), block=4, steps=12).train_dataloader() for batch in block]
    for ours, theirs in ((later, plain[4:]), (blocks, plain)):
        assert len(ours) == len(theirs)
        assert all(torch.equal(one.inputs, other.inputs) for one, other in zip(ours, theirs, strict=True))


def test_fixed_lengths_are_the_default() -> None:
    assert all(torch.equal(b.inputs, Adding(20).training_batch(s).inputs) for s, b in enumerate(stream(Adding(20), 5)))


@pytest.mark.parametrize("task", [Adding(9, marks="early"), Copying(9)], ids=lambda task: type(task).__name__)
def test_a_rule_at_its_own_length_is_the_same_task(task: Task) -> None:
    again = task.at(9)
    assert again.spec.outputs == task.spec.outputs
    assert same(task.training_batch(3), again.training_batch(3))
    assert task.at(12).length == 12


def test_a_task_that_has_all_lengths_draws_what_it_drew() -> None:
    task = uniform(Adding(40, seed=5))
    for step in range(50):
        drawn = torch.randint(2, 41, (), generator=generator(5, "train length", step))
        assert training_length(task, step) == int(drawn)


@pytest.mark.parametrize(
    ("task", "lengths"), [(Dyck(12), [2, 4, 6, 8, 10, 12]), (Pixels(36), [4, 9, 16, 25, 36]), (Pixels(4), [4])]
)
def test_only_lengths_that_there_are_are_drawn(task: Task, lengths: list[int]) -> None:
    drawn = [training_length(uniform(task), step) for step in range(200)]
    assert sorted(set(drawn)) == lengths
    for step, batch in enumerate(stream(task, 10)):
        assert same(batch, task.at(drawn[step]).training_batch(step))


@pytest.mark.parametrize(("task", "length"), [("dyck", 12), ("pixels", 36), ("adding", 2)])
def test_a_cell_of_drawn_lengths_is_trained(task: str, length: int) -> None:
    result = run(a_job("lstm", task, length, steps=10, train_lengths="uniform")).result
    assert result.status == "ok", result.error


def of_so_many(sequences: int, batch_size: int = 10, seed: int = 0, **attributes: Any) -> Task:
    task = Copying(3, batch_size=batch_size, seed=seed)
    task.sequences = sequences
    for name, value in attributes.items():
        setattr(task, name, value)
    return task


@pytest.mark.parametrize(("sequences", "batches"), [(100, 10), (109, 10), (10, 1), (3, 1)])
def test_so_many_sequences_are_trained_on_again_and_again(sequences: int, batches: int) -> None:
    """Every epoch holds the first batches, each once."""
    task = of_so_many(sequences)
    for epoch in range(3):
        steps = [drawn_at(task, epoch * batches + place) for place in range(batches)]
        assert sorted(steps) == list(range(batches))
    seen = {tuple(row) for batch in stream(task, 3 * batches) for row in batch.inputs[..., 0].tolist()}
    assert len(seen) == 10 * batches


def test_epochs_come_in_other_orders_for_every_seed() -> None:
    orders = {
        tuple(drawn_at(of_so_many(200, seed=seed), step) for step in range(20 * epoch, 20 * epoch + 20))
        for seed in (0, 1)
        for epoch in range(3)
    }
    assert len(orders) == 6


def test_a_stream_of_so_many_sequences_can_begin_anywhere_and_has_lengths_of_its_own() -> None:
    plain = stream(of_so_many(50), 12)
    assert all(map(same, stream(of_so_many(50, first_step=7), 5), plain[7:]))
    drawn = of_so_many(50, train_lengths="uniform")
    assert {batch.steps for batch in stream(drawn, 25)} == {20 + training_length(drawn, step) for step in range(5)}


def test_a_cell_of_so_many_sequences_is_trained_as_one_without_before_they_come_again() -> None:
    jobs = [a_job("lstm", "copying", 3, steps=4, batch_size=10, **given) for given in ({}, {"sequences": 10})]
    first, second = (run(job).result for job in jobs)
    assert (first.status, second.status) == ("ok", "ok")
    assert first.curves.train_loss[0] == second.curves.train_loss[0]
    assert first.curves.train_loss[1] != second.curves.train_loss[1]
