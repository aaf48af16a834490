from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.base import SequenceModel
from models.gru import GRU
from models.lstm import LSTM
from models.parts.recurrent import Stack
from models.rnn import RNN
from tasks.base import Batch, Reads, Spec, generator

TORCH = {RNN: nn.RNN, GRU: nn.GRU, LSTM: nn.LSTM}
ALL = pytest.mark.parametrize("model", [RNN, GRU, LSTM])


def as_torch(model: SequenceModel, layers: int, bidirectional: bool) -> Any:
    """torch's module with this model's weights."""
    cells = model.body.cells
    kernel = TORCH[type(model)](  # type: ignore[index]
        model.width, model.hidden, num_layers=layers, bidirectional=bidirectional, batch_first=True
    ).double()
    with torch.no_grad():
        for depth, directions in enumerate(cells):
            for cell, suffix in zip(directions, ("", "_reverse"), strict=False):
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(kernel, f"{name}_l{depth}{suffix}").copy_(getattr(cell.kernel, f"{name}_l0"))
    return kernel


@ALL
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (3, False), (1, True), (2, True)])
def test_equals_torchs_own_stack(
    model: Any, layers: int, bidirectional: bool, features_ahead: Spec, build: Any, inputs: Any, assert_same: Any
) -> None:
    built = build(model, features_ahead, hidden=6, layers=layers, bidirectional=bidirectional)
    kernel = as_torch(built, layers, bidirectional)
    x = inputs(4, 10, 3)
    read = torch.ones(4, 10, dtype=torch.bool)
    torch.testing.assert_close(built.encode(x, Reads(read)), kernel(x)[0].flatten(0, 1), atol=1e-12, rtol=0)
    assert_same(built, x, lambda z: built.encode(z, Reads(read)), lambda z: built.states(z, Reads(read))[0])


@ALL
@pytest.mark.parametrize("layers", [1, 2])
def test_single_precision_fast_path_equals_the_unroll(
    model: Any, layers: int, spec: Spec, build: Any, inputs: Any, assert_same: Any
) -> None:
    """float32 on a CPU has kernels of its own (oneDNN's LSTM), which float64 does not reach."""
    built = build(model, spec, hidden=20, layers=layers).float()
    x = inputs(4, 30, 2).float()
    read = torch.ones(4, 30, dtype=torch.bool)
    assert_same(built, x, lambda z: built.encode(z, Reads(read)), lambda z: built.states(z, Reads(read))[0], 2e-4)


@ALL
def test_right_padding_reaches_no_answer(model: Any, tokens_spec: Spec, build: Any) -> None:
    built = build(model, tokens_spec, hidden=5, layers=2, bidirectional=True)
    ids = torch.stack([torch.randint(1, size, (3, 9), generator=generator(0, size)) for size in (9, 5)], dim=-1)
    lengths = [9, 5, 1]
    read = torch.zeros(3, 9, dtype=torch.bool)
    for row, length in enumerate(lengths):
        ids[row, length:] = 0
        read[row, :length] = True
    whole = Batch(ids, ids, read)
    alone = [built(Batch(*(part[row : row + 1, :n] for part in (ids, ids, read)))) for row, n in enumerate(lengths)]
    torch.testing.assert_close(built(whole), torch.cat(alone), atol=1e-12, rtol=0)
    x = built.embedding(ids)
    torch.testing.assert_close(built.states(x, Reads(read))[0], built.encode(x, Reads(read)), atol=1e-12, rtol=0)


@ALL
def test_names_of_the_states(model: Any, features_ahead: Spec, build: Any, inputs: Any) -> None:
    x, read = inputs(2, 4, 3), torch.ones(2, 4, dtype=torch.bool)

    def names(**options: Any) -> set[str]:
        return set(build(model, features_ahead, hidden=3, **options).states(x, Reads(read))[1])

    parts = {"hidden", "cell"} if model is LSTM else {"hidden"}
    assert names() == parts
    assert names(layers=2) == {f"{part}.{depth}" for part in parts for depth in (0, 1)}
    assert names(bidirectional=True) == {part + suffix for part in parts for suffix in ("", ".reverse")}
    assert "hidden.1.reverse" in names(layers=2, bidirectional=True)


@ALL
def test_states_are_the_features(model: Any, features_ahead: Spec, build: Any, inputs: Any) -> None:
    built = build(model, features_ahead, hidden=3, layers=2, bidirectional=True)
    x, read = inputs(2, 6, 3), torch.ones(2, 6, dtype=torch.bool)
    features, states = built.states(x, Reads(read))
    both = [torch.stack(states[f"hidden.1{suffix}"], dim=1) for suffix in ("", ".reverse")]
    torch.testing.assert_close(features, torch.cat(both, dim=-1).flatten(0, 1))


@ALL
@pytest.mark.parametrize("layers", [1, 2])
def test_gradient_of_a_hidden_state_is_total(model: Any, layers: int, spec: Spec, build: Any, inputs: Any) -> None:
    """∂(answer)/∂h_t through all later steps = what a small change of h_t at step t does to the answer, in a run
    continued step by step from there (an lstm's cell left as it was)."""
    built = build(model, spec, hidden=4, layers=layers)
    stack: Stack = built.body
    x = inputs(1, 8, 2)
    read = torch.zeros(1, 8, dtype=torch.bool)
    read[:, -1] = True
    weight = inputs(4, seed=1)
    features, states = built.states(x, Reads(read))
    top = "hidden" if layers == 1 else f"hidden.{layers - 1}"
    gradient = torch.autograd.grad((features * weight).sum(), states[top])

    def answer(step: int, unit: int, change: float) -> float:
        state = stack.zero_state(x)
        for t in range(8):
            state = stack.step(x[:, t], state, t)
            if t == step:
                hidden, *rest = state[-1]
                moved = hidden.clone()
                moved[0, unit] += change
                state[-1] = (moved, *rest)
        return float((state[-1][0] * weight).sum().detach())

    for step in (0, 3, 7):
        numeric = [(answer(step, u, 1e-5) - answer(step, u, -1e-5)) / 2e-5 for u in range(4)]
        torch.testing.assert_close(gradient[step][0], torch.tensor(numeric).double(), atol=1e-7, rtol=1e-5)


@ALL
def test_steps_continue_each_other(model: Any, spec: Spec, build: Any, inputs: Any) -> None:
    built = build(model, spec, hidden=4, layers=2)
    x = inputs(3, 6, 2)
    states = built.body(x)
    state = built.body.zero_state(x)
    for t, now in enumerate(x.unbind(1)):
        state = built.body.step(now, state, t)
        torch.testing.assert_close(state[-1][0], states[:, t], atol=1e-12, rtol=0)


@ALL
def test_jacobian_of_a_step_can_be_taken(model: Any, spec: Spec, build: Any, inputs: Any) -> None:
    built = build(model, spec, hidden=4)
    x = inputs(1, 2)

    def step(*state: Tensor) -> tuple[Tensor, ...]:
        return built.body.step(x, [state], 0)[0]

    before = tuple(inputs(1, 4, seed=i) for i, _ in enumerate(built.body.cells[0][0].parts))
    jacobian = torch.func.jacrev(step, argnums=tuple(range(len(before))))(*before)
    exact = torch.autograd.functional.jacobian(step, before)
    for got, expected in zip(jacobian, exact, strict=True):
        for block, reference in zip(got, expected, strict=True):
            torch.testing.assert_close(block, reference)


def test_a_bidirectional_stack_has_no_single_step(features_ahead: Spec, build: Any, inputs: Any) -> None:
    stack = build(LSTM, features_ahead, hidden=4, bidirectional=True).body
    with pytest.raises(ValueError, match="bidirectional stack has no single step"):
        stack.step(inputs(1, 3), stack.zero_state(inputs(1, 2, 3)), 0)


@ALL
def test_looking_ahead_must_be_allowed(model: Any, spec: Spec) -> None:
    with pytest.raises(ValueError, match="option bidirectional: expected false, got true"):
        model(spec, bidirectional=True)


@ALL
def test_layers_must_be_positive(model: Any, spec: Spec) -> None:
    with pytest.raises(ValueError, match="option layers: expected at least 1, got 0"):
        model(spec, layers=0)


@ALL
def test_initialisation(model: Any, spec: Spec) -> None:
    kernel = model(spec, hidden=30).body.cells[0][0].kernel
    gates = {RNN: 1, GRU: 3, LSTM: 4}[model]
    for block in kernel.weight_hh_l0.detach().split(30):
        torch.testing.assert_close(block @ block.T, torch.eye(30), atol=1e-5, rtol=0)
    bound = 30**-0.5 if model is RNN else (6 / (30 + 2)) ** 0.5  # uniform in ±1/√n; Xavier
    blocks = kernel.weight_ih_l0.detach().split(30)
    assert len(blocks) == gates
    for block in blocks:
        assert block.abs().max() <= bound
        assert block.abs().max() > 0.9 * bound
    expected = torch.zeros(gates * 30)
    if model is LSTM:
        expected[30:60] = 1.0
    torch.testing.assert_close((kernel.bias_ih_l0 + kernel.bias_hh_l0).detach(), expected)


@pytest.mark.parametrize("model", [GRU, LSTM])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_gates_lie_between_zero_and_one(model: Any, bidirectional: bool, tokens_spec: Spec, build: Any) -> None:
    built = build(model, tokens_spec, hidden=4, layers=2, bidirectional=bidirectional)
    x = built.embedding(torch.ones(2, 7, 2, dtype=torch.long))
    gates = built.pictures(x, Reads(torch.ones(2, 7, dtype=torch.bool)))
    names = {GRU: ("reset", "update"), LSTM: ("input", "forget", "output")}[model]
    suffixes = [".0", ".1"] + ([".0.reverse", ".1.reverse"] if bidirectional else [])
    assert set(gates) == {name + suffix for name in names for suffix in suffixes}
    for gate in gates.values():
        assert gate.shape == (2, 7, 4)
        assert gate.min() > 0
        assert gate.max() < 1


def test_rnn_inputs_may_be_xavier(spec: Spec) -> None:
    weights = RNN(spec, hidden=30, input_init="xavier").body.cells[0][0].kernel.weight_ih_l0.detach()
    assert 30**-0.5 < weights.abs().max() <= (6 / (30 + 2)) ** 0.5
