from __future__ import annotations

import pytest
import torch

from bench.probes import unrolled
from models.lstm import LSTM
from models.rnn import RNN
from models.transformer import Transformer
from tasks.adding import Adding
from tasks.running_average import RunningAverage, leaky_sum


def recurrent(model: torch.nn.Module) -> torch.nn.Parameter:
    return next(parameter for name, parameter in model.named_parameters() if "weight_hh" in name)


@pytest.mark.parametrize("kind", [RNN, LSTM])
@pytest.mark.parametrize("task", [Adding(6, batch_size=3), RunningAverage(6, batch_size=3)])
def test_gradients_of_the_copies_add_up_to_that_of_the_tied_parameter(kind, task):
    model = kind(task.spec, hidden=5).double()
    batch = task.training_batch(0).double()
    weight = recurrent(model)
    each = unrolled.copies(model, batch, weight)
    (tied,) = torch.autograd.grad(task.spec.objective.loss(model(batch), batch), weight)
    assert each.shape == (6, weight.numel())
    torch.testing.assert_close(each.sum(0), tied.flatten(), rtol=1e-10, atol=1e-14)
    assert each[0].norm() == 0  # h_0 = 0
    assert (each[1:].norm(dim=1) > 0).all()


def test_influence_through_a_scaled_rotation_is_a_power():
    task = Adding(9)
    model = RNN(task.spec, hidden=5, activation="identity", recurrent_scale=0.8)
    (width,) = (p for name, p in model.named_parameters() if "weight_ih" in name)
    found = unrolled.influence(model, task.probe_batch(4))
    expected = width.detach().double().norm() * 0.8 ** torch.arange(9.0, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_influence_is_the_norm_of_the_jacobian_of_a_gated_network():
    task = Adding(4)
    model = LSTM(task.spec, hidden=3)
    batch = task.probe_batch(1)
    found = unrolled.influence(model, batch)
    model.double()
    x = model.embedding(batch.inputs.double())

    def last(first: torch.Tensor) -> torch.Tensor:
        return model.recurrence.run(torch.cat([first[None, None], x[:, 1:]], dim=1))[0][0]

    jacobian = torch.autograd.functional.jacobian(last, x[0, 0])
    torch.testing.assert_close(found, jacobian.flatten(1).norm(dim=1))


def test_an_impulse_into_a_leaky_sum_fades_as_a_power():
    found = unrolled.impulse(lambda x: leaky_sum(x[..., 0], 0.5)[..., None], 6)
    torch.testing.assert_close(found[:, 0], 0.5 ** torch.arange(6.0))


def test_answers_of_a_model_come_step_by_step():
    task = RunningAverage(5)
    model = RNN(task.spec, hidden=4)
    inputs = torch.randn(2, 5, 1)
    found = unrolled.answers(model, inputs)
    assert found.shape == (2, 5, 1)
    torch.testing.assert_close(found[:, :3], unrolled.answers(model, inputs[:, :3]))


def test_what_carries_no_state_and_another_parameter_are_refused():
    task = Adding(4)
    batch = task.training_batch(0)
    stateless = Transformer(task.spec, hidden=8)
    with pytest.raises(ValueError, match="Transformer carries no state"):
        unrolled.influence(stateless, batch)
    model = RNN(task.spec, hidden=3)
    with pytest.raises(ValueError, match="RNN: expected a parameter of its recurrence"):
        unrolled.copies(model, batch, model.head.weight)
