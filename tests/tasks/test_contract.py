"""What every task must keep, for every file in tasks/: a new file is tested with no other edit."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

import tasks
from bench.records import measure
from bench.records.memory import least_context
from models.parts.control import one_hot
from tasks.base import Batch, Evaluation, Features, Mixed, Split, Task, generator
from tests.support.batches import same_batch

NAMES = sorted(
    path.stem
    for folder in tasks.__path__
    for path in Path(folder).glob("*.py")
    if not path.stem.startswith("_") and path.stem != "base"
)
SPLITS: tuple[Split, Split] = ("validation", "test")
LENGTH = 12
SQUARES = {"pixels": 16}  # a length for those that cannot have LENGTH
# By task, how many steps after the token that it is about an answer is given. `reach` counts from the token.
ANSWERED_LATER = {"dna": 5, "ner": 4, "pos": 2}


def task_class(name: str) -> type[Task]:
    module = importlib.import_module(f"tasks.{name}")
    classes = [
        value
        for key, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, Task) and value.__module__ == module.__name__ and not key.startswith("_")
    ]
    assert len(classes) == 1, f"tasks/{name}.py must hold exactly one public task, got {classes}"
    return classes[0]


def build(name: str, length: int | None = None, **common: Any) -> Task:
    """A task; where it reads a corpus, its embedded one."""
    kind: Any = task_class(name)
    corpus = {} if kind.fallback is None else {"corpus": kind.fallback}
    return cast(Task, kind(_length(name, kind) if length is None else length, **corpus, **common))


def _length(name: str, kind: type[Task]) -> int:
    return max(SQUARES.get(name, LENGTH), kind.minimum_length)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return cast(str, request.param)


@pytest.fixture
def task(name: str) -> Task:
    return build(name, batch_size=6)


def some_batches(task: Task) -> list[Batch]:
    """Two training batches and the first two of each held-out set."""
    return [task.training_batch(0), task.training_batch(1), *(b for s in SPLITS for b in first(task, s))]


def first(task: Task, split: Split, count: int = 2) -> list[Batch]:
    loader = task.val_dataloader() if split == "validation" else task.test_dataloader()
    return list(islice(loader, count))


def equal(ours: list[Batch], theirs: list[Batch]) -> bool:
    return all(same_batch(a, b) for a, b in zip(ours, theirs, strict=True))


def rows(batch: Batch) -> int:
    """How many rows the targets of a batch have."""
    return int(batch.reads.mask.sum()) if batch.lengths is None else len(batch)


def guess(task: Task, batch: Batch) -> Tensor:
    return torch.randn(int(batch.reads.mask.sum()), task.spec.outputs, generator=generator(0, "guess"))


def test_the_files_are_found() -> None:
    assert {"adding", "copying", "running_average"} <= set(NAMES)


def test_the_class_states_what_the_catalog_reads(name: str) -> None:
    kind = task_class(name)
    assert isinstance(kind.version, int)
    assert kind.version >= 1
    assert kind.minimum_length >= 1
    for word in ("length", "chance"):
        assert word in (kind.__doc__ or ""), f"{kind.__name__}'s docstring must say what {word} is"
    _, *parameters = inspect.signature(kind.__init__).parameters.values()
    assert parameters[0].name == "length"
    for parameter in parameters[1:]:
        assert parameter.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)


def test_the_lengths_that_a_task_has_exist_and_no_others(name: str) -> None:
    task = build(name)
    lengths = task.lengths()
    assert list(lengths) == sorted(set(lengths))
    assert lengths[-1] == task.length
    for length in range(task.minimum_length, task.length):
        if length in lengths:
            assert task.at(length).length == length
        else:
            with pytest.raises(ValueError, match=f"got {length}"):
                task.at(length)


def test_an_example_is_written_whole(task: Task) -> None:
    for batch in some_batches(task):
        whole = task.written(batch)
        assert {len(row.cells) for row in whole.steps} == {batch.steps}
        assert whole.steps[0].name == "step"
        said = whole.beside[0] if batch.lengths is not None else whole.steps[-1]
        right = int(batch.reads.counts[0]) if batch.lengths is None else int(batch.lengths[0])
        assert sum(cell != "·" for cell in said.cells) == right
        shades = [cell for row in whole.steps for cell in row.cells if not isinstance(cell, str)]
        assert all(0 <= shade <= 1 for shade in shades)


def test_batches_have_the_shapes_of_the_spec(task: Task) -> None:
    for batch in some_batches(task):
        assert isinstance(batch, Batch)
        assert batch.inputs.dim() == 3
        assert batch.reads.mask.shape == batch.inputs.shape[:2]
        assert batch.reads.mask.dtype == torch.bool
        assert len(batch.targets) == rows(batch) > 0
        if isinstance(task.spec.inputs, Features):
            assert batch.inputs.dtype == torch.float32
            assert batch.inputs.size(2) == task.spec.inputs.size
            assert bool(batch.inputs.isfinite().all())
        else:
            tokens, real = task.spec.inputs, 0
            if isinstance(tokens, Mixed):
                tokens, real = tokens.tokens, tokens.features.size
            assert batch.inputs.dtype == (torch.float32 if real else torch.int64)
            assert batch.inputs.size(2) == real + len(tokens.columns)
            for i, column in enumerate(tokens.columns, start=real):
                ids = batch.inputs[..., i]
                assert 0 <= int(ids.min()) <= int(ids.max()) < column.size
        if not batch.targets.is_floating_point():
            classes = batch.targets.view(len(batch.targets), -1)[:, 0]  # what follows in a row is for the metric
            assert 0 <= int(classes.min()) <= int(classes.max()) < task.spec.outputs


def test_the_objective_takes_the_batches(task: Task) -> None:
    objective = task.spec.objective
    for batch in some_batches(task):
        outputs = guess(task, batch).requires_grad_()
        loss = objective.loss(outputs, batch)
        assert loss.shape == ()
        (gradient,) = torch.autograd.grad(loss, outputs)
        assert bool(gradient.isfinite().all())
        assert math.isfinite(float(loss.detach()))
        asked = batch.answered(task.answer_steps(batch))
        answer = objective.answer(guess(task, asked).requires_grad_(), asked)
        assert answer.shape == (len(batch),)
        assert answer.requires_grad


def test_the_metric_gives_an_evaluation(task: Task) -> None:
    metric = task.spec.objective.metric()
    batches = list(task.val_dataloader())
    for batch in batches:
        metric.update(guess(task, batch), batch)
    evaluation = metric.compute()
    assert isinstance(evaluation, Evaluation)
    assert math.isfinite(evaluation.score)
    assert evaluation.n > 0
    assert 1 <= len(evaluation.blocks) <= 64
    numerator, denominator = (sum(part) for part in zip(*evaluation.blocks, strict=True))
    assert evaluation.score == pytest.approx(numerator / denominator)
    assert task.spec.objective.metric_name
    assert task.spec.objective.unit
    assert task.spec.objective.counted


def test_chance_and_best_are_the_ends_of_skill(task: Task) -> None:
    assert task.skill(task.chance) == 0
    assert task.skill(task.best) == pytest.approx(1)
    assert (task.best > task.chance) is task.spec.objective.higher_is_better
    assert all(math.isfinite(floor) for floor in task.floors.values())
    if task.solved_threshold is not None:
        assert task.solved(task.best)
        assert not task.solved(task.chance)


def test_same_seed_same_bits(name: str) -> None:
    assert equal(some_batches(build(name, batch_size=6)), some_batches(build(name, batch_size=6)))


def test_seeds_differ_in_training_and_share_what_is_held_out(name: str) -> None:
    one, other = build(name, seed=1, batch_size=6), build(name, seed=2, batch_size=6)
    assert not torch.equal(one.training_batch(0).inputs, other.training_batch(0).inputs)
    assert not torch.equal(one.training_batch(0).inputs, one.training_batch(1).inputs)
    for split in SPLITS:
        assert equal(first(one, split), first(other, split))
    validation, test = (first(one, split)[0].inputs for split in SPLITS)
    assert validation.shape != test.shape or not torch.equal(validation, test)


def test_credit_is_non_negative_and_belongs_to_inputs_up_to_the_last_answer(task: Task) -> None:
    batch = task.training_batch(0)
    credit = task.credit(batch)
    if credit is None:
        pytest.skip("this task has no exact answer to give credit for")
    assert credit.shape == batch.reads.mask.shape
    assert float(credit.min()) >= 0
    assert float(credit.sum()) > 0
    last = torch.where(batch.reads.mask, torch.arange(batch.steps), -1).amax(1)
    later = torch.arange(batch.steps) > last[:, None]
    assert float(credit[later].sum()) == 0


def test_answer_steps_are_read_and_credit_lies_before_them(task: Task) -> None:
    for batch in (task.training_batch(0), task.probe_batch(8)):
        steps = task.answer_steps(batch)
        assert steps.shape == (len(batch),)
        assert bool(batch.reads.mask.gather(1, steps[:, None]).all())
        credit = task.credit(batch)
        if credit is not None:
            assert not credit[torch.arange(batch.steps) > steps[:, None]].any()


def test_the_probe_takes_validation_sequences(task: Task) -> None:
    batch = task.probe_batch(8)
    assert len(batch.inputs) == len(batch) == 8
    assert len(batch.targets) == rows(batch)
    assert equal([batch], [task.probe_batch(8)])
    known = {tuple(row.flatten().tolist()) for held in task.val_dataloader() for row in held.inputs}
    assert all(tuple(row.flatten().tolist()) in known for row in batch.inputs)


def test_reach_is_the_longest_distance_with_credit(task: Task, name: str) -> None:
    if task.reach is None:
        pytest.skip("this task does not state how far its answers reach")
    longest = -1
    for batch in cast("Iterable[Batch]", task.val_dataloader()):
        credit = task.credit(batch)
        if credit is None:
            assert task.reach >= 1
            pytest.skip("this task has no exact answer to give credit for")
        distances = task.answer_steps(batch)[:, None] - torch.arange(credit.size(1))
        longest = max(longest, int(distances[credit > 0].max()))
    assert task.reach == longest - ANSWERED_LATER.get(name, 0)


def test_counterfactuals_replace_one_token_by_a_legal_one(task: Task) -> None:
    batch = task.probe_batch(8)
    replaced = task.counterfactuals(batch)
    if replaced is None:
        assert isinstance(task.spec.inputs, Features) or task.credit(batch) is None
        pytest.skip("this task replaces no tokens")
    assert replaced
    credit, touched = task.credit(batch), torch.zeros_like(batch.reads.mask)
    real = task.spec.inputs.features.size if isinstance(task.spec.inputs, Mixed) else 0
    legal = {tuple(token) for seen in some_batches(task) for token in seen.inputs[..., real:].flatten(0, 1).tolist()}
    for positions, inputs in replaced:
        changed = (inputs != batch.inputs).any(-1)
        assert changed.sum(1).tolist() == [1] * 8
        assert bool(changed.gather(1, positions[:, None]).all())
        assert {tuple(token) for token in inputs[changed][:, real:].tolist()} <= legal
        touched |= changed
    assert credit is not None
    assert bool(touched[credit > 0].all())


def test_the_solution_is_perfect_and_differentiable(task: Task) -> None:
    predict = task.spec.predict
    if predict is None:
        pytest.skip("this task has no exact solution")
    batch = task.training_batch(0)
    x = one_hot(task.spec.inputs).double()(batch.double().inputs).requires_grad_()
    time = batch.steps
    for window in (None, 1, 5, time, 2 * time):
        outputs = predict(x, window)
        answers = 1 if batch.reads.span.start == time - 1 else time
        assert outputs.shape == (len(x), answers, task.spec.outputs)
        assert outputs.dtype == torch.float64
        if outputs.requires_grad:
            last = task.answer_steps(batch)[0] if answers > 1 else 0
            (gradient,) = torch.autograd.grad(outputs[0, last].sum(), x, retain_graph=True)
            assert bool(gradient.isfinite().all())
            seen = time if window is None else window
            assert not gradient[0, : max(0, int(task.answer_steps(batch)[0]) + 1 - seen)].any()


class Constant(torch.nn.Module):
    """Answers the same everywhere; counts what it has read."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.answer = torch.nn.Parameter(torch.arange(outputs).float() / outputs)
        self.read: dict[int, int] = {}

    def forward(self, batch: Batch) -> Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        assert batch.inputs.shape[:2] == batch.reads.mask.shape
        assert bool(batch.reads.counts.all())
        reads = int(batch.reads.counts.sum())
        self.read[batch.steps] = self.read.get(batch.steps, 0) + reads
        return self.answer.expand(reads, -1)


def test_context_use_scores_the_same_answers_at_every_context(task: Task) -> None:
    model = Constant(task.spec.outputs).train()
    points = task.context_use(model)
    assert model.training
    if points is None:
        assert not model.read
        assert task.tokens_per_step is None, "a task of text says how much of it a model uses"
        return
    assert [context for context, _ in points] == [1, 2, 5, 10, task.length]
    assert list(model.read) == [context for context, _ in points]
    assert len(set(model.read.values())) == 1, "the same answers at every context"
    assert min(model.read.values()) >= 900
    assert len({score for _, score in points}) == 1, "a model that uses nothing scores the same"
    assert least_context(points, task.context_tolerance, task.spec.objective.higher_is_better) == (1, False)


def test_lengths_below_the_minimum_are_refused(name: str) -> None:
    kind = task_class(name)
    with pytest.raises(ValueError, match=f"at least {kind.minimum_length}, got {kind.minimum_length - 1}"):
        build(name, kind.minimum_length - 1)


def test_the_global_random_state_is_left_alone(name: str) -> None:
    before = torch.get_rng_state()
    task = build(name)
    task.training_batch(0)
    for split in SPLITS:
        next(iter(cast("Iterable[Batch]", task.held_out(split))))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_unit_of_every_task_is_known_with_its_bounds_and_its_tolerance(task: Task) -> None:
    unit = task.spec.objective.unit
    low, high = measure.bounds(unit, task.best, task.spec.objective.higher_is_better)
    assert unit in measure.RANGES
    assert low <= min(task.chance, task.best)
    assert max(task.chance, task.best) <= high
    if task.tokens_per_step is not None:
        assert measure.TOLERANCES[unit] == task.context_tolerance
