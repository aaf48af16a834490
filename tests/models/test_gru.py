from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import count_parameters
from models.gru import GRU, ResetAfter, ResetBefore
from tasks.base import Spec


def equations(model: GRU, x: Tensor, reset: str) -> tuple[Tensor, dict[str, Tensor]]:
    """Both forms of the docstring, written out gate by gate."""
    kernel = model.body.cells[0][0].kernel
    w_r, w_z, w = kernel.weight_ih_l0.chunk(3)
    u_r, u_z, u = kernel.weight_hh_l0.chunk(3)
    b_r, b_z, _ = (kernel.bias_ih_l0 + kernel.bias_hh_l0).chunk(3)
    b, b_prime = kernel.bias_ih_l0.chunk(3)[2], kernel.bias_hh_l0.chunk(3)[2]
    h = torch.zeros(len(x), model.hidden, dtype=x.dtype)
    states, resets, updates = [], [], []
    for x_t in x.unbind(1):
        r = torch.sigmoid(x_t @ w_r.T + h @ u_r.T + b_r)
        z = torch.sigmoid(x_t @ w_z.T + h @ u_z.T + b_z)
        if reset == "before":
            candidate = torch.tanh(x_t @ w.T + (r * h) @ u.T + b + b_prime)
            h = (1 - z) * h + z * candidate
        else:
            candidate = torch.tanh(x_t @ w.T + b + r * (h @ u.T + b_prime))
            h = z * h + (1 - z) * candidate
        states.append(h)
        resets.append(r)
        updates.append(z if reset == "before" else 1 - z)
    gates = {"reset": torch.stack(resets, dim=1), "update": torch.stack(updates, dim=1)}
    return torch.stack(states, dim=1).flatten(0, 1), gates


@pytest.mark.parametrize("reset", ["after", "before"])
@pytest.mark.parametrize("time", [2, 12])
def test_equals_its_equations(
    reset: str, time: int, spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(GRU, spec, hidden=7, reset=reset)
    reads = everywhere(3, time)
    x = inputs(3, time, 2)
    assert_same(model, x, lambda z: equations(model, z, reset)[0], lambda z: model.encode(z, reads))


@pytest.mark.parametrize("reset", ["after", "before"])
def test_unrolled_equals_the_fast_path(
    reset: str, spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(GRU, spec, hidden=7, layers=2, reset=reset)
    reads = everywhere(3, 9)
    assert_same(model, inputs(3, 9, 2), lambda z: model.encode(z, reads), lambda z: model.states(z, reads)[0])


def test_reset_after_equals_torchs_kernel(spec: Spec, build: Any, inputs: Any, assert_same: Any) -> None:
    """The kernel that runs on an accelerator."""
    model = build(GRU, spec, hidden=7)
    cell = model.body.cells[0][0]
    assert_same(model, inputs(3, 9, 2), lambda z: cell.kernel(z)[0], lambda z: cell.run(z)[0])


def test_one_step_needs_no_recurrent_product(spec: Spec, build: Any, inputs: Any, everywhere: Any) -> None:
    model = build(GRU, spec, hidden=7)
    x = inputs(3, 1, 2)
    features = model.encode(x, everywhere(3, 1))
    torch.testing.assert_close(features, equations(model, x, "after")[0])
    features.sum().backward()
    assert model.body.cells[0][0].kernel.weight_hh_l0.grad.abs().max() == 0


def test_the_forms_differ_and_cost_the_same(spec: Spec, build: Any, inputs: Any, everywhere: Any) -> None:
    after, before = (build(GRU, spec, reset=reset) for reset in ("after", "before"))
    assert after.hidden == before.hidden == 71
    assert count_parameters(after.body) == count_parameters(before.body)
    x = inputs(2, 6, 2)
    assert (after.encode(x, everywhere(2, 6)) - before.encode(x, everywhere(2, 6))).abs().max() > 1e-3


@pytest.mark.parametrize("reset", ["after", "before"])
def test_gates_are_those_of_the_equations(reset: str, spec: Spec, build: Any, inputs: Any, everywhere: Any) -> None:
    model = build(GRU, spec, hidden=7, reset=reset)
    x = inputs(3, 12, 2)
    _, expected = equations(model, x, reset)
    gates = model.pictures(x, everywhere(3, 12))
    assert set(gates) == set(expected)
    for name, gate in gates.items():
        torch.testing.assert_close(gate, expected[name])


def test_unknown_form_is_refused(spec: Spec) -> None:
    with pytest.raises(
        ValueError, match=r"option reset: expected one of after, before, got 'befor'\. Did you mean 'before'\?"
    ):
        GRU(spec, reset="befor")  # type: ignore[arg-type]


@pytest.mark.parametrize("reset", ["after", "before"])
def test_chrono_draws_how_long_units_remember(reset: Any, spec: Spec) -> None:
    """exp(bias of the weight on h_{t−1}) is uniform in [1, M − 1], and in both forms the mean share of the candidate at
    h = x = 0 is that of σ(−log U): ∫ du / (1 + u) / (M − 2) = ln(M / 2) / (M − 2)."""
    longest, n, count = 100, 40, 100  # layers: the weights of one of 4,000 units take seconds
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = ResetAfter if reset == "after" else ResetBefore
        layers = [made(2, n, longest).requires_grad_(False) for _ in range(count)]
    z = torch.cat([layer.kernel.bias_ih_l0[n : 2 * n] for layer in layers])
    drawn = (z if reset == "after" else -z).exp()
    assert 1 <= drawn.min() < 1.2
    assert 98.8 < drawn.max() <= 99
    assert drawn.mean() == pytest.approx(50, abs=4 * 98 / math.sqrt(12 * n * count))
    at_zero = [layer.gates(torch.zeros(1, 1, 2), torch.zeros(1, 1, n), 0)["update"] for layer in layers]
    share = torch.cat(at_zero).mean()
    assert share == pytest.approx(math.log(50) / 98, rel=0.1)


def test_a_memory_too_short_for_chrono_is_refused(spec: Spec) -> None:
    with pytest.raises(ValueError, match="option chrono: expected at least 2, the most steps to remember, got 1"):
        GRU(spec, chrono=1)
