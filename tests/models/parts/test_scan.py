"""The scan against the recurrence written out: both forms, real and complex, from any state, and its gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.parts import scan as module
from models.parts.scan import chunks, doubling, scan


def draws(time: int, kind: torch.dtype = torch.float64, constant: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Decays of at most 1 in size, drives and an initial state."""
    random = torch.Generator().manual_seed(time)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=kind, generator=random)

    shape = (3,) if constant else (time, 2, 3)
    decay = torch.rand(shape, dtype=torch.float64, generator=random)
    phase = torch.exp(1j * normal(*shape).angle()) if kind.is_complex else 1.0
    return (decay * phase).to(kind), normal(time, 2, 3), normal(2, 3)


def written_out(decay: Tensor, drive: Tensor, initial: Tensor | None) -> Tensor:
    state = torch.zeros_like(drive[0]) if initial is None else initial
    states = []
    for t, b in enumerate(drive):
        state = (decay if decay.dim() == 1 else decay[t]) * state + b
        states.append(state)
    return torch.stack(states)


@pytest.mark.parametrize("form", [chunks, doubling])
@pytest.mark.parametrize("time", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize("kind", [torch.float64, torch.complex128])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("begun", [False, True])
def test_every_form_is_the_recurrence(
    form: Callable[..., None],
    time: int,
    kind: torch.dtype,
    constant: bool,
    begun: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_form", lambda values: form)
    decay, drive, initial = (each.requires_grad_() for each in draws(time, kind, constant))
    inputs = [decay, drive, initial] if begun else [decay, drive]
    weight = torch.randn(time, 2, 3, dtype=kind, generator=torch.Generator().manual_seed(1))
    outputs = {}
    for name, way in (("scan", scan), ("loop", written_out)):
        states = way(decay, drive, initial if begun else None)
        total = (states * weight).sum().real if kind.is_complex else (states * weight).sum()
        outputs[name] = [states.detach(), *torch.autograd.grad(total, inputs)]
    for ours, theirs in zip(outputs["scan"], outputs["loop"], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)


def test_gradients_by_finite_differences() -> None:
    inputs = [each.requires_grad_() for each in draws(5)]
    assert torch.autograd.gradcheck(scan, inputs)


@pytest.mark.parametrize("form", [chunks, doubling])
@pytest.mark.parametrize("time", [10, 1_000, 100_000])
def test_float32_stays_near_float64(form: Callable[..., None], time: int) -> None:
    """Decays near 1, the hardest: the relative error stays below 2e-5 at every length."""
    random = torch.Generator().manual_seed(0)
    decay = 1 - 1e-3 * torch.rand(time, 1, 4, generator=random)
    drive = torch.randn(time, 1, 4, generator=random)
    exact = written_out(decay.double(), drive.double(), None)
    states = drive.clone()
    form(decay, states)
    error = (states.double() - exact).abs().max() / exact.abs().max()
    assert float(error) < 2e-5


def test_a_cut_scan_goes_on_from_its_state() -> None:
    decay, drive, initial = draws(50)
    whole = scan(decay, drive, initial)
    first = scan(decay[:20], drive[:20], initial)
    torch.testing.assert_close(torch.cat([first, scan(decay[20:], drive[20:], first[-1])]), whole, atol=1e-12, rtol=0)
