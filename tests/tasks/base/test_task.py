from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset, Subset

from tasks.adding import Adding
from tasks.base import Batch, Block, Split, effective_context, generator
from tasks.copying import Copying
from tasks.ner import NER
from tasks.running_average import RunningAverage
from tests.support.batches import same_batch


def numbers(*arguments: object) -> list[float]:
    return torch.rand(4, generator=generator(*arguments)).tolist()  # type: ignore[arg-type]


def test_generator_repeats_itself_and_tells_purposes_apart() -> None:
    assert numbers(0, "train", 1) == numbers(0, "train", 1)
    streams = [
        numbers(*a) for a in [(0, "train", 1), (1, "train", 1), (0, "train", 2), (0, "test", 1), (0, "train", "1")]
    ]
    assert len({tuple(stream) for stream in streams}) == len(streams)


def test_generator_leaves_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    numbers(0, "train", 1)
    Adding(10).training_batch(0)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_batch_is_a_function_of_seed_and_step() -> None:
    forwards = [Adding(10, seed=3).training_batch(step) for step in range(3)]
    task = Adding(10, seed=3)
    backwards = [task.training_batch(step) for step in (2, 1, 0)]
    assert all(same_batch(a, b) for a, b in zip(forwards, reversed(backwards), strict=True))
    assert not same_batch(forwards[0], forwards[1])


@pytest.mark.parametrize("block", [2, 3, 7])
def test_a_block_holds_the_batches_drawn_alone(block: int) -> None:
    task = Copying(5)
    alone = list(islice(task.train_dataloader(), 7))
    task.block = block
    task.steps = 7
    blocks = list(task.train_dataloader())
    assert all(type(part) is Block for part in blocks)
    together = [batch for part in blocks for batch in part]
    assert len(together) == 7
    assert all(same_batch(a, b) for a, b in zip(alone, together, strict=True))


def test_loaders_hand_over_the_same_reads() -> None:
    task = Copying(5)
    first, second = islice(task.train_dataloader(), 2)
    assert first.reads is second.reads
    task.block = 2
    assert next(iter(task.train_dataloader()))[1].reads is first.reads
    validation = list(task.val_dataloader())
    assert len({id(batch.reads) for batch in validation}) == 1


def test_held_out_loaders_pass_once_over_their_sets() -> None:
    task = Adding(100)
    loaders = ((task.val_dataloader(), task.held_out("validation")), (task.test_dataloader(), task.held_out("test")))
    for loader, held_out in loaders:
        batches = list(loader)
        expected = [held_out[i] for i in range(len(batches))]
        assert sum(len(batch.inputs) for batch in batches) == 1024
        assert all(same_batch(a, b) for a, b in zip(batches, expected, strict=True))


def test_skill_and_solved_follow_the_direction() -> None:
    up, down = Copying(5), Adding(5)
    assert up.solved(0.99)
    assert not up.solved(0.98)
    assert down.solved(0.01)
    assert not down.solved(0.02)
    assert down.skill(1 / 12) == pytest.approx(0.5)
    up.solved_threshold = None
    assert not up.solved(1.0)


def test_effective_context_is_the_least_that_scores_as_the_longest() -> None:
    points = [(1, 4.0), (2, 3.0), (5, 2.51), (10, 2.5), (20, 2.502), (50, 2.505)]
    assert effective_context(points, 0.01) == 5
    assert effective_context(points, 0.004) == 20
    assert effective_context(points, 0) == 50
    assert effective_context(points, 10) == 1
    assert effective_context([(1, 0.3), (2, 0.5), (5, 0.3)], 0.01) == 1
    assert effective_context([], 0.01) is None


def test_what_a_task_need_not_say() -> None:
    batch = Adding(5).probe_batch(2)
    task = Copying(5)
    for said in (task.memory_horizon(0.5), task.context_use(torch.nn.Identity()), Adding(5).counterfactuals(batch)):
        assert said is None


def test_a_length_below_the_minimum_names_task_minimum_and_length() -> None:
    with pytest.raises(ValueError, match="Adding: length must be at least 2, got 1"):
        Adding(1)


# -- what a task must state, and other lengths ------------------------------------------------------------------------


class Forgetful(Copying):
    def __init__(self, length: int, *, forgets: str, **common: Any) -> None:
        super().__init__(length, **common)
        delattr(self, forgets)


@pytest.mark.parametrize("name", ["spec", "chance", "best", "solved_threshold"])
def test_a_task_that_forgets_is_refused_when_it_is_built(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^Forgetful does not state self\.{name} \(.*\): set it in __init__$"):
        Forgetful(5, forgets=name)


def test_at_another_length_options_stay() -> None:
    task = Copying(5, loss="all", seed=3, batch_size=4).at(7)
    assert (type(task), task.length, task.loss, task.seed, task.batch_size) == (Copying, 7, "all", 3, 4)
    assert same_batch(task.training_batch(2), Copying(7, loss="all", seed=3, batch_size=4).training_batch(2))


def test_at_another_length_a_rule_of_the_length_is_carried_over() -> None:
    task = RunningAverage(10)
    assert task.at(100).alpha == task.alpha != RunningAverage(100).alpha
    assert task.at(100).at(10).alpha == task.alpha


def test_at_a_length_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="NER: length must be at least 4, got 3"):
        NER(10, corpus="generated").at(3)


class Unheld(Copying):
    """A task whose test set is empty."""

    version = 1

    def held_out(self, split: Split) -> Dataset[Batch]:
        return Subset(super().held_out(split), [0] if split == "validation" else [])


def test_an_empty_test_set_is_refused_by_name() -> None:
    task = Unheld(20)
    assert len(list(task.val_dataloader())) > 0
    with pytest.raises(ValueError, match="Unheld: the test set is empty"):
        task.test_dataloader()
