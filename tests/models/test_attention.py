from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from models.attention import Attention
from models.base import count_parameters
from models.lstm import LSTM
from tasks.base import Reads, Spec


def equations(model: Attention, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """a_t, c_t and α of the docstring, one query and one key at a time."""
    w = model.body.combine.weight
    vectors, contexts, rows = [], [], []
    for t in range(states.size(1)):
        h = states[:, t]
        scores = torch.stack([(h * states[:, s]).sum(-1) for s in range(t + 1)], dim=-1)
        weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
        c = sum(weights[:, s, None] * states[:, s] for s in range(t + 1))
        vectors.append(torch.tanh(torch.cat([c, h], dim=-1) @ w.T))
        contexts.append(c)
        rows.append(torch.nn.functional.pad(weights, (0, states.size(1) - t - 1)))
    return torch.stack(vectors, dim=1), torch.stack(contexts, dim=1), torch.stack(rows, dim=1)


def test_equals_its_equations(spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any) -> None:
    model = build(Attention, spec, hidden=6)
    reads = everywhere(3, 9)

    def written_out(z: Tensor) -> Tensor:
        return equations(model, model.body.encoder(z))[0].flatten(0, 1)

    assert_same(model, inputs(3, 9, 2), written_out, lambda z: model.encode(z, reads))


def test_encoder_is_the_lstm(spec: Spec, build: Any, inputs: Any, everywhere: Any) -> None:
    model = build(Attention, spec, hidden=6, layers=2)
    lstm = LSTM(spec, hidden=6, layers=2).double()
    lstm.body.load_state_dict(model.body.encoder.state_dict())
    x = inputs(3, 9, 2)
    torch.testing.assert_close(model.body.encoder(x).flatten(0, 1), lstm.encode(x, everywhere(3, 9)))


def test_states_of_the_unroll(spec: Spec, build: Any, inputs: Any) -> None:
    model = build(Attention, spec, hidden=6)
    x = inputs(3, 9, 2)
    read = torch.zeros(3, 9, dtype=torch.bool)
    read[:, -1] = True
    _, states = model.states(x, Reads(read))
    _, context, _ = equations(model, model.body.encoder(x))
    assert set(states) == {"hidden", "cell", "context"}
    torch.testing.assert_close(states["context"][:, -1], context[:, -1])
    assert not states["context"][:, :-1].any()  # no query is asked there


@pytest.mark.parametrize("span", [(0, 9), (8, 9), (3, 7)])
def test_weights_are_those_of_the_equations(span: tuple[int, int], spec: Spec, build: Any, inputs: Any) -> None:
    model = build(Attention, spec, hidden=6)
    x = inputs(3, 9, 2)
    read = torch.zeros(3, 9, dtype=torch.bool)
    read[:, slice(*span)] = True
    (weights,) = model.pictures(x, Reads(read))["attention"].unbind(1)
    assert weights.shape == (3, span[1] - span[0], 9)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, span[1] - span[0]).double())
    for row, t in enumerate(range(*span)):
        assert (weights[:, row, t + 1 :] == 0).all()
        assert (weights[:, row, : t + 1] > 0).all()
    torch.testing.assert_close(weights, equations(model, model.body.encoder(x))[2][:, slice(*span)])


def test_single_precision_equals_double(spec: Spec, build: Any, inputs: Any, everywhere: Any) -> None:
    model = build(Attention, spec)
    x, reads = inputs(2, 40, 2), everywhere(2, 40)
    exact = model.encode(x, reads)
    torch.testing.assert_close(model.float().encode(x.float(), reads).double(), exact, atol=1e-5, rtol=0)


@pytest.mark.parametrize("layers", [1, 2])
def test_hidden_is_the_largest_that_fits(layers: int, spec: Spec) -> None:
    model = Attention(spec, layers=layers)

    def count(hidden: int) -> int:
        return count_parameters(Attention(spec, layers=layers, hidden=hidden).body)

    assert count(model.hidden) <= 16_000 < count(model.hidden + 1)
    assert abs(count_parameters(model.body) - 16_000) <= model.hidden  # half of one attention unit's 2n numbers
