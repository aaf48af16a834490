from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.rnn import RNN
from tasks.base import Reads, Spec

OPTIONS: list[dict[str, Any]] = [
    {"carry": 0.9, "recurrent_init": "uniform"},
    {"leak": 0.3},
    {"skip": 3},
    {"feedback": "output"},
    {"recurrent_weights": "orthogonal", "recurrent_scale": 0.9},
    {"periods": (1, 2, 4)},
    {"leak": 0.4, "skip": 2, "periods": (3, 1)},
]


def equations(model: RNN, x: Tensor, options: dict[str, Any]) -> Tensor:
    """The docstring of `models.parts.changed`, unit by unit where modules have periods."""
    (cell,) = model.body.cells[0]
    u = cell.scale * cell.recurrent.weight
    n, periods, d = model.hidden, options.get("periods", (1,)), options.get("skip")
    s, a = options.get("carry", 0.0), options.get("leak", 1.0)
    of = [periods[i * len(periods) // n] for i in range(n)]
    reads = torch.tensor([[float(of[j] >= of[i]) for j in range(n)] for i in range(n)], dtype=x.dtype)
    zero = torch.zeros(len(x), n, dtype=x.dtype)
    states = [zero]
    for t, x_t in enumerate(x.unbind(1)):
        h = states[-1]
        summed = x_t @ cell.inputs.weight.T + cell.inputs.bias
        summed = summed + (h @ cell.output.weight.T @ u.T if "feedback" in options else h @ (u * reads).T)
        if d is not None:
            summed = summed + (states[-d] if t >= d else zero) @ (cell.scale * cell.delayed.weight).T
        new = s * h + torch.tanh(summed) if s else (1 - a) * h + a * torch.tanh(summed)
        states.append(torch.stack([(new if t % of[i] == 0 else h)[:, i] for i in range(n)], dim=1))
    return torch.stack(states[1:], dim=1).flatten(0, 1)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_equals_its_equations(
    options: dict[str, Any], spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(RNN, spec, hidden=6, **options)
    reads = everywhere(3, 9)
    for way in (lambda z: model.encode(z, reads), lambda z: model.states(z, reads)[0]):
        assert_same(model, inputs(3, 9, 2), lambda z: equations(model, z, options), way)


def profile(model: RNN, x: Tensor) -> Tensor:
    """‖∂Σh_T/∂h_t‖ at each step, the last first, over that of the last."""
    read = torch.zeros(x.shape[:2], dtype=torch.bool)
    read[:, -1] = True
    features, series = model.states(x, Reads(read))
    norms = torch.stack([g[0].norm() for g in torch.autograd.grad(features.sum(), series["hidden"])]).flip(0)
    return norms / norms[0]


@pytest.mark.parametrize(
    ("options", "kept"), [({"carry": 1.0}, 1.0), ({"carry": 0.9}, 0.9), ({"leak": 0.2, "recurrent_init": "zero"}, 0.8)]
)
def test_without_recurrent_weights_the_gradient_falls_by_what_is_kept(
    options: dict[str, Any], kept: float, spec: Spec, build: Any, inputs: Any
) -> None:
    """U = 0: ∂h_T/∂h_t = (kept)^k, slope log10(kept); carry starts U at zero by itself."""
    got = profile(build(RNN, spec, hidden=6, **options), inputs(2, 60, 2))
    torch.testing.assert_close(got, kept ** torch.arange(60.0).double(), rtol=1e-10, atol=0)


def test_a_skip_alone_is_a_comb(spec: Spec, build: Any, inputs: Any) -> None:
    """U = 0, V orthogonal, φ = identity: equal teeth at the multiples of d, nothing between them."""
    model = build(RNN, spec, hidden=6, skip=4, activation="identity")
    (cell,) = model.body.cells[0]
    with torch.no_grad():
        cell.recurrent.weight.zero_()
        cell.delayed.weight.copy_(torch.linalg.qr(cell.delayed.weight)[0])
    got = profile(model, inputs(2, 41, 2))
    teeth = torch.arange(41) % 4 == 0
    torch.testing.assert_close(got[teeth], torch.ones(11, dtype=torch.float64), rtol=1e-10, atol=0)
    assert (got[~teeth] == 0).all()


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
def test_orthogonal_weights_stay_orthogonal(dtype: torch.dtype, most: float, spec: Spec) -> None:
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # where it starts is orthogonal as far as the type goes
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = RNN(spec, hidden=16, recurrent_weights="orthogonal")
            x = torch.randn(8, 20, 2)
    finally:
        torch.set_default_dtype(usual)
    (cell,) = model.body.cells[0]
    with torch.no_grad():
        start = cell.weight.clone()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(100):
        optimiser.zero_grad()
        states, _ = model.body.run(x)
        (states[:, -1].sum(-1) - x[:, 0, 0]).square().mean().backward()
        optimiser.step()
    with torch.no_grad():
        u = cell.weight
        assert (u - start).abs().max() > 0.05  # it was trained
        assert (u.T @ u - torch.eye(16, dtype=dtype)).abs().max() < most


def test_a_module_holds_still_between_its_ticks(spec: Spec, build: Any, inputs: Any) -> None:
    model = build(RNN, spec, hidden=6, periods=(1, 3))
    states = model.body.run(inputs(2, 12, 2))[0]
    moved = (states[:, 1:] != states[:, :-1]).all(0)
    assert moved[:, :3].all()
    assert moved[:, 3:].all(-1).tolist() == [t % 3 == 0 for t in range(1, 12)]
    assert not moved[:, 3:].any(-1)[torch.tensor([t % 3 != 0 for t in range(1, 12)])].any()


def test_a_fast_module_is_read_by_no_slower_one(spec: Spec, build: Any, inputs: Any) -> None:
    model = build(RNN, spec, hidden=6, periods=(1, 3))
    (cell,) = model.body.cells[0]
    assert (cell.weight[3:, :3] == 0).all()
    assert (cell.weight[:3] != 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leak": 0.0}, "option leak: expected above 0 and at most 1, got 0"),
        ({"skip": 1}, "option skip: expected at least 2, got 1"),
        ({"periods": (2, 2)}, r"option periods: expected different numbers from 1 on, got 2\+2"),
        ({"periods": (0, 2)}, r"option periods: expected different numbers from 1 on, got 0\+2"),
        ({"carry": 0.5, "leak": 0.5}, "option carry: it cannot go with leak as given"),
        ({"periods": (1, 2), "feedback": "output"}, "option periods: it cannot go with feedback as given"),
        ({"periods": (1, 2), "recurrent_weights": "orthogonal"}, "option periods: it cannot go with recurrent_weights"),
        ({"feedback": "output", "recurrent_weights": "orthogonal"}, "option feedback: it cannot go with"),
        ({"recurrent_weights": "orthogonal", "recurrent_init": "zero"}, "cannot go with recurrent_init as given"),
        ({"periods": (1, 2, 4), "hidden": 16}, "multiple of 3, got --hidden 16"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str, spec: Spec) -> None:
    with pytest.raises(ValueError, match=message):
        RNN(spec, **options)


def test_a_skip_beyond_the_longest_sequence_is_refused(spec: Spec) -> None:
    with pytest.raises(ValueError, match=r"option skip: expected at least 2 and below the 10 steps .*, got 10"):
        RNN(replace(spec, steps=10), skip=10)
