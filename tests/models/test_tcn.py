from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bench.probes import jacobians
from bench.trial import build as build_module
from models.base import count_parameters
from models.tcn import TCN, Causal, receptive_field
from tasks.adding import Adding
from tasks.base import Spec
from tests.support.written_out import affine


def convolved(conv: Causal, u: Tensor) -> Tensor:
    """u (batch, time, channels), tap by tap; what lies before the first step is 0."""
    weight = torch.stack(
        [size * v / v.square().sum().sqrt() for size, v in zip(conv.size, conv.direction, strict=True)]
    )
    kernel = weight.size(-1)
    outputs = []
    for t in range(u.size(1)):
        total = conv.bias.expand(len(u), -1)
        for i in range(kernel):
            if t - i * conv.dilation >= 0:
                total = total + u[:, t - i * conv.dilation] @ weight[:, :, kernel - 1 - i].T
        outputs.append(total)
    return torch.stack(outputs, dim=1)


def equations(model: Any, x: Tensor) -> Tensor:
    u = x
    for number, level in enumerate(model.body.levels):
        moved = convolved(level.second, convolved(level.first, u).clamp(min=0)).clamp(min=0)
        u = ((affine(level.match, u) if number == 0 else u) + moved).clamp(min=0)
    return u.flatten(0, 1)


@pytest.mark.parametrize("options", [{"levels": 1}, {"levels": 3, "kernel": 2}, {"levels": 2, "kernel": 5}], ids=str)
def test_equals_its_equations(
    options: dict[str, int], spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(TCN, spec, hidden=5, **options)
    reads = everywhere(3, 12)
    assert_same(model, inputs(3, 12, 2), lambda z: equations(model, z), lambda z: model.encode(z, reads))


@pytest.mark.parametrize(("kernel", "levels"), [(2, 1), (2, 3), (3, 2), (7, 2)])
def test_the_receptive_field_is_exact(kernel: int, levels: int, spec: Spec) -> None:
    """Positive weights and inputs, so that no gradient is lost: above 0 within the field, exactly 0 beyond."""
    torch.manual_seed(0)
    model = TCN(spec, hidden=3, kernel=kernel, levels=levels).double()
    with torch.no_grad():
        for parameter in model.body.parameters():
            parameter.abs_()
    field = receptive_field(kernel, levels)
    x = torch.rand(1, field + 20, 2, dtype=torch.float64, requires_grad=True)
    model.body(x)[-1][0, -1].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(-1)
    assert int((seen > 0).sum()) == field
    assert (seen[-field:] > 0).all()


@pytest.mark.parametrize("length", [2, 10, 100, 1000])
def test_levels_are_the_least_that_see_the_whole_sequence(length: int) -> None:
    levels = len(TCN(Adding(length).spec).body.levels)
    assert receptive_field(7, levels) >= length
    assert levels == 1 or receptive_field(7, levels - 1) < length


def test_it_has_no_state_and_says_so(spec: Spec) -> None:
    task = Adding(10)
    model = TCN(task.spec, hidden=4)
    assert model.recurrence is None
    assert jacobians.measure(model, task.probe_batch(2)) is None
    with pytest.raises(
        ValueError, match=r"--bptt 5 is for models that carry a state from step to step .* TCN does not"
    ):
        build_module.truncate(model, 5)


def test_what_a_step_reads_of_earlier_ones_is_counted(spec: Spec) -> None:
    """k = 3, two levels, 4 channels: 2 · 2 and 2 · 4 inputs at dilation 1, twice 4 · 4 at dilation 2."""
    assert TCN(spec, hidden=4, kernel=3, levels=2).state_size(99) == 4 + 8 + 16 + 16


def test_the_body_is_counted_in_the_docstring(spec: Spec) -> None:
    model = TCN(spec, levels=3)
    n, m = model.hidden, model.second_width

    def conv(i: int, o: int) -> int:
        return i * o * 7 + 2 * o

    assert count_parameters(model.body) == conv(2, n) + 3 * conv(n, n) + conv(n, m) + conv(m, n) + 3 * n


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": 1, "levels": 2}, "option kernel: expected at least 2, got 1"),
        ({"levels": 0}, "option levels: expected at least 1, got 0"),
        ({}, "option levels: expected at least 1, got None"),
    ],
)
def test_bad_options_are_refused(options: dict[str, int], message: str, spec: Spec) -> None:
    with pytest.raises(ValueError, match=message):
        TCN(spec, **options)
