"""Hand-written kernels, some steps at a time."""

from __future__ import annotations

import pytest
import torch

from models.gru import GRU
from models.parts import kernels
from models.rnn import RNN
from tasks.copying import Copying
from tasks.running_average import RunningAverage


@pytest.mark.parametrize("model", [RNN, GRU])
@pytest.mark.parametrize("piece", [1, 7, 39, 40])
def test_pieces_are_the_whole(model: type[RNN | GRU], piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    task = RunningAverage(40)
    built = model(task.spec, hidden=11)
    batch = task.probe_batch(5)
    whole = built(batch)  # with gradients: all steps at once
    monkeypatch.setattr(kernels, "PIECE", piece)
    calls: list[int] = []
    monkeypatch.setattr(
        torch, "cat", lambda parts, cat=torch.cat, **of: (calls.append(len(parts)), cat(parts, **of))[1]
    )
    with torch.no_grad():
        torch.testing.assert_close(built(batch), whole, rtol=0.0, atol=1e-6)
    assert (-(-40 // piece) in calls) == (piece < 40), "it did run in pieces"


@pytest.mark.parametrize("model", [RNN, GRU])
def test_a_held_out_batch_of_1000_steps_keeps_its_bits(model: type[RNN | GRU]) -> None:
    """A product of few rows may be rounded in another order; those of a default cell are not."""
    torch.manual_seed(0)
    task = Copying(1000)
    built = model(task.spec)
    batch = task.held_out("test")[0]
    whole = built(batch)
    with torch.no_grad():
        assert torch.equal(built(batch), whole)
