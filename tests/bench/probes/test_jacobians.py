"""Jacobians and the Lyapunov spectrum against known answers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from bench.probes.jacobians import ALONG, SEQUENCES, measure, step_jacobians
from bench.probes.probing import as_probe, embedded
from models.lstm import LSTM
from models.rnn import RNN
from tasks.running_average import RunningAverage

TIME = 60


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.5])
def test_a_scaled_orthogonal_recurrence_has_one_exponent(scale: float) -> None:
    """∂h_t/∂h_{t−1} = s Q: every exponent is ln s, every singular value s, whatever the sequence."""
    task = RunningAverage(TIME)
    model = RNN(task.spec, hidden=5, activation="identity")
    nn.init.orthogonal_(model.body.layers[0][0].kernel.weight_hh_l0, gain=scale)
    found = measure(model, task.probe_batch(3))
    assert found is not None
    assert found.lyapunov == pytest.approx([math.log(scale)] * 5, abs=1e-6)
    assert found.error == pytest.approx([0.0] * 5, abs=1e-12)
    for values in (found.lowest, found.median, found.highest):
        assert values == pytest.approx([scale] * len(found.steps), rel=1e-6)


def test_the_exponents_add_up_to_the_logarithm_of_the_determinant() -> None:
    """Σ λ_i = mean of ln |det J_t| over the steps that count, at any finite time, because |det Q| = 1."""
    torch.manual_seed(1)
    task = RunningAverage(TIME)
    model = LSTM(task.spec, hidden=4)
    batch = task.probe_batch(3)
    found = measure(model, batch)
    assert found is not None
    logs = []
    with as_probe(model):
        recurrence = model.recurrence
        assert recurrence is not None
        x = embedded(model, batch.inputs)
        state = recurrence.zero_state(x)
        for t, x_t in enumerate(x.unbind(1)):
            flat = torch.cat([part for layer in state for part in layer], dim=1)
            logs.append(step_jacobians(recurrence, x_t[None], flat[None], state, t)[0].det().abs().log())
            state = recurrence.step(x_t, state, t)
    counted = torch.stack(logs)[TIME // 10 // 4 * 4 :]
    assert sum(found.lyapunov) == pytest.approx(float(counted.mean()), rel=1e-9)


def test_the_error_is_that_of_the_mean_over_sequences() -> None:
    torch.manual_seed(2)
    task = RunningAverage(TIME)
    model = RNN(task.spec, hidden=3)
    with torch.no_grad():  # units that do not see each other, far apart: the same order in every sequence
        model.body.layers[0][0].kernel.weight_hh_l0.copy_(torch.diag(torch.tensor([0.9, 0.3, 0.1])))
    batch = task.probe_batch(SEQUENCES)
    found = measure(model, batch)
    alone = [measure(model, batch.select(slice(number, number + 1))) for number in range(SEQUENCES)]
    assert found is not None
    spectra = torch.tensor([one.lyapunov for one in alone if one is not None])
    assert found.lyapunov == pytest.approx(spectra.mean(0).tolist())
    assert found.error == pytest.approx((spectra.std(0) / SEQUENCES**0.5).tolist(), rel=1e-4)
    assert [one.error for one in alone if one is not None] == [[]] * SEQUENCES


def test_of_long_sequences_the_last_steps_are_looked_at() -> None:
    task = RunningAverage(ALONG + 50)
    found = measure(RNN(task.spec, hidden=3), task.probe_batch(2))
    assert found is not None
    assert (found.steps[0], found.steps[-1]) == (50, ALONG + 49)
