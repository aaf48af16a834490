from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import count_parameters
from models.deltanet import Delta, DeltaNet
from models.parts.kernels.delta import delta
from tasks.base import Spec
from tests.support.written_out import affine, decay_of_gradients, features


def memory(unit: Any, y: Tensor) -> Tensor:
    """The equations of the docstring, head by head and sequence by sequence."""
    d = y.size(-1)
    m = d // unit.heads
    w_q, w_k, w_v = unit.inputs.weight.chunk(3)
    outputs = []
    for sequence in y:
        s = [torch.zeros(m, m, dtype=y.dtype) for _ in range(unit.heads)]
        answers = []
        for y_t in sequence:
            answer = []
            for j in range(unit.heads):
                rows = slice(j * m, (j + 1) * m)
                q, k, v = w_q[rows] @ y_t, w_k[rows] @ y_t, w_v[rows] @ y_t
                q, k = q / q.norm(), k / k.norm()
                beta = unit.beta * torch.sigmoid(unit.strength.weight[j] @ y_t + unit.strength.bias[j])
                g = torch.zeros((), dtype=y.dtype)
                if unit.decay is not None:
                    opening = torch.log1p(torch.exp(unit.decay.weight[j] @ y_t + unit.decay.bias[j]))
                    g = -unit.rate_log[j].exp() * opening
                erased = torch.eye(m, dtype=y.dtype) - beta * torch.outer(k, k)
                s[j] = g.exp() * s[j] @ erased + beta * torch.outer(v, k)
                answer.append(s[j] @ q)
            answers.append(torch.cat(answer))
        outputs.append(torch.stack(answers))
    return affine(unit.readout, torch.stack(outputs))


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("options", [{}, {"beta": 2.0}, {"gate": True}, {"heads": 1}], ids=str)
@pytest.mark.parametrize("time", [2, 12])
def test_equals_its_equations(
    blocks: int,
    options: dict[str, Any],
    time: int,
    spec: Spec,
    build: Any,
    inputs: Any,
    everywhere: Any,
    assert_same: Any,
) -> None:
    model = build(DeltaNet, spec, hidden=8, blocks=blocks, **options)
    reads = everywhere(3, time)
    assert_same(model, inputs(3, time, 2), lambda z: features(model, z, memory), lambda z: model.encode(z, reads))


@pytest.mark.parametrize("gate", [False, True])
def test_step_by_step_equals_the_fast_path(
    gate: bool, spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(DeltaNet, spec, hidden=8, gate=gate)
    reads = everywhere(3, 9)
    assert_same(model, inputs(3, 9, 2), lambda z: model.encode(z, reads), lambda z: model.states(z, reads)[0])


@pytest.mark.parametrize("begun", [False, True])
def test_the_kernels_gradients_by_finite_differences(begun: bool, inputs: Any) -> None:
    key, write, keep, strength, initial = (
        inputs(*shape, seed=seed).requires_grad_()
        for seed, shape in enumerate([(4, 2, 3), (4, 2, 2), (4, 2), (4, 2), (2, 2, 3)])
    )
    begin = initial if begun else None
    assert torch.autograd.gradcheck(lambda k, w, a, b: delta(k, w, a, b, begin), (key, write, keep, strength))
    if begun:
        assert torch.autograd.gradcheck(lambda s: delta(key, write, keep, strength, s), (initial,))


def counting(flips: Tensor) -> Tensor:
    """The states of a rule with one key, β = 2 where `flips` (time,) is 1 and 0 elsewhere, no values and S_0 = 1."""
    time = len(flips)
    key, write = torch.ones(time, 1, 1), torch.zeros(time, 1, 1)
    return delta(key, write, torch.ones(time, 1), 2 * flips[:, None], torch.ones(1, 1, 1)).flatten()


def test_eigenvalue_minus_one_counts_modulo_two() -> None:
    """Exactly, over 10,000 steps: S_t = (−1)^(number of ones so far)."""
    torch.manual_seed(0)
    flips = (torch.rand(10_000) < 0.5).float()
    assert torch.equal(counting(flips), 1 - 2 * (flips.cumsum(0) % 2))


def test_a_key_that_is_written_at_full_strength_is_read_back(inputs: Any) -> None:
    """β = 1: S_t k_t = v_t whatever was held before, and orthogonal keys do not touch each other."""
    keys = torch.eye(4, dtype=torch.float64)[:, None]
    values, ones = inputs(4, 1, 4), torch.ones(4, 1, dtype=torch.float64)
    last = delta(keys, values, ones, ones, inputs(1, 4, 4, seed=1))[-1, 0]
    torch.testing.assert_close(last @ keys[:, 0].T, values[:, 0].T)


def constant(beta: float, gate: bool = False) -> Delta:
    """One head of one number, with the strength the same everywhere."""
    torch.manual_seed(0)
    unit = Delta(1, 1, 2.0, gate).double()
    with torch.no_grad():
        unit.strength.weight.zero_()
        unit.strength.bias.fill_(math.log(beta / (2 - beta)))
    return unit


@pytest.mark.parametrize("beta", [0.1, 1.5])
def test_the_gradient_falls_by_the_eigenvalue(beta: float, inputs: Any) -> None:
    """log10 |1 − β| a step."""
    profile = decay_of_gradients(constant(beta), inputs(1, 30, 1)).log10()
    torch.testing.assert_close(profile.diff(), torch.full((29,), math.log10(abs(1 - beta)), dtype=torch.float64))


def test_the_body_is_counted_in_the_docstring(spec: Spec) -> None:
    for gate in (False, True):
        model = DeltaNet(spec, gate=gate)
        d, f, heads = model.hidden, model.second_width, 4
        block = 4 * d**2 + 5 * d + (d + 1) * heads + gate * (d + 2) * heads + 2 * d * f + f + d
        assert count_parameters(model.body) == d * 3 + 2 * d + 2 * block
        assert model.state_size(9) == 2 * heads * (d // heads) ** 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 0}, "option heads: expected at least 1, got 0"),
        ({"beta": 2.5}, "option beta: expected above 0 and at most 2"),
        ({"heads": 3, "hidden": 8}, "expects a hidden size that is a multiple of 3, got --hidden 8"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str, spec: Spec) -> None:
    with pytest.raises(ValueError, match=message):
        DeltaNet(spec, **options)
