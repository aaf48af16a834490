"""What every model file must keep to, found by discovery: a new file is tested with no edit here."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from bench import catalog
from models.base import SequenceModel, count_parameters
from tasks.adding import Adding
from tasks.base import Batch, Task
from tasks.copying import Copying
from tasks.running_average import RunningAverage

TASKS = {"last": lambda: Adding(12), "each": lambda: RunningAverage(12), "tokens": lambda: Copying(5)}


@pytest.fixture(params=catalog.names("model"))
def model_class(request: pytest.FixtureRequest) -> Any:
    return catalog.card("model", request.param).load()


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS[request.param]()


def built(model_class: Any, task: Task) -> tuple[SequenceModel, Batch]:
    torch.manual_seed(0)
    return model_class(task.spec, parameters=3000), task.training_batch(0)


def test_it_is_a_documented_sequence_model(model_class: Any) -> None:
    assert issubclass(model_class, SequenceModel)
    assert inspect.getdoc(model_class)
    assert isinstance(model_class.version, int)


def test_one_row_of_outputs_per_read_position(model_class: Any, task: Task) -> None:
    model, batch = built(model_class, task)
    assert model(batch.inputs, batch.read).shape == (int(batch.read.sum()), task.spec.outputs)


def test_the_body_meets_its_budget(model_class: Any, task: Task) -> None:
    model, _ = built(model_class, task)
    count = count_parameters(model.body)
    assert count == 0 or abs(count / 3000 - 1) <= 0.02 or model.notes


def test_no_answer_depends_on_what_comes_later(model_class: Any) -> None:
    task = RunningAverage(12)
    model, batch = built(model_class, task)
    changed = batch.inputs.clone()
    changed[:, 7:] += 1.0
    with torch.no_grad():
        before = model(batch.inputs, batch.read).view(*batch.read.shape, -1)
        after = model(changed, batch.read).view(*batch.read.shape, -1)
    torch.testing.assert_close(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7:], after[:, 7:])


def test_unrolled_gives_the_same_features(model_class: Any, task: Task) -> None:
    model, batch = built(model_class, task)
    model = model.double()
    inputs = batch.inputs.double() if batch.inputs.is_floating_point() else batch.inputs
    x = model.embedding(inputs)
    with torch.no_grad():
        features, _ = model.states(x, batch.read)
        torch.testing.assert_close(features, model.encode(x, batch.read))


def test_the_same_seed_gives_the_same_weights(model_class: Any, task: Task) -> None:
    first, second = built(model_class, task)[0].state_dict(), built(model_class, task)[0].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_its_state_is_counted(model_class: Any, task: Task) -> None:
    size = built(model_class, task)[0].state_size(12)
    assert size is None or size >= 0
