"""What a task and a model must keep to for a score to mean anything. All of it is looked at before training.

A breach raises `InvalidError`, whose text says what was expected and what was got; the cell's status is then `invalid`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sized

import torch
from torch import Tensor

from bench.probes import agreement, as_scored, causality
from bench.probes.undisturbed import same_randomness, seed_everything, undisturbed
from bench.records.recipe import Recipe
from bench.trial import optimisers
from bench.trial.faults import InvalidError
from models.base import SequenceModel
from tasks.base import Batch, Features, Inputs, Mixed, Split, Task, Tokens

SPLITS: tuple[Split, ...] = ("validation", "test")


def keep(task: Task, model: SequenceModel, recipe: Recipe) -> None:
    """Look at all that can be known before training. Task and model are left as they were, but for the model's notes.

    Raises:
        InvalidError: task or model break their contract.
    """
    states(task)
    draws_alike(task)
    if recipe.steps:
        for split in SPLITS:
            can_be_scored(task, split)
    is_assembled(model)
    fits(task, model)
    model.notes += optimisers.honoured(model, recipe)
    sees(task, model, training=True)


def sees(task: Task, model: SequenceModel, *, training: bool) -> None:
    """Look at what the model's answers depend on.

    Raises:
        InvalidError: on later inputs although the task forbids it, on other sequences or on targets; or the model
            changes its inputs in place.
    """
    with same_randomness():
        batch = task.training_batch(0)
        scored = next(iter(held_out(task, "validation")), None)
    reason = causality.violation(model, batch, training=training)
    reason = reason or as_scored.violation(model, batch if training else None, scored)
    if reason:
        raise InvalidError(reason)


# -- the task ---------------------------------------------------------------------------------------------------------


def states(task: Task) -> None:
    """Look at chance, best, threshold and floors.

    Raises:
        InvalidError: one is not finite, best is no better than chance, or chance would count as solved.
    """
    name = type(task).__name__
    numbers = {"chance": task.chance, "best": task.best, **{f"floor {key}": f for key, f in task.floors.items()}}
    if task.solved_threshold is not None:
        numbers["solved_threshold"] = task.solved_threshold
    for what, value in numbers.items():
        if not math.isfinite(value):
            raise InvalidError(f"{name}: {what}: expected a finite number, got {value}")
    higher = task.spec.objective.higher_is_better
    if task.best == task.chance or (task.best > task.chance) != higher:
        side = "above" if higher else "below"
        raise InvalidError(
            f"{name}: expected best {side} chance, got chance {task.chance:g} and best {task.best:g}: skill, which is "
            f"0 at chance and 1 at best, would mean nothing"
        )
    if task.solved(task.chance):
        raise InvalidError(
            f"{name}: expected a solved_threshold between chance and best, got {task.solved_threshold:g}: knowing "
            f"nothing scores {task.chance:g}, and would be called solved"
        )


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


def _again(task: Task) -> Task:
    """Return the task built anew; the same task where it cannot be built anew."""
    with same_randomness():
        seed_everything(3)
        try:
            return task.at(task.length)
        except ValueError:
            return task


def _drawn(task: Task, seed: int) -> list[tuple[str, Batch]]:
    """Return two training batches, the later one first, and the first batch of each held-out set, with names."""
    with same_randomness():
        seed_everything(seed)
        drawn = [(f"training batch {step}", task.training_batch(step)) for step in (1, 0)]
        for split in SPLITS:
            drawn += [(f"batch 0 of the {split} set", batch) for batch in _first(held_out(task, split))]
    return drawn


def _first(batches: Iterable[Batch]) -> list[Batch]:
    return [batch for batch, _ in zip(batches, range(1), strict=False)]


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


def can_be_scored(task: Task, split: Split) -> None:
    """Go once through a held-out set.

    Raises:
        InvalidError: a batch is not as the spec says or not finite, or there is nothing to score.
    """
    name, metric = type(task).__name__, task.spec.objective.metric()
    scored = False
    with same_randomness(), torch.no_grad():
        for number, batch in enumerate(held_out(task, split)):
            has_shape(task, batch, f"batch {number} of the {split} set")
            is_finite(task, batch, f"batch {number} of the {split} set")
            if not scored:
                metric.update(torch.zeros(int(batch.reads.counts.sum()), task.spec.outputs), batch)
                evaluation = metric.compute()
                scored = evaluation.n > 0 and sum(denominator for _, denominator in evaluation.blocks) > 0
    if not scored:
        counted = task.spec.objective.counted
        raise InvalidError(f"{name}: the {split} set holds nothing to score: expected at least one of its {counted}")


def is_finite(task: Task, batch: Batch, where: str) -> None:
    """Look for inputs and targets that are not finite.

    Raises:
        InvalidError: there are some.
    """
    for what, values in (("inputs", batch.inputs), ("targets", batch.targets)):
        if values.is_floating_point() and not bool(values.isfinite().all()):
            row = (~values.isfinite()).nonzero()[0].tolist()
            place = f"sequence {row[0]}, step {row[1]}" if what == "inputs" else f"row {row[0]}"
            raise InvalidError(f"{type(task).__name__}: {where} holds {what} that are not finite, first in {place}")


def has_shape(task: Task, batch: Batch, where: str) -> None:
    """Compare a batch with the task's spec.

    Raises:
        InvalidError: inputs, ids, reads or targets are not what the spec says.
    """
    real, sizes, words = _columns(task.spec.inputs)
    inputs, mask = batch.inputs, batch.reads.mask
    fault = ""
    if inputs.dim() != 3 or inputs.size(2) != real + len(sizes):
        fault = f"inputs: expected (batch, time, {real + len(sizes)}) {words}, got {tuple(inputs.shape)}"
    elif inputs.is_floating_point() != bool(real):
        fault = f"inputs: expected {words}, got {inputs.dtype}"
    elif mask.shape != inputs.shape[:2]:
        fault = f"reads: expected a mask (batch, time) = {tuple(inputs.shape[:2])}, got {tuple(mask.shape)}"
    elif batch.lengths is None and len(batch.targets) != int(mask.sum()):
        fault = f"targets: expected one row per read, {int(mask.sum())}, got {len(batch.targets)}"
    elif batch.lengths is not None and not len(batch.lengths) == len(batch.targets) == len(inputs):
        fault = f"targets and lengths: expected one row per sequence, {len(inputs)}, got {len(batch.targets)}"
    for column, size in enumerate(sizes if not fault and inputs.numel() else ()):
        ids = inputs[..., real + column]
        if not 0 <= int(ids.min()) <= int(ids.max()) < size:
            fault = f"inputs: expected ids from 0 to {size - 1}, got {int(ids.min())} to {int(ids.max())}"
    if fault:
        raise InvalidError(f"{type(task).__name__}: {where}: {fault}")


def _columns(inputs: Inputs) -> tuple[int, list[int], str]:
    """Return how many real numbers a step has, how many ids each of its columns, and both in words."""
    if isinstance(inputs, Mixed):
        return inputs.features.size, [c.size for c in inputs.tokens.columns], "real numbers, then ids as real numbers"
    if isinstance(inputs, Features):
        return inputs.size, [], "real numbers"
    assert isinstance(inputs, Tokens)
    return 0, [column.size for column in inputs.columns], "ids (whole numbers)"


# -- the model --------------------------------------------------------------------------------------------------------


def is_assembled(model: SequenceModel) -> None:
    """Look for a body and a head.

    Raises:
        InvalidError: the model never called `assemble`.
    """
    missing = [name for name in ("body", "head") if name not in dict(model.named_children())]
    missing += [] if "hidden" in vars(model) else ["hidden"]
    if missing:
        raise InvalidError(
            f"{type(model).__name__} has no {', '.join(missing)}: call self.assemble(build, features) at the end of "
            f"__init__, where build(hidden) makes the body and features(body) is the size of what encode returns"
        )


def fits(task: Task, model: SequenceModel) -> None:
    """Pass a training batch through the model, in evaluation mode.

    Raises:
        InvalidError: batch, features, outputs or loss have another shape than the contract says.
    """
    with undisturbed(model), torch.no_grad():
        batch = task.training_batch(task.first_step)
        has_shape(task, batch, "a training batch")
        is_finite(task, batch, "a training batch")
        model.eval()
        batch = batch.to(model.device)
        reads, name = int(batch.reads.counts.sum()), type(model).__name__
        outputs = model(batch)
        if not _is(outputs, reads, task.spec.outputs):
            features = model.encode(model.embedding(batch.inputs), batch.reads)
            if not (isinstance(features, Tensor) and features.dim() == 2 and len(features) == reads):
                raise InvalidError(
                    f"{name}.encode: expected (reads, features), one row for each of the {reads} reads of a batch of "
                    f"{len(batch)} sequences, got {_shown(features)}: end it with `return self.pick(states, reads)`"
                )
            raise InvalidError(
                f"{name}: outputs: expected (reads, outputs) = ({reads}, {task.spec.outputs}) for a batch of "
                f"{len(batch)} sequences, got {_shown(outputs)}"
            )
        loss = task.spec.objective.loss(outputs, batch)
        if not (isinstance(loss, Tensor) and loss.dim() == 0):
            objective = type(task.spec.objective).__name__
            raise InvalidError(f"{objective}.loss: expected one number, a tensor of shape (), got {_shown(loss)}")


def agrees(task: Task, model: SequenceModel) -> list[str]:
    """Compare the model's ways to the same numbers: `run` and `step`, cut and uncut, `states` and `encode`; return a
    note where they cannot be compared. A sweep does without, for it costs seconds.

    Raises:
        InvalidError: two of them part.
    """
    with same_randomness():
        batch = task.training_batch(0).select(slice(2))
    try:
        return agreement.compare(model, batch)
    except agreement.DisagreementError as error:
        raise InvalidError(f"{type(model).__name__}: {error}") from None


def _is(outputs: object, *shape: int) -> bool:
    return isinstance(outputs, Tensor) and outputs.shape == shape


def _shown(value: object) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__
