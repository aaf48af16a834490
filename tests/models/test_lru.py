from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import count_parameters
from models.lru import LRU, Rotating
from tasks.base import Spec
from tests.support.written_out import decay_of_gradients, features


def memory(rotating: Any, y: Tensor) -> Tensor:
    """The equations of the docstring, in complex numbers."""
    eigenvalues = torch.exp(torch.complex(-rotating.nu.exp(), rotating.theta.exp()))
    b = torch.complex(rotating.inputs.weight[0::2], rotating.inputs.weight[1::2])
    c = torch.complex(rotating.readout.weight[:, 0::2], -rotating.readout.weight[:, 1::2])
    h = torch.zeros(len(y), len(eigenvalues), dtype=b.dtype)
    outputs = []
    for y_t in y.unbind(1):
        h = eigenvalues * h + rotating.gamma_log.exp() * (y_t.to(b.dtype) @ b.T)
        outputs.append((h @ c.T).real + rotating.skip * y_t)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("time", [2, 12])
def test_equals_its_equations(
    blocks: int, time: int, spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(LRU, spec, hidden=7, blocks=blocks)
    reads = everywhere(3, time)
    assert_same(model, inputs(3, time, 2), lambda z: features(model, z, memory), lambda z: model.encode(z, reads))


def test_step_by_step_equals_the_fast_path(
    spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(LRU, spec, hidden=7)
    reads = everywhere(3, 9)
    assert_same(model, inputs(3, 9, 2), lambda z: model.encode(z, reads), lambda z: model.states(z, reads)[0])


@pytest.mark.parametrize("size", [0.5, 0.9, 0.999])
def test_the_gradient_falls_by_the_eigenvalues_size(size: float, inputs: Any) -> None:
    """|λ| = r, any phase: ‖∂h_T/∂h_t‖ falls by log10 r a step."""
    rotating = Rotating(6, size, size, 2.0).double()
    with torch.no_grad():
        rotating.nu.fill_(math.log(-math.log(size)))
    profile = decay_of_gradients(rotating, inputs(1, 60, 6)).log10()
    torch.testing.assert_close(
        profile.diff(), torch.full((59,), math.log10(size), dtype=torch.float64), rtol=1e-9, atol=0
    )


def test_eigenvalues_start_on_their_ring() -> None:
    """Uniform by area: |λ|² is uniform between the bounds' squares."""
    torch.manual_seed(0)
    layers = [Rotating(40, 0.6, 0.9, 0.5) for _ in range(500)]  # one of 20,000 would draw a matrix of 4e8 numbers
    real, imaginary = (torch.cat(parts) for parts in zip(*(layer.eigenvalues() for layer in layers), strict=True))
    area = (real.square() + imaginary.square()).detach()
    assert 0.36 - 1e-4 <= float(area.min()) <= float(area.max()) <= 0.81 + 1e-4
    assert abs(float(area.mean()) - (0.36 + 0.81) / 2) < 0.003
    assert float(real.detach().min()) > -1e-5
    assert float(imaginary.detach().min()) > -1e-5
    gamma = torch.cat([layer.gamma_log for layer in layers]).exp()
    torch.testing.assert_close(gamma.square(), 1 - area, atol=1e-5, rtol=1e-4)


def test_every_parameter_and_buffer_is_real(spec: Spec) -> None:
    model = LRU(spec)
    assert not any(p.is_complex() for p in [*model.parameters(), *model.buffers()])
    d, f = model.hidden, model.second_width
    assert count_parameters(model.body) == d * 3 + 2 * d + 2 * (4 * d**2 + 8 * d + 2 * d * f + f + d)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"largest": 1.0}, "expected 0 <= smallest <= largest < 1, got 0.0 and 1.0"),
        ({"smallest": 0.9, "largest": 0.5}, "got 0.9 and 0.5"),
        ({"phase": 3.0}, "option phase: expected above 0 and at most 2"),
    ],
)
def test_bad_options_are_refused(options: dict[str, float], message: str, spec: Spec) -> None:
    with pytest.raises(ValueError, match=message):
        LRU(spec, **options)  # type: ignore[arg-type]
