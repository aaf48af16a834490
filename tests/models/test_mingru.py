from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import count_parameters
from models.mingru import Gated, MinGRU
from models.parts.kernels.minimal import ROWS, minimal
from models.parts.scan import scan
from tasks.base import Reads, Spec
from tests.support.written_out import affine, decay_of_gradients, features


def memory(gated: Any, y: Tensor) -> Tensor:
    """The equations of the docstring, with g by its two cases."""
    w_z, w = gated.inputs.weight.chunk(2)
    b_z, b = gated.inputs.bias.chunk(2)
    h = torch.zeros_like(y[:, 0])
    outputs = []
    for y_t in y.unbind(1):
        z, v = torch.sigmoid(y_t @ w_z.T + b_z), y_t @ w.T + b
        h = (1 - z) * h + z * torch.where(v >= 0, v + 0.5, torch.sigmoid(v))
        outputs.append(affine(gated.readout, h))
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("time", [2, 12])
def test_equals_its_equations(
    blocks: int, time: int, spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(MinGRU, spec, hidden=7, blocks=blocks)
    reads = everywhere(3, time)
    assert_same(model, inputs(3, time, 2), lambda z: features(model, z, memory), lambda z: model.encode(z, reads))


def test_step_by_step_equals_the_fast_path(
    spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(MinGRU, spec, hidden=7)
    reads = everywhere(3, 9)
    assert_same(model, inputs(3, 9, 2), lambda z: model.encode(z, reads), lambda z: model.states(z, reads)[0])


@pytest.mark.parametrize("begun", [False, True])
def test_all_steps_at_once_equal_the_scan_with_every_gradient(begun: bool, inputs: Any) -> None:
    """More rows than are taken together, from any state."""
    made, y = gated(0.0), inputs(ROWS // 3 + 50, 3, 5).requires_grad_()
    with torch.no_grad():
        made.inputs.weight.copy_(inputs(10, 5, seed=2))
    before = inputs(3, 5, seed=1).requires_grad_() if begun else None
    wanted = [y, made.inputs.weight, made.inputs.bias, *([] if before is None else [before])]
    ways = (
        minimal(y, made.inputs.weight, made.inputs.bias, before),
        scan(*made.coefficients(y), before),
    )
    found = [[states, *torch.autograd.grad((states * inputs(*states.shape, seed=3)).sum(), wanted)] for states in ways]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)


def gated(update_bias: float) -> Gated:
    """A memory whose update gate is the same everywhere: its weights are 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Gated(5, 0.0).double()
    with torch.no_grad():
        made.inputs.weight[:5] = 0
        made.inputs.bias[:5] = update_bias
    return made


def test_a_closed_gate_holds_the_state_for_ever(inputs: Any) -> None:
    """z = 0: h stays to the last bit, and ∂h_T/∂h_t = I."""
    memory, y, before = gated(-1e4), inputs(2, 100, 5), inputs(2, 5, seed=1)
    assert torch.equal(memory.run(y, (before,))[1][0], before)
    torch.testing.assert_close(decay_of_gradients(memory, y[:1]), torch.full((100,), 5**0.5, dtype=torch.float64))


def test_an_open_gate_forgets_at_once(inputs: Any) -> None:
    """z = 1: h_t = g(W y_t + b), whatever was before."""
    memory, y = gated(1e4), inputs(2, 9, 5)
    v = affine(memory.inputs, y)[..., 5:]
    expected = torch.where(v >= 0, v + 0.5, torch.sigmoid(v))
    torch.testing.assert_close(memory.run(y, (inputs(2, 5, seed=1),))[0], expected, atol=1e-12, rtol=0)
    assert decay_of_gradients(memory, y[:1])[1:].abs().max() == 0


def test_a_constant_gate_gives_a_straight_profile(inputs: Any) -> None:
    """z = .1: the gradient falls by log10 .9 a step."""
    profile = decay_of_gradients(gated(torch.logit(torch.tensor(0.1)).item()), inputs(1, 50, 5)).log10()
    torch.testing.assert_close(
        profile.diff(), torch.tensor(0.9, dtype=torch.float64).log10().expand(49), rtol=1e-6, atol=0
    )


def test_the_forget_bias_holds_the_state_at_the_start(spec: Spec, inputs: Any, everywhere: Any) -> None:
    model = MinGRU(spec, hidden=8, forget_bias=6.0).double()
    for gate in model.pictures(inputs(2, 9, 2), everywhere(2, 9)).values():
        assert float(gate.detach().mean()) < 0.02


def test_the_body_is_counted_in_the_docstring(spec: Spec) -> None:
    model = MinGRU(spec)
    d, f = model.hidden, model.second_width
    assert count_parameters(model.body) == d * 3 + 2 * d + 2 * (3 * d**2 + 7 * d + 2 * d * f + f + d)
    assert set(model.pictures(torch.randn(1, 3, 2), Reads(torch.ones(1, 3, dtype=torch.bool)))) == {
        "update.0",
        "update.1",
    }


def test_no_block_is_refused(spec: Spec) -> None:
    with pytest.raises(ValueError, match="option blocks: expected at least 1, got 0"):
        MinGRU(spec, blocks=0)
