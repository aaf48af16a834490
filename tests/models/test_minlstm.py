from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import count_parameters
from models.minlstm import MinLSTM, Shared
from tasks.base import Spec
from tests.support.written_out import affine, decay_of_gradients, features


def memory(shared: Any, y: Tensor) -> Tensor:
    """The equations of the docstring, with g by its two cases."""
    w_f, w_i, w = shared.inputs.weight.chunk(3)
    b_f, b_i, b = shared.inputs.bias.chunk(3)
    h = torch.zeros_like(y[:, 0])
    outputs = []
    for y_t in y.unbind(1):
        f, i, v = torch.sigmoid(y_t @ w_f.T + b_f), torch.sigmoid(y_t @ w_i.T + b_i), y_t @ w.T + b
        h = f / (f + i) * h + i / (f + i) * torch.where(v >= 0, v + 0.5, torch.sigmoid(v))
        outputs.append(affine(shared.readout, h))
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("time", [2, 12])
def test_equals_its_equations(
    blocks: int, time: int, spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(MinLSTM, spec, hidden=7, blocks=blocks)
    reads = everywhere(3, time)
    assert_same(model, inputs(3, time, 2), lambda z: features(model, z, memory), lambda z: model.encode(z, reads))


def test_step_by_step_equals_the_fast_path(
    spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(MinLSTM, spec, hidden=7)
    reads = everywhere(3, 9)
    assert_same(model, inputs(3, 9, 2), lambda z: model.encode(z, reads), lambda z: model.states(z, reads)[0])


def shared(forget: float, add: float) -> Shared:
    """A memory whose gates are the same everywhere: their weights are 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Shared(5, forget).double()
    with torch.no_grad():
        made.inputs.weight[:10] = 0
        made.inputs.bias[5:10] = add
    return made


def test_gates_that_both_round_to_zero_still_share_out_one(inputs: Any) -> None:
    """f = e^−1000, i = e^−1002: f′ = e²/(e² + 1), where a quotient would be 0/0."""
    memory = shared(-1000.0, -1002.0)
    gates = memory.gates(inputs(1, 3, 5), inputs(1, 3, 5), 0)
    torch.testing.assert_close(gates["forget"], torch.sigmoid(torch.full((1, 3, 5), 2.0, dtype=torch.float64)))
    torch.testing.assert_close(gates["forget"] + gates["input"], torch.ones(1, 3, 5, dtype=torch.float64))


def test_a_closed_input_gate_holds_the_state_for_ever(inputs: Any) -> None:
    memory, y, before = shared(0.0, -1e4), inputs(2, 100, 5), inputs(2, 5, seed=1)
    assert torch.equal(memory.run(y, (before,))[1][0], before)
    torch.testing.assert_close(decay_of_gradients(memory, y[:1]), torch.full((100,), 5**0.5, dtype=torch.float64))


def test_a_closed_forget_gate_forgets_at_once(inputs: Any) -> None:
    memory, y = shared(-1e4, 0.0), inputs(2, 9, 5)
    v = affine(memory.inputs, y)[..., 10:]
    expected = torch.where(v >= 0, v + 0.5, torch.sigmoid(v))
    torch.testing.assert_close(memory.run(y, (inputs(2, 5, seed=1),))[0], expected, atol=1e-12, rtol=0)


def test_the_body_is_counted_in_the_docstring(spec: Spec) -> None:
    model = MinLSTM(spec)
    d, f = model.hidden, model.second_width
    assert count_parameters(model.body) == d * 3 + 2 * d + 2 * (4 * d**2 + 8 * d + 2 * d * f + f + d)
