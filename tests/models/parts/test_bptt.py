"""Truncated back-propagation: the state carried on, the gradient cut."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bench.records.job import Surroundings
from bench.trial import build as build_module
from bench.trial import trial
from models.attention import Attention
from models.base import recurrence
from models.gru import GRU
from models.lstm import LSTM
from models.rnn import RNN
from models.transformer import Transformer
from tasks.base import Batch, Features, Reads, Spec
from tests.support.jobs import a_job, but_for_time
from tests.support.objectives import SquaredError

MODELS = [(RNN, {}), (RNN, {"activation": "identity"}), (GRU, {}), (GRU, {"reset": "before"}), (LSTM, {})]
ALL = pytest.mark.parametrize(("model", "options"), MODELS, ids=lambda value: getattr(value, "__name__", str(value)))
LAYERS = pytest.mark.parametrize("layers", [1, 2])


@pytest.fixture
def spec() -> Spec:
    return Spec(Features(2), 1, SquaredError())


def reading(time: int, start: int, stop: int) -> Tensor:
    read = torch.zeros(3, time, dtype=torch.bool)
    read[:, start:stop] = True
    return read


SPANS = pytest.mark.parametrize("span", [(0, 23), (22, 23), (3, 9), (11, 20)])


@ALL
@LAYERS
@SPANS
@pytest.mark.parametrize("stretch", [1, 5, 22, 23, 40])
def test_outputs_are_those_of_the_whole(
    model: Any, options: Any, layers: int, span: tuple[int, int], stretch: int, spec: Spec, build: Any, inputs: Any
) -> None:
    """To 1e-12 in float64: a matrix product over fewer rows may round otherwise."""
    whole = build(model, spec, hidden=5, layers=layers, **options)
    cut = build(model, spec, hidden=5, layers=layers, **options)
    build_module.truncate(cut, stretch)
    x, read = inputs(3, 23, 2), reading(23, *span)
    torch.testing.assert_close(cut.encode(x, Reads(read)), whole.encode(x, Reads(read)), atol=1e-12, rtol=0)


@ALL
@LAYERS
def test_evaluation_runs_in_stretches(
    model: Any, options: Any, layers: int, spec: Spec, build: Any, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build(model, spec, hidden=5, layers=layers, **options)
    x, read = inputs(3, 23, 2), reading(23, 4, 20)
    whole = built.encode(x, Reads(read))
    longest = []
    step = type(built.body.cells[0][0]).run

    def seen(self: Any, part: Tensor, state: Any = None, start: int = 0) -> Any:
        longest.append((start, part.size(1)))
        return step(self, part, state, start)

    monkeypatch.setattr(type(built.body.cells[0][0]), "run", seen)
    monkeypatch.setattr(recurrence, "STRETCH", 7)
    with torch.no_grad():
        torch.testing.assert_close(built.encode(x, Reads(read)), whole.detach(), atol=1e-12, rtol=0)
    assert sorted(set(longest)) == [(0, 6), (6, 7), (13, 7)]
    longest.clear()
    built.encode(x, Reads(read))
    assert longest == [(0, 23)] * layers, "with gradients it runs whole, unless it is told otherwise"


@ALL
@LAYERS
def test_the_gradient_reaches_so_far_and_no_further(
    model: Any, options: Any, layers: int, spec: Spec, build: Any, inputs: Any
) -> None:
    built = build(model, spec, hidden=5, layers=layers, **options)
    build_module.truncate(built, 4)
    read = reading(23, 22, 23)
    x = inputs(3, 23, 2)
    cut, whole = x.clone().requires_grad_(), x.clone().requires_grad_()
    built.encode(cut, Reads(read)).sum().backward()
    built.body.stretch = None
    built.encode(whole, Reads(read)).sum().backward()
    assert cut.grad is not None
    assert whole.grad is not None
    assert bool((cut.grad[:, :19] == 0).all())
    assert bool((whole.grad[:, :19] != 0).any())
    torch.testing.assert_close(cut.grad[:, 19:], whole.grad[:, 19:], atol=1e-12, rtol=0)


@ALL
@LAYERS
def test_gradients_of_the_weights_are_those_of_a_graph_that_is_cut(
    model: Any, options: Any, layers: int, spec: Spec, build: Any, inputs: Any
) -> None:
    """The reference: step by step, each state that crosses a cut detached."""
    built = build(model, spec, hidden=5, layers=layers, **options)
    x, stretch, time = inputs(3, 11, 2), 4, 11
    parameters = list(built.body.parameters())
    state = built.body.zero_state(x)
    states = []
    for t in range(time):
        if (time - t) % stretch == 0:
            state = [tuple(part.detach() for part in layer) for layer in state]
        state = built.body.step(x[:, t], state, t)
        states.append(state[-1][0])
    features = torch.stack(states, dim=1).flatten(0, 1)
    weight = torch.randn(features.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.autograd.grad((features * weight).sum(), parameters, materialize_grads=True)
    build_module.truncate(built, stretch)
    got = torch.autograd.grad(
        (built.encode(x, Reads(reading(time, 0, time))) * weight).sum(), parameters, materialize_grads=True
    )
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)
    built.body.stretch = None
    whole = torch.autograd.grad((built.body(x).flatten(0, 1) * weight).sum(), parameters)
    assert not all(torch.allclose(one, other) for one, other in zip(whole, expected, strict=True))


@ALL
def test_a_given_state_has_its_gradient(model: Any, options: Any, spec: Spec, build: Any, inputs: Any) -> None:
    """Where nothing is cut, two stretches are one sequence, gradients included."""
    built = build(model, spec, hidden=5, **options)
    cell = built.body.cells[0][0]
    x = inputs(3, 9, 2)
    parameters = list(cell.parameters())
    first, state = cell.run(x[:, :4], cell.zero_state(x))
    second, _ = cell.run(x[:, 4:], state, 4)
    together = torch.cat([first, second], dim=1)
    torch.testing.assert_close(together, cell.run(x)[0], atol=1e-12, rtol=0)
    weight = torch.arange(1.0, together.numel() + 1, dtype=torch.float64).view_as(together).cos()
    got = torch.autograd.grad((together * weight).sum(), parameters)
    expected = torch.autograd.grad((cell.run(x)[0] * weight).sum(), parameters)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)


@ALL
@LAYERS
def test_going_on_from_a_carried_state(
    model: Any, options: Any, layers: int, spec: Spec, build: Any, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurrence, "STRETCH", 4)
    built = build(model, spec, hidden=5, layers=layers, **options)
    x, read = inputs(3, 13, 2), reading(13, 11, 13)
    features, series = built.states(x, Reads(read))
    went_on, after = built.states(x[:, 9:], Reads(read[:, 9:]), built.recurrence.after(x[:, :9]))
    torch.testing.assert_close(went_on, features, atol=1e-12, rtol=0)
    for name, states in after.items():
        torch.testing.assert_close(torch.stack(states), torch.stack(series[name][9:]), atol=1e-12, rtol=0)


def test_padding_on_the_right_and_tokens(tokens_spec: Spec, build: Any) -> None:
    built = build(LSTM, tokens_spec, hidden=5)
    inputs = torch.randint(1, 5, (3, 12, 2), generator=torch.Generator().manual_seed(0))
    inputs[1, 8:] = 0
    read = inputs.any(-1)
    whole = built(Batch(inputs, inputs, read))
    build_module.truncate(built, 5)
    cut = built(Batch(inputs, inputs, read))
    torch.testing.assert_close(cut, whole, atol=1e-12, rtol=0)
    cut.sum().backward()
    assert all(bool(table.grad.any()) for table in built.embedding.parameters())


# -- who can ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [Attention, Transformer])
def test_a_model_without_a_carried_state_refuses(model: Any, spec: Spec) -> None:
    with pytest.raises(ValueError, match=rf"--bptt 7 .* {model.__name__} does not. Leave --bptt out"):
        build_module.truncate(model(spec, hidden=4), 7)
    assert model(spec, hidden=4).recurrence is None


@pytest.mark.parametrize("model", [RNN, GRU, LSTM])
def test_both_directions_refuse(model: Any, features_ahead: Spec) -> None:
    built = model(features_ahead, hidden=4, bidirectional=True)
    with pytest.raises(ValueError, match="one direction"):
        build_module.truncate(built, 7)
    assert built.recurrence is None


def test_a_cell_that_cannot_be_is_found_before_training() -> None:
    jobs = [a_job(model, bptt=4) for model in ("lstm", "attention", "transformer")]
    faults = build_module.check(jobs)
    assert len(faults) == 2
    assert all("--bptt 4" in fault for fault in faults)


# -- a cell -----------------------------------------------------------------------------------------------------------


def test_a_cell_trains_so_and_its_recipe_says_it() -> None:
    whole, cut = a_job("gru", length=20), a_job("gru", length=20, bptt=5)
    assert whole[0].key != cut[0].key
    assert cut[0].recipe.bptt == 5
    results = [trial.run(job, Surroundings()).result for job in (whole, cut)]
    assert [result.status for result in results] == ["ok", "ok"]
    assert results[0].curves.train_loss[0] == results[1].curves.train_loss[0]
    assert results[0].curves.gradient_norm != results[1].curves.gradient_norm


def test_a_cut_beyond_the_sequence_cuts_nothing() -> None:
    one, two = (trial.run(a_job("lstm", length=20, bptt=bptt), Surroundings()) for bptt in (None, 20))
    changed = but_for_time(two.result) | {"cell": but_for_time(one.result)["cell"]}
    assert changed == but_for_time(one.result)
    assert one.weights == two.weights
