"""Whether a task draws its batches as it must: the same ones again, each step another, none of a held-out set's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sized
from itertools import islice

import torch

from bench.probes.undisturbed import same_randomness, seed_everything
from bench.trial.faults import InvalidError
from tasks.base import Batch, Split, Task

SPLITS: tuple[Split, ...] = ("validation", "test")
KEY = 256  # steps of a sequence that are compared
CHANCE = 1e-12  # of batches that are equal by chance, at most
SEED = "draw random numbers from the generator that `draw` is given, or from tasks.base.generator(self.seed, …, step)"


def are_batches(task: Task) -> None:
    """Look at what a task hands over.

    Raises:
        InvalidError: a training batch is no `Batch`, or a held-out set is no list or Dataset of them.
    """
    name = type(task).__name__
    with same_randomness():
        first = task.training_batch(task.first_step)
        if not isinstance(first, Batch):
            raise InvalidError(f"{name}: expected a Batch(inputs, targets, reads) for each step, got {_kind(first)}")
        for split in SPLITS:
            whole: object = task.held_out(split)
            got = _kind(whole) if whole is None or isinstance(whole, Batch) else ""
            for batch in [] if got else islice(held_out(task, split), 1):
                got = "" if isinstance(batch, Batch) else f"{_kind(whole)} of {type(batch).__name__}"
            if got:
                raise InvalidError(f"{name}.held_out({split!r}): expected a list or Dataset of Batch, got {got}")


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def draws_alike(task: Task) -> None:
    """Draw batches twice, the global generators in another state each time.

    Raises:
        InvalidError: the batches differ.
    """
    name = type(task).__name__
    first, second = (_drawn(task, seed) for seed in (1, 2))
    again = [] if task.data is not None else [_drawn(_again(task), 3)]
    for other in (second, *again):
        for (what, one), (_, two) in zip(first, other, strict=True):
            if not _same(one, two):
                raise InvalidError(
                    f"{name}: {what} differs when it is drawn again: draw random numbers from "
                    f"tasks.base.generator(seed, …) only, never from the global generators of torch, numpy or random"
                )


def draws_anew(task: Task) -> None:
    """Compare two training batches, and training sequences with those of the held-out sets.

    A task with a corpus is not looked at: its text is split, and may be short. Nor are sequences of ids, of which a
    rule may have few, compared with held-out ones.

    Raises:
        InvalidError: the two batches are equal although no chance makes them so, or some training sequences occur in a
            held-out set.
    """
    if task.data is not None:
        return
    name = type(task).__name__
    with same_randomness():
        first, second = (task.training_batch(step) for step in (0, 1))
    rows, known = _rows(first), {*_rows(first), *_rows(second)}
    # Few values, as of ids that are written as real numbers, make few sequences, which then recur by chance.
    many = first.inputs.is_floating_point() and len(first.inputs.unique()) > 2 * len(rows)
    if _same(first, second) and (many or len(rows) * math.log(len(set(rows))) > -math.log(CHANCE)):
        raise InvalidError(f"{name}: training batches 0 and 1 are equal, but each step needs its own sequences: {SEED}")
    for split in SPLITS if many else ():
        with same_randomness():
            for number, batch in enumerate(held_out(task, split)):
                held = _rows(batch)
                common = len(known & set(held))
                if common > 1 and len(set(held)) == len(held):
                    raise InvalidError(
                        f"{name}: {common} sequences of training batches 0 and 1 are in batch {number} of the {split} "
                        f"set too, so a score may tell what was learned by heart: {SEED}"
                    )


def _rows(batch: Batch) -> list[bytes]:
    """Return the first steps of each sequence's inputs."""
    return [row.tobytes() for row in batch.inputs[:, :KEY].contiguous().view(torch.uint8).numpy()]


def _again(task: Task) -> Task:
    """Return the task built anew; the same task where it cannot be built anew."""
    with same_randomness():
        seed_everything(3)
        try:
            again = task.at(task.length)
        except ValueError:
            return task
    again.held_out_sequences = task.held_out_sequences
    return again


def _drawn(task: Task, seed: int) -> list[tuple[str, Batch]]:
    """Return two training batches, the later one first, and some batches of each held-out set, with names."""
    with same_randomness():
        seed_everything(seed)
        drawn = [(f"training batch {step}", task.training_batch(step)) for step in (1, 0)]
        for split in SPLITS:
            drawn += [(f"batch {number} of the {split} set", batch) for number, batch in _some(task, split)]
    return drawn


def _some(task: Task, split: Split) -> list[tuple[int, Batch]]:
    """Return the first, the second and the last batch of a held-out set, each with its number; of a set that does not
    tell its size, the first two."""
    drawn = [(number, batch) for number, batch in zip(range(2), held_out(task, split), strict=False)]
    whole = task.held_out(split)
    last = len(whole) - 1 if isinstance(whole, Sized) else 0
    return drawn if last < 2 else [*drawn, (last, whole[last])]


def held_out(task: Task, split: Split) -> Iterable[Batch]:
    """Return the batches of a held-out set, as an evaluation draws them; none where the set is empty."""
    batches = task.held_out(split)
    if isinstance(batches, Sized) and not len(batches):
        return []
    return task.val_dataloader() if split == "validation" else task.test_dataloader()


def _same(one: Batch, two: Batch) -> bool:
    pairs = [(one.inputs, two.inputs), (one.targets, two.targets), (one.reads.mask, two.reads.mask)]
    if one.lengths is not None and two.lengths is not None:
        pairs.append((one.lengths, two.lengths))
    return all(a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs)
