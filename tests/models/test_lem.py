from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import count_parameters
from models.lem import LEM, TwoScales
from tasks.base import Spec


def equations(model: Any, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The docstring, gate by gate."""
    (cell,) = model.body.cells[0]
    v_1, v_2, v_c, v_h = cell.inputs.weight.chunk(4)
    b_1, b_2, b_c, b_h = cell.inputs.bias.chunk(4)
    w_1, w_2, w_c = cell.recurrent.weight.chunk(3)
    w_h = cell.cell_weight.weight
    h = c = torch.zeros(len(x), model.hidden, dtype=x.dtype)
    states, steps, bars = [], [], []
    for x_t in x.unbind(1):
        step = torch.sigmoid(h @ w_1.T + x_t @ v_1.T + b_1)
        bar = torch.sigmoid(h @ w_2.T + x_t @ v_2.T + b_2)
        delta, delta_bar = cell.largest * step, cell.largest * bar
        c = (1 - delta) * c + delta * torch.tanh(h @ w_c.T + x_t @ v_c.T + b_c)
        h = (1 - delta_bar) * h + delta_bar * torch.tanh(c @ w_h.T + x_t @ v_h.T + b_h)
        states.append(h)
        steps.append(step)
        bars.append(bar)
    gates = {"cell_step": torch.stack(steps, dim=1), "hidden_step": torch.stack(bars, dim=1)}
    return torch.stack(states, dim=1).flatten(0, 1), gates


@pytest.mark.parametrize("step", [1.0, 0.3])
@pytest.mark.parametrize("time", [2, 12])
def test_equals_its_equations(
    step: float, time: int, spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(LEM, spec, hidden=7, step=step)
    reads = everywhere(3, time)
    x = inputs(3, time, 2)
    assert_same(model, x, lambda z: equations(model, z)[0], lambda z: model.encode(z, reads))
    shown = model.pictures(x, reads)
    for name, gate in equations(model, x)[1].items():
        torch.testing.assert_close(shown[name], gate)


def test_small_steps_hold_both_states(inputs: Any) -> None:
    """Δ = Δ̄ = 0: nothing moves, whatever is read, and the Jacobian is the identity."""
    torch.manual_seed(0)
    layer = TwoScales(2, 4, 1.0).double()
    with torch.no_grad():
        layer.inputs.bias[:8] = -1e4
    before = (inputs(3, 4), inputs(3, 4, seed=1))
    outputs, after = layer.run(inputs(3, 50, 2), before)
    assert torch.equal(after[0], before[0])
    assert torch.equal(after[1], before[1])
    assert torch.equal(outputs[:, 7], before[0])


def test_one_constant_step_is_a_leak(inputs: Any) -> None:
    """No recurrent weights and σ = ½: both states leak by 1 − δ/2 a step, the cell's gradient by exactly that."""
    torch.manual_seed(0)
    layer = TwoScales(2, 4, 0.5).double()
    with torch.no_grad():
        layer.recurrent.weight.zero_()
        layer.inputs.weight[:8] = 0
        layer.inputs.bias[:8] = 0
    states = layer.unroll(inputs(1, 30, 2))
    cells = [cell for _, cell in states]
    gradients = torch.stack([g.norm() for g in torch.autograd.grad(cells[-1].sum(), cells)[::-1]])
    torch.testing.assert_close(gradients, 2 * torch.tensor(0.75, dtype=torch.float64) ** torch.arange(30))


def test_the_body_is_counted_in_the_docstring(spec: Spec) -> None:
    model = LEM(spec)
    n = model.hidden
    assert count_parameters(model.body) == 4 * n * (2 + n + 1)


def test_a_step_of_nothing_is_refused(spec: Spec) -> None:
    with pytest.raises(ValueError, match="option step: expected above 0 and at most 1, got 0"):
        LEM(spec, step=0.0)
