from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.attention import Attention
from models.base import SequenceModel, count_parameters, trapezoid
from models.gru import GRU
from models.lstm import LSTM
from models.rnn import RNN
from models.transformer import Transformer
from tasks.base import Batch, Features, Reads, Spec
from tests.support.objectives import SquaredError

Build = Callable[..., Any]


@pytest.mark.parametrize(
    ("model", "hidden", "second", "body"),
    [
        (RNN, 125, None, 125 * (2 + 125 + 2)),
        (GRU, 71, None, 3 * 71 * (2 + 71 + 2)),
        (LSTM, 61, None, 4 * 61 * (2 + 61 + 2)),
        (Attention, 50, 52, 4 * 50 * (2 + 50 + 2) + 2 * 50 * 52),
        (Transformer, 24, 111, 24 * 3 + 2 * (4 * 24**2 + 9 * 24 + 2 * 24 * 111 + 112) + 2 * 24),
    ],
)
def test_sizes_at_the_default_budget(
    model: type[SequenceModel], hidden: int, second: int | None, body: int, spec: Spec
) -> None:
    built = model(spec)
    assert built.hidden == hidden
    if second is not None:
        assert built.second_width == second
    assert count_parameters(built.body) == body
    assert not built.notes


@pytest.mark.parametrize("budget", [8_000, 16_000, 70_000])
@pytest.mark.parametrize("width", [1, 16, 28])
def test_body_is_within_two_percent_of_the_budget(
    model_class: type[SequenceModel], budget: int, width: int, spec: Spec
) -> None:
    built = model_class(Spec(Features(width), 5, spec.objective), parameters=budget)
    assert abs(count_parameters(built.body) / budget - 1) <= 0.02


def test_embedding_and_head_stand_outside_the_budget(model_class: type[SequenceModel], tokens_spec: Spec) -> None:
    built = model_class(tokens_spec)
    plain = model_class(Spec(Features(12), 1, tokens_spec.objective))
    assert count_parameters(built.body) == count_parameters(plain.body)
    outside = 9 * 8 + 5 * 4 + (built.head.in_features + 1) * 3
    assert count_parameters(built) == count_parameters(built.body) + outside


def test_hidden_is_taken_as_given(model_class: type[SequenceModel], spec: Spec) -> None:
    built = model_class(spec, hidden=10, parameters=7)
    assert built.hidden == 10
    assert count_parameters(built.body) > 7


def test_second_width_of_a_given_hidden_size(spec: Spec) -> None:
    assert Attention(spec, hidden=10).second_width == 10
    assert Transformer(spec, hidden=10).second_width == 40


def test_budget_below_the_smallest_body_is_refused(model_class: type[SequenceModel], spec: Spec) -> None:
    with pytest.raises(ValueError, match=r"--parameters 3:.* already holds \d+.* --hidden"):
        model_class(spec, parameters=3)


def test_a_count_far_from_the_budget_is_noted(spec: Spec) -> None:
    notes = RNN(spec, parameters=150).notes
    assert notes == ["body holds 140 parameters, not within 2% of 150: hidden size 10 gives 140, 11 gives 165"]


def test_same_seed_same_weights(model_class: type[SequenceModel], spec: Spec, build: Build) -> None:
    first, second, other = (build(model_class, spec, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])
    assert any(not torch.equal(first[name], other[name]) for name in first if name.startswith("body"))


def test_later_inputs_change_no_earlier_answer(model_class: type[SequenceModel], build: Build, inputs: Any) -> None:
    model = build(model_class, Spec(Features(2), 2, SquaredError()))
    x = inputs(3, 12, 2)
    changed = x.clone()
    changed[:, 7:] += 1.0
    read = torch.ones(3, 12, dtype=torch.bool)
    before, after = (model(Batch(z, z, read)).unflatten(0, (3, 12)) for z in (x, changed))
    torch.testing.assert_close(after[:, :7], before[:, :7], atol=1e-13, rtol=0)
    assert ((after[:, 7:] - before[:, 7:]).abs().amax(-1) > 1e-6).all()


def test_reading_some_positions_equals_reading_all(
    model_class: type[SequenceModel], spec: Spec, build: Build, inputs: Any, everywhere: Any
) -> None:
    model = build(model_class, spec)
    x = inputs(3, 12, 2)
    full = model(Batch(x, x, everywhere(3, 12))).unflatten(0, (3, 12))
    for start, stop in ((11, 12), (8, 12), (4, 9), (0, 12), (0, 1), (5, 6)):
        read = torch.zeros(3, 12, dtype=torch.bool)
        read[:, start:stop] = True
        torch.testing.assert_close(model(Batch(x, x, read)), full[read], atol=1e-12, rtol=0)
    ragged = torch.rand(3, 12, generator=torch.Generator().manual_seed(0)) > 0.6
    torch.testing.assert_close(model(Batch(x, x, ragged)), full[ragged], atol=1e-12, rtol=0)


@pytest.mark.parametrize("last", [True, False])
def test_unrolled_equals_encode(
    model_class: type[SequenceModel], last: bool, spec: Spec, build: Build, inputs: Any, assert_same: Any
) -> None:
    model = build(model_class, spec)
    read = torch.zeros(3, 11, dtype=torch.bool)
    read[:, -1 if last else slice(2, None)] = True
    x = inputs(3, 11, 2)
    assert_same(model, x, lambda z: model.encode(z, Reads(read)), lambda z: model.states(z, Reads(read))[0])


def test_every_state_is_a_node_of_the_graph(
    model_class: type[SequenceModel], spec: Spec, build: Build, inputs: Any
) -> None:
    model = build(model_class, spec)
    read = torch.zeros(2, 9, dtype=torch.bool)
    read[:, -1] = True
    features, states = model.states(inputs(2, 9, 2), Reads(read))
    assert states
    for name, values in states.items():
        if isinstance(values, Tensor):
            assert values.shape[:2] == (2, 9)
            gradients = torch.autograd.grad(features.sum(), values, retain_graph=True)[0].unbind(1)
        else:
            assert len(values) == 9
            gradients = torch.autograd.grad(features.sum(), values, retain_graph=True)
        assert gradients[-1].abs().max() > 0, name
        # a context reaches no later step; every other state reaches all of them
        assert all((g.abs().max() > 0) == (name != "context") for g in gradients[:-1]), name


def test_state_sizes(spec: Spec, features_ahead: Spec) -> None:
    sizes = [m(spec, hidden=10).state_size(100) for m in (RNN, GRU, LSTM, Attention, Transformer)]
    assert sizes == [10, 10, 20, 10 * 100 + 20, 2 * 10 * 100 * 2]
    assert LSTM(features_ahead, hidden=10, layers=3, bidirectional=True).state_size(5) == 2 * 10 * 3 * 2


class Mean(SequenceModel):
    """A user's model: nothing but `encode`."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)
        self.assemble(lambda hidden: nn.Linear(self.width, hidden), lambda body: body.out_features)

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.body(x).cumsum(1), reads)


def test_a_model_without_states_shows_none(spec: Spec, everywhere: Any) -> None:
    model = Mean(spec, hidden=4)
    x, reads = torch.rand(2, 5, 2), everywhere(2, 5)
    features, states = model.states(x, reads)
    assert torch.equal(features, model.encode(x, reads))
    assert not states
    assert not model.pictures(x, reads)
    assert model.recurrence is None
    assert model.state_size(5) is None


@pytest.mark.parametrize("name", ["unrolled", "gates", "attention_weights", "stepper", "carried"])
def test_a_method_of_the_first_models_is_refused_with_the_new_form(name: str) -> None:
    with pytest.raises(TypeError, match=rf"Old\.{name} would never be called: .* by (states|pictures|recurrence)"):
        type("Old", (Mean,), {name: lambda self, x: x})


class Wide(SequenceModel):
    """A body whose width is a multiple of six."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)
        self.assemble(lambda hidden: nn.Linear(self.width, hidden), lambda body: body.out_features, multiple=6)

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.body(x), reads)


def test_a_hidden_size_may_have_to_be_a_multiple(spec: Spec) -> None:
    sizes = {budget: Wide(spec, parameters=budget).hidden for budget in (18, 26, 28, 999, 1000, 16_000)}
    assert sizes == {18: 6, 26: 6, 28: 12, 999: 330, 1000: 336, 16_000: 5334}
    assert Wide(spec, hidden=12).hidden == 12
    assert Wide(spec, parameters=26).notes == [
        "body holds 18 parameters, not within 2% of 26: hidden size 6 gives 18, 12 gives 36"
    ]
    with pytest.raises(ValueError, match=r"Wide expects a hidden size that is a multiple of 6, got --hidden 13. Give "):
        Wide(spec, hidden=13)
    with pytest.raises(ValueError, match=r"--parameters 5:.* already holds 18"):
        Wide(spec, parameters=5)


def test_pick(spec: Spec) -> None:
    model = Mean(spec, hidden=4)
    states = torch.rand(2, 5, 3)
    ragged = torch.tensor([[0, 0, 1, 0, 0], [0, 1, 0, 1, 0]], dtype=torch.bool)
    assert torch.equal(model.pick(states, Reads(ragged)), states[ragged])
    assert torch.equal(model.pick(states[:, 1:4], Reads(ragged)), states[ragged])
    last = torch.zeros(2, 5, dtype=torch.bool)
    last[:, -1] = True
    assert torch.equal(model.pick(states, Reads(last)), states[:, -1])
    none = torch.zeros(2, 5, dtype=torch.bool)
    assert model.pick(states, Reads(none)).shape == (0, 3)


def test_a_mask_first_seen_in_an_evaluation_serves_training(model_class: type[SequenceModel], spec: Spec) -> None:
    model = model_class(spec, hidden=4)
    x = torch.rand(2, 7, 2)
    ragged = torch.tensor([[0, 0, 0, 1, 0, 0, 1], [0, 0, 1, 0, 1, 0, 0]], dtype=torch.bool)
    with torch.inference_mode():
        model(Batch(x, x, ragged))
    model(Batch(x, x, ragged)).sum().backward()
    assert model.head.weight.grad is not None


def test_present_tells_padding_from_embedded_tokens(tokens_spec: Spec, features_ahead: Spec, spec: Spec) -> None:
    ids = torch.tensor([[[1, 2], [0, 3], [4, 0], [0, 0]], [[8, 4], [0, 0], [0, 0], [0, 0]]])
    model = RNN(tokens_spec, hidden=4)
    expected = torch.tensor([[True, True, True, False], [True, False, False, False]])
    assert torch.equal(model.present(model.embedding(ids)), expected)
    doubled = model.double()
    assert torch.equal(doubled.present(doubled.embedding(ids)), expected)
    assert RNN(features_ahead, hidden=4).present(torch.zeros(2, 3, 3)).all()
    assert RNN(spec, hidden=4).present(torch.zeros(2, 3, 2)) is None


def test_the_trapezoid_rises_stays_and_falls() -> None:
    rates = [trapezoid(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10:51] == [1.0] * 41
    assert rates[50:] == pytest.approx([(100 - step) / 50 for step in range(50, 100)])
    assert trapezoid(12_345, -1) == 1.0
    assert all(0 < trapezoid(step, steps) <= 1 for steps in (1, 2, 3) for step in range(steps))


def test_the_head_starts_at_the_frequencies_that_a_task_tells(model_class: type[SequenceModel]) -> None:
    prior = torch.tensor([0.86, 0.1, 0.04]).log()
    told = model_class(Spec(Features(2), 3, SquaredError(), prior=prior))
    assert torch.equal(told.head.bias.detach(), prior)
    untold = model_class(Spec(Features(2), 3, SquaredError()))
    assert untold.head.bias.abs().max() <= untold.head.in_features**-0.5
