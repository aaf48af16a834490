from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from models.rnn import RNN
from tasks.base import Reads, Spec, generator

FUNCTIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": lambda a: a}


def equations(model: RNN, x: Tensor, activation: str) -> Tensor:
    """h_t = φ(W x_t + U h_{t−1} + b), written out."""
    kernel = model.body.cells[0][0].kernel
    w, u, b = kernel.weight_ih_l0, kernel.weight_hh_l0, kernel.bias_ih_l0 + kernel.bias_hh_l0
    h = torch.zeros(len(x), model.hidden, dtype=x.dtype)
    states = []
    for x_t in x.unbind(1):
        h = FUNCTIONS[activation](x_t @ w.T + h @ u.T + b)
        states.append(h)
    return torch.stack(states, dim=1).flatten(0, 1)


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("time", [1, 2, 12])
def test_equals_its_equation(
    activation: str, time: int, spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(RNN, spec, hidden=7, activation=activation, recurrent_scale=0.7)
    x = inputs(3, time, 2)
    reads = everywhere(3, time)
    if time == 1:  # one step has no recurrent product: its weights' gradient is rightly zero
        torch.testing.assert_close(model.encode(x, reads), equations(model, x, activation), atol=1e-13, rtol=0)
    else:
        assert_same(model, x, lambda z: equations(model, z, activation), lambda z: model.encode(z, reads))


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_unrolled_equals_the_fast_path(
    activation: str, spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(RNN, spec, hidden=7, layers=2, activation=activation, recurrent_scale=0.7)
    reads = everywhere(3, 9)
    assert_same(model, inputs(3, 9, 2), lambda z: model.encode(z, reads), lambda z: model.states(z, reads)[0])


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_equals_torchs_kernel(activation: str, spec: Spec, build: Any, inputs: Any, assert_same: Any) -> None:
    """The kernel that runs on an accelerator."""
    model = build(RNN, spec, hidden=7, activation=activation)
    cell = model.body.cells[0][0]
    assert_same(model, inputs(3, 9, 2), lambda z: cell.kernel(z)[0], lambda z: cell.run(z)[0])


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.5])
def test_gradient_of_a_linear_orthogonal_network_is_a_power(scale: float, spec: Spec, build: Any, inputs: Any) -> None:
    """h_t = ρ Q h_{t−1} + …: ‖∂s/∂h_{t−k}‖ = ρ^k ‖∂s/∂h_t‖ (Hanna's lecture: .8^100 = 2.04e−10, 1.5^100 = 4.07e17)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RNN(spec, hidden=8, activation="identity", recurrent_scale=scale).double()
    u = model.body.cells[0][0].kernel.weight_hh_l0
    with torch.no_grad():
        u.copy_(scale * torch.linalg.qr(u)[0])  # orthogonal to double precision
    read = torch.zeros(2, 101, dtype=torch.bool)
    read[:, -1] = True
    features, states = model.states(inputs(2, 101, 2), Reads(read))
    gradients = torch.autograd.grad(features.sum(), states["hidden"])
    norms = torch.stack([g[0].norm() for g in reversed(gradients)])
    torch.testing.assert_close(norms / norms[0], scale ** torch.arange(101.0).double(), rtol=1e-9, atol=0)


def test_sigmoid_gradient_falls_at_least_as_fast_as_its_bound(spec: Spec, build: Any, inputs: Any) -> None:
    """σ′ ≤ ¼, so ‖∂s/∂h_{t−k}‖ ≤ (‖U‖/4)^k ‖∂s/∂h_t‖."""
    model = build(RNN, spec, hidden=8, activation="sigmoid", recurrent_scale=2.0)
    largest = torch.linalg.matrix_norm(model.body.cells[0][0].kernel.weight_hh_l0, 2)
    read = torch.zeros(2, 20, dtype=torch.bool)
    read[:, -1] = True
    features, states = model.states(inputs(2, 20, 2), Reads(read))
    norms = torch.stack([g[0].norm() for g in torch.autograd.grad(features.sum(), states["hidden"])]).flip(0)
    bound = norms[0] * (largest / 4) ** torch.arange(20.0).double()
    assert (norms <= bound * (1 + 1e-12)).all()
    assert norms[-1] > 0


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_recurrent_initialisations(scale: float, spec: Spec) -> None:
    def recurrent(kind: Any) -> Tensor:
        model = RNN(spec, hidden=40, recurrent_init=kind, recurrent_scale=scale)
        weight: Tensor = model.body.cells[0][0].kernel.weight_hh_l0.detach()
        return weight

    orthogonal = recurrent("orthogonal")
    torch.testing.assert_close(orthogonal @ orthogonal.T, scale**2 * torch.eye(40), atol=1e-5, rtol=0)
    assert torch.equal(recurrent("identity"), scale * torch.eye(40))
    uniform = recurrent("uniform") / scale
    assert uniform.abs().max() <= 40**-0.5
    assert uniform.std() == pytest.approx(40**-0.5 / 3**0.5, rel=0.05)


def test_fast_path_without_gradient_of_the_inputs(spec: Spec, build: Any, inputs: Any, everywhere: Any) -> None:
    model = build(RNN, spec, hidden=5)
    x = inputs(2, 6, 2)
    weight = torch.randn(12, 5, dtype=torch.float64, generator=generator(0))
    parameters = list(model.body.parameters())
    ways = (model.encode(x, everywhere(2, 6)), equations(model, x, "tanh"))
    fast, slow = (torch.autograd.grad((states * weight).sum(), parameters) for states in ways)
    for got, expected in zip(fast, slow, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "tahn"}, "option activation: expected one of .*, got 'tahn'. Did you mean 'tanh'?"),
        ({"recurrent_init": "id"}, "option recurrent_init: expected one of .*, got 'id'"),
    ],
)
def test_unknown_values_are_refused(options: dict[str, Any], message: str, spec: Spec) -> None:
    with pytest.raises(ValueError, match=message):
        RNN(spec, **options)
