"""What every model file must keep to, found by discovery: a new file is tested with no edit here."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from bench import catalog
from bench.probes import agreement
from models.base import SequenceModel
from tasks.adding import Adding
from tasks.base import Batch, Task
from tasks.copying import Copying
from tasks.ner import NER
from tasks.running_average import RunningAverage
from tests.support import model_contract as contract

TASKS: dict[str, Task] = {
    "last": Adding(12),
    "each": RunningAverage(12),
    "tokens": Copying(5, loss="all"),
    "ahead": NER(12, corpus="generated", batch_size=4),
}
# Options without choices of their own: one value beside the default, where there is one that matters.
VALUES: dict[str, Any] = {"layers": 2, "blocks": 1, "heads": 2, "recurrent_scale": 0.7, "forget_bias": -1.0, "k": 3}
VALUES |= {"dropout": 0.3, "hierarchy": 2, "dilation": (2,), "chrono": 5, "carry": 0.9, "leak": 0.3, "skip": 3}
VALUES |= {"periods": (1, 2), "base": 1000.0, "slope": 0.2}
# What an option needs beside it.
BESIDE: dict[str, dict[str, Any]] = {name: {"layers": 2} for name in ("residual", "dropout", "hierarchy")}
BESIDE |= {"slope": {"positions": "alibi"}}
VALUES |= {"state": 2, "beta": 2.0, "largest": 0.5, "step": 0.5, "growth": 1.5, "kernel": 2, "levels": 1}


def cases() -> Iterator[Any]:
    """Every discovered model: as it is, and with every other value of every option by itself."""
    for name in catalog.names("model"):
        card = catalog.card("model", name)
        sets: list[dict[str, Any]] = [{}]
        for option in card.options.values():
            flags = (True, False) if "bool" in option.kinds else ()
            values = [*option.choices, *flags, VALUES.get(option.name, option.default)]
            beside = BESIDE.get(option.name, {})
            sets += [{option.name: value, **beside} for value in values if value != option.default]
        for options in sets:
            shown = ",".join(f"{key}={value}" for key, value in options.items())
            yield pytest.param(card.load(), options, id=f"{name}:{shown}" if shown else name)


CASES = pytest.mark.parametrize(("model_class", "options"), list(cases()))
EVERY = pytest.mark.parametrize("model_class", [catalog.card("model", n).load() for n in catalog.names("model")])
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
CHECKS = pytest.mark.parametrize("check", agreement.CHECKS, ids=lambda check: check.__name__)


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS[request.param]


def built(model_class: Any, task: Task, **options: Any) -> tuple[SequenceModel, Batch]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return model_class(task.spec, **({"parameters": 3000} | options)), task.training_batch(0)


def a_task(options: dict[str, Any]) -> Task:
    """A short one that allows the options."""
    return TASKS["ahead" if options.get("bidirectional") else "each"]


@CASES
@DTYPES
@CHECKS
def test_two_ways_to_the_same_numbers(check: Any, model_class: Any, options: Any, dtype: torch.dtype) -> None:
    task = a_task(options)
    model, batch = built(model_class, task, hidden=8, **options)
    model.to(dtype).eval()  # in training dropout would draw for each way by itself
    with torch.no_grad() if check is not agreement.stretches_are_the_whole else torch.enable_grad():
        check(model, agreement.embedded(model, batch), batch.reads)


@CASES
@DTYPES
def test_a_probe_leaves_every_bit(model_class: Any, options: Any, dtype: torch.dtype) -> None:
    task = a_task(options)
    model, _ = built(model_class, task, hidden=8, **options)
    contract.a_probe_leaves_every_bit(model.to(dtype), task, task.probe_batch(2))


@CASES
def test_no_answer_depends_on_what_comes_later(model_class: Any, options: Any) -> None:
    if not options.get("bidirectional"):
        for task in (TASKS["each"], TASKS["tokens"]):
            model, batch = built(model_class, task, **options)
            contract.no_answer_depends_on_what_comes_later(model, batch.inputs, 7)


@CASES
def test_some_answer_depends_on_its_inputs(model_class: Any, options: Any) -> None:
    model, batch = built(model_class, a_task(options), **options)
    contract.some_answer_depends_on_its_inputs(model, batch.inputs, 7)


@CASES
def test_the_same_seed_gives_the_same_weights(model_class: Any, options: Any) -> None:
    first, second = (built(model_class, a_task(options), **options)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@EVERY
def test_it_is_a_documented_sequence_model(model_class: Any) -> None:
    assert issubclass(model_class, SequenceModel)
    assert inspect.getdoc(model_class)
    assert isinstance(model_class.version, int)


@EVERY
def test_one_row_of_outputs_per_read_position(model_class: Any, task: Task) -> None:
    model, batch = built(model_class, task)
    assert model(batch).shape == (int(batch.reads.mask.sum()), task.spec.outputs)


@EVERY
def test_the_body_meets_its_budget(model_class: Any, task: Task) -> None:
    for budget in (3_000, 16_000):
        contract.the_body_meets_its_budget(lambda **options: built(model_class, task, **options)[0], budget)
