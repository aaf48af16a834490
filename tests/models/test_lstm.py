from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import count_parameters
from models.lstm import LSTM, MemoryCell
from tasks.base import Reads, Spec


def equations(
    model: LSTM, x: Tensor, move_hidden: list[Tensor] | None = None, move_cell: list[Tensor] | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """All six equations, written out; a tensor that moves a state has the state's total gradient."""
    kernel = model.body.cells[0][0].kernel
    w = dict(zip("ifco", kernel.weight_ih_l0.chunk(4), strict=True))
    u = dict(zip("ifco", kernel.weight_hh_l0.chunk(4), strict=True))
    b = dict(zip("ifco", (kernel.bias_ih_l0 + kernel.bias_hh_l0).chunk(4), strict=True))
    h = c = torch.zeros(len(x), model.hidden, dtype=x.dtype)
    states, gates = [], []
    for t, x_t in enumerate(x.unbind(1)):
        a = {g: x_t @ w[g].T + h @ u[g].T + b[g] for g in "ifco"}
        f, i, o = torch.sigmoid(a["f"]), torch.sigmoid(a["i"]), torch.sigmoid(a["o"])
        c = f * c + i * torch.tanh(a["c"])
        c = c if move_cell is None else c + move_cell[t]
        h = o * torch.tanh(c)
        h = h if move_hidden is None else h + move_hidden[t]
        states.append(h)
        gates.append((i, f, o))
    named = zip(("input", "forget", "output"), zip(*gates, strict=True), strict=True)
    return torch.stack(states, dim=1), {name: torch.stack(values, dim=1) for name, values in named}


@pytest.mark.parametrize("time", [2, 12])
def test_equals_its_equations(
    time: int, spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(LSTM, spec, hidden=7)
    reads = everywhere(3, time)
    x = inputs(3, time, 2)
    assert_same(model, x, lambda z: equations(model, z)[0].flatten(0, 1), lambda z: model.encode(z, reads))


def test_gradients_of_both_states_are_total(spec: Spec, build: Any, inputs: Any) -> None:
    """h_t's not through c_t, c_t's through h_t, both through every later step."""
    model = build(LSTM, spec, hidden=5)
    x = inputs(2, 9, 2)
    read = torch.zeros(2, 9, dtype=torch.bool)
    read[:, -1] = True
    features, states = model.states(x, Reads(read))
    weight = inputs(2, 5, seed=1)
    for name in ("hidden", "cell"):
        moves = [torch.zeros(2, 5, dtype=torch.float64, requires_grad=True) for _ in range(9)]
        moved = equations(model, x, **{f"move_{name}": moves})[0][:, -1]
        expected = torch.autograd.grad((moved * weight).sum(), moves)
        got = torch.autograd.grad((features * weight).sum(), states[name], retain_graph=True)
        for one, other in zip(got, expected, strict=True):
            assert other.abs().max() > 0
            torch.testing.assert_close(one, other, atol=1e-13, rtol=1e-10)


def test_constant_error_carousel(spec: Spec, inputs: Any) -> None:
    """Zero weights, forget and output gates open, input gate closed: the cell's gradient neither fades nor grows."""
    model = LSTM(spec, hidden=5).double()
    kernel = model.body.cells[0][0].kernel
    with torch.no_grad():
        for p in kernel.parameters():
            p.zero_()
        for block, bias in zip(kernel.bias_ih_l0.chunk(4), (-50.0, 50.0, 0.0, 50.0), strict=True):
            block.fill_(bias)
    read = torch.zeros(2, 200, dtype=torch.bool)
    read[:, -1] = True
    features, states = model.states(inputs(2, 200, 2), Reads(read))
    gradients = torch.stack(torch.autograd.grad(features.sum(), states["cell"]))
    torch.testing.assert_close(gradients, torch.ones_like(gradients), atol=1e-12, rtol=0)


def test_gates_are_those_of_the_equations(spec: Spec, build: Any, inputs: Any, everywhere: Any) -> None:
    model = build(LSTM, spec, hidden=7)
    x = inputs(3, 12, 2)
    _, expected = equations(model, x)
    gates = model.pictures(x, everywhere(3, 12))
    assert set(gates) == set(expected)
    for name, gate in gates.items():
        torch.testing.assert_close(gate, expected[name])


@pytest.mark.parametrize("forget_bias", [0.0, 1.0, -2.5])
def test_forget_bias_is_the_sum_of_both_vectors(forget_bias: float, features_ahead: Spec) -> None:
    model = LSTM(features_ahead, hidden=4, layers=2, bidirectional=True, forget_bias=forget_bias)
    for directions in model.body.cells:
        for cell in directions:
            total = cell.kernel.bias_ih_l0 + cell.kernel.bias_hh_l0
            assert total.tolist() == [0.0] * 4 + [forget_bias] * 4 + [0.0] * 8


def test_chrono_draws_how_long_units_remember(spec: Spec) -> None:
    """exp(b_f) is uniform in [1, M − 1], and b_i = −b_f."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [MemoryCell(2, 40, 1.0, chrono=100) for _ in range(100)]  # the weights of one of 4,000 take seconds
    biases = [(layer.kernel.bias_ih_l0 + layer.kernel.bias_hh_l0).detach().chunk(4) for layer in layers]
    in_gate, forget, *rest = (torch.cat(parts) for parts in zip(*biases, strict=True))
    drawn = forget.exp()
    assert 1 <= drawn.min() < 1.2
    assert 98.8 < drawn.max() <= 99
    assert drawn.mean() == pytest.approx(50, abs=4 * 98 / math.sqrt(12 * 4000))
    assert torch.equal(in_gate, -forget)
    assert (torch.cat(rest) == 0).all()
    with pytest.raises(ValueError, match="option chrono: expected at least 2, the most steps to remember, got 0"):
        LSTM(spec, chrono=0)
    with pytest.raises(ValueError, match=r"option chrono: it draws the forget gate's biases, .* got 2. Drop one"):
        LSTM(spec, chrono=100, forget_bias=2.0)


def janet(model: LSTM, x: Tensor) -> Tensor:
    """h_t = f_t ⊙ h_{t−1} + (1 − f_t) ⊙ c̃_t, written out."""
    (cell,) = model.body.cells[0]
    w_f, w_c = cell.inputs.weight.chunk(2)
    b_f, b_c = cell.inputs.bias.chunk(2)
    u_f, u_c = cell.recurrent.weight.chunk(2)
    h = torch.zeros(len(x), model.hidden, dtype=x.dtype)
    states = []
    for x_t in x.unbind(1):
        f = torch.sigmoid(x_t @ w_f.T + h @ u_f.T + b_f)
        h = f * h + (1 - f) * torch.tanh(x_t @ w_c.T + h @ u_c.T + b_c)
        states.append(h)
    return torch.stack(states, dim=1).flatten(0, 1)


def test_the_candidate_only_form_equals_its_equation(
    spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(LSTM, spec, hidden=7, candidate_only=True)
    reads = everywhere(3, 9)
    assert_same(model, inputs(3, 9, 2), lambda z: janet(model, z), lambda z: model.encode(z, reads))
    n = model.hidden
    assert count_parameters(model.body) == 2 * n * (2 + n + 1)
    assert list(model.pictures(inputs(1, 4, 2), everywhere(1, 4))) == ["forget"]
