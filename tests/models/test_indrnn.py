from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import count_parameters
from models.indrnn import Independent, IndRNN
from tasks.adding import Adding
from tasks.base import Spec
from tests.support.written_out import affine, decay_of_gradients, features


def memory(unit: Any, y: Tensor) -> Tensor:
    """The equations of the docstring."""
    h = torch.zeros_like(y[:, 0])
    outputs = []
    for y_t in y.unbind(1):
        h = (affine(unit.inputs, y_t) + unit.recurrent * h).clamp(min=0)
        outputs.append(affine(unit.readout, h))
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("time", [2, 12])
def test_equals_its_equations(
    blocks: int, time: int, spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(IndRNN, spec, hidden=7, blocks=blocks, steps=12)
    reads = everywhere(3, time)
    assert_same(model, inputs(3, time, 2), lambda z: features(model, z, memory), lambda z: model.encode(z, reads))


def test_step_by_step_equals_the_fast_path(
    spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(IndRNN, spec, hidden=7, steps=12)
    reads = everywhere(3, 9)
    assert_same(model, inputs(3, 9, 2), lambda z: model.encode(z, reads), lambda z: model.states(z, reads)[0])


def test_the_kernel_goes_on_from_a_state(inputs: Any) -> None:
    """Value and gradient of the initial state too, against the steps."""
    torch.manual_seed(0)
    unit, y, before = Independent(5, 1.0).double(), inputs(2, 9, 5), inputs(2, 5, seed=1).abs().requires_grad_()
    found = {}
    for name, states in (
        ("run", unit.run(y, (before,))[0]),
        ("unroll", torch.stack([h for h, *_ in unit.unroll(y, (before,))], dim=1)),
    ):
        found[name] = [states, *torch.autograd.grad(states.square().sum(), [before, unit.recurrent])]
    for one, other in zip(*found.values(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("u", [0.8, 1.0, 1.02])
def test_the_gradient_is_u_to_the_power_of_the_distance(u: float, inputs: Any) -> None:
    """Where every unit is above 0."""
    torch.manual_seed(0)
    unit = Independent(4, 2.0).double()
    with torch.no_grad():
        unit.recurrent.fill_(u)
        unit.inputs.bias.fill_(100.0)
    profile = decay_of_gradients(unit, inputs(1, 50, 4))
    torch.testing.assert_close(profile, 2 * torch.tensor(u, dtype=torch.float64) ** torch.arange(50))


def test_an_optimisation_step_ends_within_the_bound() -> None:
    task = Adding(10)
    model = IndRNN(task.spec, hidden=8)
    optimiser = model.configure_optimizers()
    bound = 2 ** (1 / 10)
    for block in model.body.each:
        recurrent: Any = block.memory.recurrent
        with torch.no_grad():
            recurrent.fill_(bound)
            recurrent[0] = -bound
        recurrent.grad = torch.where(torch.arange(8) == 0, 1.0, -1.0)
    optimiser.step()
    for block in model.body.each:
        recurrent = block.memory.recurrent
        assert float(recurrent.detach().abs().max()) <= bound
        assert float(recurrent.detach().min()) == pytest.approx(-bound)


def test_the_last_block_starts_where_units_remember(spec: Spec) -> None:
    model = IndRNN(spec, hidden=64, steps=100)
    memories: list[Any] = [block.memory for block in model.body.each]
    first, last = (unit.recurrent.detach() for unit in memories)
    assert float(first.min()) < 0.2
    assert float(last.min()) >= 2 ** (-1 / 100)
    assert float(last.max()) <= 2 ** (1 / 100)


def test_the_body_is_counted_in_the_docstring(spec: Spec) -> None:
    model = IndRNN(spec, steps=10)
    d, f = model.hidden, model.second_width
    assert count_parameters(model.body) == d * 3 + 2 * d + 2 * (2 * d**2 + 7 * d + 2 * d * f + f + d)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "option steps: expected at least 1, got None"),
        ({"steps": 0}, "option steps: expected at least 1, got 0"),
        ({"steps": 10, "growth": 0.5}, "option growth: expected at least 1, got 0.5"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str, spec: Spec) -> None:
    with pytest.raises(ValueError, match=message):
        IndRNN(spec, **options)
