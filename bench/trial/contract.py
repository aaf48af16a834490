"""What a task and a model must keep to for a score to mean anything. All of it is looked at before training.

A breach raises `InvalidError`, whose text says what was expected and what was got; the cell's status is then `invalid`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import SupportsFloat

import torch
from torch import Tensor

from bench.probes import agreement, as_scored, causality
from bench.probes.undisturbed import same_randomness, undisturbed
from bench.records import foreign
from bench.records.recipe import Recipe
from bench.trial import drawing, optimisers
from bench.trial.drawing import SPLITS, held_out
from bench.trial.faults import InvalidError, status_of
from models.base import SequenceModel
from tasks.base import Batch, Features, Inputs, Mixed, Split, SyntheticTask, Task, Tokens


def keep(task: Task, model: SequenceModel, recipe: Recipe) -> None:
    """Look at all that can be known before training. Task and model are left as they were, but for the model's notes.

    Raises:
        InvalidError: task or model break their contract.
    """
    states(task)
    drawing.are_batches(task)
    drawing.draws_alike(task)
    if recipe.steps:
        for split in SPLITS:
            can_be_scored(task, split)
        drawing.draws_anew(task)
    is_assembled(model)
    fits(task, model)
    feeds(task)
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
        if not isinstance(value, SupportsFloat):
            raise InvalidError(f"{name}: {what}: expected a number, got {value!r}")
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


def can_be_scored(task: Task, split: Split) -> None:
    """Go once through a held-out set.

    Raises:
        InvalidError: a batch is not as the spec says or not finite, the metric cannot take it or counts it beside
            others, or there is nothing to score.
    """
    name, objective = type(task).__name__, task.spec.objective
    metric, scored = objective.metric(), False
    with same_randomness(), torch.no_grad():
        for number, batch in enumerate(held_out(task, split)):
            where = f"batch {number} of the {split} set"
            has_shape(task, batch, where)
            is_finite(task, batch, where)
            if not scored:
                outputs = torch.zeros(int(batch.reads.counts.sum()), task.spec.outputs)
                other = objective.metric()
                with _shapes_told(task, "metric", where, outputs, batch):
                    metric.update(outputs, batch)
                    evaluation = metric.compute()
                    other.update(outputs, batch)
                    counted = other.compute().n
                if other is metric or (number == 0 and counted != evaluation.n):
                    raise InvalidError(
                        f"{type(objective).__name__}.metric: expected a new metric at each call, got one that counts "
                        f"what another was given, so that scores of validation and test mix: return Metric(…) anew"
                    )
                scored = evaluation.n > 0 and sum(denominator for _, denominator in evaluation.blocks) > 0
    if not scored:
        raise InvalidError(
            f"{name}: the {split} set holds nothing to score: expected at least one of its {objective.counted}"
        )


@contextmanager
def _shapes_told(task: Task, what: str, where: str, outputs: Tensor, batch: Batch) -> Iterator[None]:
    """Turn what a loss or a metric raises into an InvalidError that tells the shapes it was given."""
    try:
        yield
    except Exception as error:
        if status_of(error) != "error":
            raise
        raise InvalidError(
            f"{type(task.spec.objective).__name__}.{what} cannot take {_given(outputs, batch)} of {where} "
            f"({type(error).__name__}: {foreign.first_line(foreign.message(error))}): mend the one or the other"
        ) from error


def _given(outputs: Tensor, batch: Batch) -> str:
    return f"outputs {tuple(outputs.shape)} and targets {tuple(batch.targets.shape)} {batch.targets.dtype}"


def pairs_up(task: Task, batch: Batch) -> None:
    """Turn real targets around among the reads: a loss that stays the same compares each output with every target.

    Raises:
        InvalidError: it does, as where outputs (reads,) and targets (reads, 1) are broadcast.
    """
    targets = batch.targets
    if batch.lengths is not None or not targets.is_floating_point() or len(targets) < 2:
        return
    drawn = torch.randn(len(targets), task.spec.outputs, generator=torch.Generator().manual_seed(0)).to(targets)
    outputs = targets.mean() + targets.std() * drawn

    def loss(targets: Tensor) -> float:
        return float(task.spec.objective.loss(outputs, Batch(batch.inputs, targets, batch.reads)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of what is broadcast
        try:
            own, turned, higher = loss(targets), loss(targets.flip(0)), loss(targets + targets.std())
        except Exception:  # it may take the outputs of some models only
            return
    if not torch.equal(targets, targets.flip(0)) and abs(own - turned) < 1e-5 * abs(own) < abs(own - higher):
        raise InvalidError(
            f"{type(task.spec.objective).__name__}.loss compares every output with every target, not each with its "
            f"own, of {_given(outputs, batch)}: give both one shape, as by outputs.squeeze(-1) and targets (reads,)"
        )


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
    fault = fault or _strange_ids(inputs[..., real:], sizes)
    if not fault and inputs.is_floating_point() and inputs.dtype != torch.float32:
        fault = f"inputs: expected torch.float32, got {inputs.dtype}: add .float()"
    fault = fault or task.spec.objective.fault(batch, task.spec.outputs)
    if fault:
        raise InvalidError(f"{type(task).__name__}: {where}: {fault}")


def _strange_ids(ids: Tensor, sizes: list[int]) -> str:
    """Say which ids (…, columns) are none of 0 … size−1 of their column; empty: none."""
    for column, size in enumerate(sizes if ids.numel() else ()):
        least, most = (int(value) for value in ids[..., column].aminmax())
        if not 0 <= least <= most < size:
            return f"inputs: expected ids from 0 to {size - 1}, got {least} to {most}"
    return ""


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
        if isinstance(task, SyntheticTask) and len(batch) != task.batch_size:
            raise InvalidError(
                f"{type(task).__name__}.draw: expected the {task.batch_size} sequences asked for, got {len(batch)}, so "
                f"that a step would train on another number than the recipe says"
            )
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
        with _shapes_told(task, "loss", "a training batch", outputs, batch):
            loss = task.spec.objective.loss(outputs, batch)
        if not (isinstance(loss, Tensor) and loss.dim() == 0):
            objective = type(task.spec.objective).__name__
            raise InvalidError(f"{objective}.loss: expected one number, a tensor of shape (), got {_shown(loss)}")
        pairs_up(task, batch)


def feeds(task: Task) -> None:
    """Feed an answer back, where a model is scored on its own continuation.

    Raises:
        InvalidError: the task's `feed` fails, or makes something else than the inputs of one step.
    """
    feed = task.spec.feed
    if feed is None or not task.spec.objective.free_running:
        return
    with same_randomness(), torch.no_grad():
        batch = task.training_batch(0)
    likeliest = (task.spec.outputs - 1 - torch.arange(len(batch))) % task.spec.outputs
    answer = torch.nn.functional.one_hot(likeliest, task.spec.outputs).float()
    expected = "feed(answer, following): expected the inputs of the next step, (batch, columns) ="
    for following in (batch.inputs[:, -1], None):  # None: past the batch's end
        try:
            made = feed(answer, following)
        except Exception as error:
            said = f"{type(error).__name__}: {foreign.first_line(foreign.message(error))}"
            end = " with following=None, as it is past the end of a batch" if following is None else ""
            raise InvalidError(f"{type(task).__name__}: feed fails{end} ({said})") from error
        if not _is(made, *batch.inputs[:, -1].shape):
            raise InvalidError(
                f"{type(task).__name__}: {expected} {tuple(batch.inputs[:, -1].shape)}, got {_shown(made)}"
            )
        real, sizes, _ = _columns(task.spec.inputs)
        if fault := _strange_ids(made[:, real:], sizes):
            raise InvalidError(f"{type(task).__name__}: what feed makes: {fault}")


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
