from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import SequenceModel
from models.gru import GRU
from models.lem import LEM
from models.lstm import LSTM
from models.rnn import RNN
from tasks.base import Reads, Spec

EACH = pytest.mark.parametrize("model_class", [RNN, GRU, LSTM, LEM])


def stepped(cell: Any, x: Tensor, delay: int, period: int) -> Tensor:
    """All steps of a layer, each from the state `delay` steps before, moving at multiples of `period` only."""
    first = cell.zero_state(x)
    states = [first] * delay
    for t, drive in enumerate(cell.drive(x, 0).unbind(1)):
        states.append(cell.step(drive, states[-delay]) if t % period == 0 else states[-1])
    return torch.stack([state[0] for state in states[delay:]], dim=1)


@EACH
def test_dilated_layers_are_their_equations(
    model_class: type[SequenceModel], spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(model_class, spec, hidden=4, layers=2, dilation=(1, 3))
    (low,), (high,) = model.body.cells
    for time in (2, 3, 10):
        reads = everywhere(2, time)

        def written_out(z: Tensor) -> Tensor:
            return stepped(high.inner, stepped(low, z, 1, 1), 3, 1).flatten(0, 1)

        x = inputs(2, time, 2)
        if time < 10:  # no recurrent product of the upper layer yet: its weights' gradient is rightly zero
            torch.testing.assert_close(model.encode(x, reads), written_out(x))
            continue
        for way in (lambda z, r=reads: model.encode(z, r), lambda z, r=reads: model.states(z, r)[0]):
            assert_same(model, x, written_out, way)


@EACH
def test_an_upper_layer_ticks_slower(
    model_class: type[SequenceModel], spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    model = build(model_class, spec, hidden=4, layers=3, hierarchy=2)
    low, middle, high = (cells[0] for cells in model.body.cells)
    reads = everywhere(2, 14)

    def written_out(z: Tensor) -> Tensor:
        return stepped(high.inner, stepped(middle.inner, stepped(low, z, 1, 1), 1, 2), 1, 4).flatten(0, 1)

    assert_same(model, inputs(2, 14, 2), written_out, lambda z: model.encode(z, reads))


@EACH
def test_residual_and_norm_are_their_equations(
    model_class: type[SequenceModel], spec: Spec, build: Any, inputs: Any, everywhere: Any, assert_same: Any
) -> None:
    """u^l = u^{l−1} + LN(h^l) from the second layer on."""
    model = build(model_class, spec, hidden=4, layers=3, residual=True, norm="layer")
    reads = everywhere(2, 7)

    def normed(depth: int, h: Tensor) -> Tensor:
        norm = model.body.norms[depth]
        centred = h - h.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias

    def written_out(z: Tensor) -> Tensor:
        low, middle, high = (cells[0] for cells in model.body.cells)
        u = normed(0, stepped(low, z, 1, 1))
        u = u + normed(1, stepped(middle, u, 1, 1))
        return (u + normed(2, stepped(high, u, 1, 1))).flatten(0, 1)

    for way in (lambda z: model.encode(z, reads), lambda z: model.states(z, reads)[0]):
        assert_same(model, inputs(2, 7, 2), written_out, way)


@EACH
@pytest.mark.parametrize("dilation", [None, (2,)])
def test_a_learned_beginning_is_read_and_gets_a_gradient(
    model_class: type[SequenceModel], dilation: Any, spec: Spec, build: Any, inputs: Any, everywhere: Any
) -> None:
    model = build(model_class, spec, hidden=4, initial_state="learned", dilation=dilation)
    (cell,) = model.body.cells[0]
    reads = everywhere(2, 9)
    assert all((part == 0).all() for part in cell.initial)
    plain = model.encode(inputs(2, 9, 2), reads)
    with torch.no_grad():
        for number, part in enumerate(cell.initial):
            part.copy_(inputs(*part.shape, seed=number))
    moved = model.encode(inputs(2, 9, 2), reads)
    assert not torch.allclose(plain, moved)
    gradients = torch.autograd.grad(moved.square().sum(), list(cell.initial))
    assert all(g.abs().max() > 0 for g in gradients)
    torch.testing.assert_close(model.states(inputs(2, 9, 2), reads)[0], moved)


def gradients_at(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Of the last answer: with respect to the states, and to the inputs, the norm at each step, the last first."""
    read = torch.zeros(x.shape[:2], dtype=torch.bool)
    read[:, -1] = True
    x = x.requires_grad_()
    features, series = model.states(x, Reads(read))
    states = next(iter(series.values()))
    *of_states, of_x = torch.autograd.grad(features.sum(), [*states, x])
    return torch.stack([g.norm() for g in of_states]).flip(0), of_x.norm(dim=(0, 2)).flip(0)


@EACH
def test_a_dilated_layer_sees_nothing_between(
    model_class: type[SequenceModel], spec: Spec, build: Any, inputs: Any
) -> None:
    """One layer: exactly 0 off multiples of d, of states and of inputs; with 1+2 nowhere 0."""
    model = build(model_class, spec, hidden=4, dilation=(3,))
    for norms in gradients_at(model, inputs(2, 13, 2)):
        assert ((norms != 0) == (torch.arange(13) % 3 == 0)).all()
    model = build(model_class, spec, hidden=4, layers=2, dilation=(1, 2))
    for norms in gradients_at(model, inputs(2, 13, 2)):
        assert (norms != 0).all()


def test_a_lone_dilation_is_worth_a_warning(spec: Spec) -> None:
    assert any("multiples of 3 steps" in note for note in GRU(spec, dilation=(3,)).notes)
    assert not any("dilation" in note for note in GRU(spec, layers=2, dilation=(1, 3)).notes)


def test_dropout_lies_between_layers_and_acts_in_training_only(spec: Spec, build: Any, inputs: Any) -> None:
    model = build(GRU, spec, hidden=4, layers=2, dropout=0.5)
    x = inputs(2, 7, 2)
    drawn = [model.train().body.run(x)[0] for _ in range(2)]
    assert not torch.equal(*drawn)
    fixed = [model.eval().body.run(x)[0] for _ in range(2)]
    assert torch.equal(*fixed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 0}, "option layers: expected at least 1, got 0"),
        ({"bidirectional": True}, "option bidirectional: expected false, got true"),
        ({"residual": True}, "option residual: it lies between layers, and there is one"),
        ({"dropout": 0.1}, "option dropout: it lies between layers, and there is one"),
        ({"dropout": 1.0, "layers": 2}, "option dropout: expected at least 0 and below 1, got 1"),
        ({"hierarchy": 2}, "option hierarchy: it lies between layers, and there is one"),
        ({"hierarchy": 0, "layers": 2}, "option hierarchy: expected at least 1, got 0"),
        ({"dilation": (1, 2)}, r"one number from 1 on for each of 1 layers, got 1\+2. Give layers=2 as well"),
        ({"dilation": (0,)}, "option dilation: expected one number from 1 on"),
        ({"norm": "batch"}, "option norm: expected one of none, layer, got 'batch'"),
        ({"initial_state": "one"}, "option initial_state: expected one of zero, learned, got 'one'"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str, spec: Spec) -> None:
    with pytest.raises(ValueError, match=message):
        GRU(spec, **options)
