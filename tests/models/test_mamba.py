from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import count_parameters
from models.mamba import Mamba, Selective
from tasks.base import Spec
from tests.support.written_out import affine, decay_of_gradients, features


def memory(selective: Any, y: Tensor) -> Tensor:
    """The equations of the docstring, number by number of the state."""
    n, a = selective.state, -selective.decay_log.exp()
    w_b, w_c = selective.inputs.weight[:n], selective.inputs.weight[n:]
    h = [torch.zeros_like(y[:, 0]) for _ in range(n)]
    outputs = []
    for y_t in y.unbind(1):
        size = torch.log1p(torch.exp(affine(selective.step_size, y_t)))
        b, c = y_t @ w_b.T, y_t @ w_c.T
        h = [torch.exp(size * a[:, j]) * h[j] + size * b[:, j, None] * y_t for j in range(n)]
        seen = sum(c[:, j, None] * h[j] for j in range(n))
        outputs.append(affine(selective.readout, seen + selective.skip * y_t))
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("state", [1, 4])
@pytest.mark.parametrize("time", [2, 12])
def test_equals_its_equations(
    blocks: int, state: int, time: int, spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(Mamba, spec, hidden=7, blocks=blocks, state=state)
    reads = everywhere(3, time)
    assert_same(model, inputs(3, time, 2), lambda z: features(model, z, memory), lambda z: model.encode(z, reads))


def test_step_by_step_equals_the_fast_path(
    spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(Mamba, spec, hidden=7)
    reads = everywhere(3, 9)
    assert_same(model, inputs(3, 9, 2), lambda z: model.encode(z, reads), lambda z: model.states(z, reads)[0])


def test_a_step_size_of_nothing_skips_the_input(inputs: Any) -> None:
    """Δ = 0: h holds, whatever is read: the selection of the paper."""
    selective = Selective(5, 4).double()
    with torch.no_grad():
        selective.step_size.weight.zero_()
        selective.step_size.bias.fill_(-1e4)
    before = inputs(2, 20, seed=1)
    assert torch.equal(selective.run(inputs(2, 100, 5), (before,))[1][0], before)


def test_a_constant_step_size_gives_the_decays_of_the_state(inputs: Any) -> None:
    """One number per channel, A = −1: the gradient falls by Δ / ln 10 a step."""
    selective = Selective(5, 1).double()
    with torch.no_grad():
        selective.step_size.weight.zero_()
        selective.step_size.bias.fill_(torch.tensor(0.05, dtype=torch.float64).expm1().log())
    profile = decay_of_gradients(selective, inputs(1, 40, 5)).log()
    torch.testing.assert_close(profile.diff(), torch.full((39,), -0.05, dtype=torch.float64))


def test_step_sizes_start_between_a_thousandth_and_a_tenth() -> None:
    torch.manual_seed(0)
    size = torch.nn.functional.softplus(Selective(5000, 1).step_size.bias).detach()
    assert 1e-3 * 0.999 <= float(size.min()) <= float(size.max()) <= 0.1 * 1.001
    assert abs(float(size.log10().mean()) + 2) < 0.03  # log-uniform: the middle is .01


def test_the_body_is_counted_in_the_docstring(spec: Spec) -> None:
    model = Mamba(spec)
    d, f, n = model.hidden, model.second_width, 4
    assert count_parameters(model.body) == d * 3 + 2 * d + 2 * (2 * d**2 + 3 * d * n + 7 * d + 2 * d * f + f + d)
    assert model.state_size(7) == 2 * d * n


def test_no_state_is_refused(spec: Spec) -> None:
    with pytest.raises(ValueError, match="option state: expected at least 1, got 0"):
        Mamba(spec, state=0)
