"""Optimisers, schedules and penalties that a recipe can name."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import optimisation
from models.base.optimisation import Optimisation, constant, cosine, hidden_states, linear, pascanu, trapezoid
from models.gru import GRU
from models.lstm import LSTM
from models.rnn import RNN
from models.transformer import Transformer
from tasks.base import Batch, Features, Spec
from tests.support.objectives import SquaredError

TABLES: list[tuple[str, Callable[..., Any]]] = [
    (name, function)
    for table in (optimisation.OPTIMISERS, optimisation.SCHEDULES, optimisation.PENALTIES)
    for name, function in table.items()
]


@pytest.mark.parametrize(("name", "function"), TABLES)
def test_options_are_keywords_with_defaults(name: str, function: Callable[..., Any]) -> None:
    assert function.__name__ == name
    options = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert all(option.default is not option.empty for option in options)
    assert function.__doc__


# -- optimisers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", optimisation.OPTIMISERS)
def test_an_optimiser_lowers_a_square_and_keeps_the_rates_of_groups(name: str) -> None:
    first, second = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    made = optimisation.OPTIMISERS[name]([{"params": [first]}, {"params": [second], "lr": 1e-3}], 1e-2)
    assert [group["lr"] for group in made.param_groups] == [1e-2, 1e-3]
    for _ in range(5):
        made.zero_grad()
        (first.square().sum() + second.square().sum()).backward()
        made.step()
    assert first.square().sum() < second.square().sum() < 3


def test_adam_is_torchs_default() -> None:
    ours, theirs = (torch.nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2))
    optimisers = (Optimisation().optimiser([ours], 0.1), torch.optim.Adam([theirs], lr=0.1, fused=True))
    for _ in range(3):
        for parameter, made in zip((ours, theirs), optimisers, strict=True):
            made.zero_grad()
            parameter.pow(4).sum().backward()
            made.step()
    assert torch.equal(ours, theirs)


# -- schedules ---------------------------------------------------------------------------------------------------------

SCHEDULES = pytest.mark.parametrize("schedule", [trapezoid, constant, linear, cosine])


@SCHEDULES
@pytest.mark.parametrize("warm_up", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 100])
def test_a_fraction_is_above_0_and_at_most_1(schedule: Callable[..., float], warm_up: float, steps: int) -> None:
    assert all(0 < schedule(step, steps, warm_up=warm_up) <= 1 for step in range(steps))


@SCHEDULES
def test_an_open_number_of_steps_has_no_schedule(schedule: Callable[..., float]) -> None:
    assert schedule(12_345, -1) == schedule(0, 0) == 1.0


@SCHEDULES
def test_a_warm_up_rises_linearly(schedule: Callable[..., float]) -> None:
    rates = [schedule(step, 100, warm_up=0.2) for step in range(20)]
    assert rates == pytest.approx([(step + 1) / 20 for step in range(20)])


def test_what_schedules_do_after_the_warm_up() -> None:
    assert [constant(step, 100) for step in (0, 50, 99)] == [1.0, 1.0, 1.0]
    assert [linear(step, 100) for step in (0, 25, 99)] == pytest.approx([1.0, 0.75, 0.01])
    assert [cosine(step, 100) for step in (0, 50)] == pytest.approx([1.0, 0.5])
    assert cosine(99, 100) < 1e-3
    assert trapezoid(30, 100) == 1.0
    assert trapezoid(90, 100, decay=0.2) == 0.5
    assert trapezoid(99, 100, decay=0.0) == 1.0


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_warm_up_is_a_fraction(value: float) -> None:
    with pytest.raises(ValueError, match="'warm_up' expects a fraction of the steps from 0 to 1"):
        cosine(0, 10, warm_up=value)


# -- penalties ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def spec() -> Spec:
    return Spec(Features(2), 1, objective=SquaredError())


def a_batch(time: int = 6) -> Batch:
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(3, time, 2, generator=draw, dtype=torch.float64)
    read = torch.zeros(3, time, dtype=torch.bool)
    read[:, -2:] = True
    return Batch(inputs, torch.randn(6, 1, generator=draw, dtype=torch.float64), read)


def gradients(model: Any, batch: Batch, penalty: Any) -> dict[str, Tensor]:
    """Of a training step with a penalty, or without (None)."""
    model.optimisation = Optimisation(penalty=penalty)
    object.__setattr__(model, "manual_backward", lambda loss, **options: loss.backward(**options))
    model.zero_grad()
    model._backward(batch)
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


RECURRENT = "weight_hh_l0"


def by_hand(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Eq. 9 and its immediate gradient with respect to W (eq. 10), written out for h' = tanh(W h + U x + b): all states
    are constants, so only the W of the Jacobian diag(1 − h'²) W is none."""
    features, series = model.states(batch.inputs, batch.reads)
    loss = model.spec.objective.loss(model.head(features), batch)
    (states,) = hidden_states(series)
    errors = torch.autograd.grad(loss, states)
    (recurrent,) = (p for name, p in model.named_parameters() if name.endswith(RECURRENT))
    total = torch.zeros((), dtype=torch.float64)
    for k in range(len(states) - 1):
        carried = (errors[k + 1] * (1 - states[k + 1].detach() ** 2)) @ recurrent
        total = total + (carried.norm(dim=1) / errors[k + 1].norm(dim=1) - 1).square().mean()
    return total, torch.autograd.grad(total, recurrent)[0]


def test_pascanu_is_equation_9_and_its_gradient_the_immediate_one(spec: Spec, build: Any) -> None:
    model, batch = build(RNN, spec, hidden=5), a_batch()
    total, expected = by_hand(model, batch)
    assert total > 0.01
    alone, penalised = gradients(model, batch, None), gradients(model, batch, pascanu)
    for name, gradient in penalised.items():
        added = expected if name.endswith(RECURRENT) else torch.zeros_like(gradient)
        torch.testing.assert_close(gradient - alone[name], added, atol=1e-10, rtol=1e-8)
    values = []
    gradients(model, batch, lambda *given: values.append(pascanu(*given, weight=2.0)) or values[-1])
    torch.testing.assert_close(values[0].detach(), 2 * total.detach())


@pytest.mark.parametrize("model", [RNN, GRU, LSTM])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_penalised_step_lowers_the_penalty(model: Any, layers: int, spec: Spec, build: Any) -> None:
    built, batch, values = build(model, spec, hidden=5, layers=layers), a_batch(), []

    def remembered(*given: Any) -> Tensor:
        values.append(pascanu(*given, weight=100.0))
        return values[-1]

    for _ in range(30):
        for parameter, gradient in zip(built.parameters(), gradients(built, batch, remembered).values(), strict=True):
            assert torch.isfinite(gradient).all()
            parameter.data -= 1e-4 * gradient
    assert values[-1] < values[0]


def test_a_step_that_no_gradient_reaches_adds_nothing(spec: Spec, build: Any) -> None:
    model, batch = build(RNN, spec, hidden=5), a_batch()
    read = torch.zeros_like(batch.reads.mask)
    read[:, 2] = True
    for dead in (False, True):
        model.head.weight.data *= 1 - dead
        found = gradients(model, Batch(batch.inputs, batch.targets[:3], read), pascanu)
        assert all(torch.isfinite(value).all() for value in found.values())
    assert all(value.abs().max() == 0 for name, value in found.items() if name.endswith(RECURRENT))


def test_the_hidden_states_of_models(spec: Spec, build: Any) -> None:
    batch = a_batch()
    for model, layers in itertools.product((RNN, LSTM), (1, 2)):
        series = build(model, spec, hidden=3, layers=layers).states(batch.inputs, batch.reads)[1]
        assert [len(states) for states in hidden_states(series)] == [6] * layers
    with pytest.raises(ValueError, match="it has no hidden state"):
        hidden_states(build(Transformer, spec).states(batch.inputs, batch.reads)[1])
