"""A layer with a clock is right wherever a sequence is cut: it counts from the sequence's first step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.probes import agreement, flow, jacobians, probing
from bench.records.job import Checkpointing, Surroundings
from bench.trial import build as build_module
from bench.trial import trial
from models.base import SequenceModel, recurrence
from models.parts.recurrent import Layout, Stack
from tasks.base import Spec, Task
from tasks.running_average import RunningAverage
from tests.support import model_contract as contract
from tests.support.clockwork import Clockwork, Losing, Stopped, Ticking
from tests.support.models import seeded
from tests.support.resumption import a_long_job, here, killed_at, same

CLOCKWORK = "tests.support.clockwork:Clockwork"


def clockwork(task: Task, layer: Any = Ticking, **options: Any) -> Any:
    """In float64, its layers of the given kind."""
    built: Any = seeded(lambda: Clockwork(task.spec, hidden=8, **options)).double()
    for (cell,) in built.body.cells:
        cell.__class__ = layer
    return built


def written_out(model: Any, x: Tensor, cut: int | None = None) -> Tensor:
    """The equation, unit by unit and step by step (batch, time, hidden); the gradient cut every so many steps, from the
    last step back."""
    for (cell,) in model.body.cells:
        h = x.new_zeros(len(x), model.hidden)
        states = []
        for t in range(x.size(1)):
            if cut is not None and (x.size(1) - t) % cut == 0:
                h = h.detach()
            new = torch.tanh(cell.inputs(x[:, t]) + cell.recurrent(h))
            units = [new[:, i] if t % int(cell.periods[i]) == 0 else h[:, i] for i in range(model.hidden)]
            h = torch.stack(units, dim=1)
            states.append(h)
        x = torch.stack(states, dim=1)
    return x


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("length", [2000, 2003])
def test_evaluation_in_stretches(length: int, layers: int) -> None:
    task = RunningAverage(length)
    model, wrong = clockwork(task, layers=layers), clockwork(task, Stopped, layers=layers)
    batch = task.probe_batch(1)
    x = agreement.embedded(model, batch)
    assert length > recurrence.STRETCH
    with torch.no_grad():
        expected = model.pick(written_out(model, x), batch.reads)
        torch.testing.assert_close(model.encode(x, batch.reads), expected, atol=1e-11, rtol=0)
        off = (wrong.encode(x, batch.reads) - expected).abs().max()
    assert (off > 1e-3) == (length % 8 > 0), "a clock that starts anew is seen where a stretch is no multiple of 8"


def test_training_cuts_the_gradient_and_not_the_clock() -> None:
    task = RunningAverage(250)
    model = clockwork(task)
    batch = task.probe_batch(2)
    x = agreement.embedded(model, batch)
    weight = torch.linspace(-1, 1, 8, dtype=torch.float64)
    parameters = list(model.body.parameters())
    expected = torch.autograd.grad((written_out(model, x, cut=100) @ weight).sum(), parameters)
    build_module.truncate(model, 100)
    got = torch.autograd.grad((model.encode(x, batch.reads) @ weight).sum(), parameters)
    for one, other in zip(got, expected, strict=True):
        assert other.abs().max() > 0
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-9)


def test_jacobians_of_the_last_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against products of the equation's own derivatives: 1 where a unit rests, (1 − h²) U where it moves."""
    task = RunningAverage(45)
    model = clockwork(task)
    (cell,) = model.body.cells[0]
    batch = task.probe_batch(1)
    x = agreement.embedded(model, batch)
    with torch.no_grad():
        h = written_out(model, x)[0]
        singular = []
        for t in range(45):
            moves = (t % cell.periods == 0).double()[:, None]
            own = (1 - h[t].square())[:, None] * cell.recurrent.weight
            singular.append(torch.linalg.svdvals(moves * own + (1 - moves) * torch.eye(8).double()).tolist())
    monkeypatch.setattr(jacobians, "DECOMPOSED", 45)
    monkeypatch.setattr(jacobians, "ALONG", 18)
    monkeypatch.setattr(recurrence, "STRETCH", 5)
    found = jacobians.measure(model, batch)
    assert found is not None
    assert found.steps == list(range(27, 45))
    assert found.highest == pytest.approx([values[0] for values in singular[27:]], rel=1e-9)
    assert found.lowest == pytest.approx([values[-1] for values in singular[27:]], rel=1e-9)


def test_gradient_flow_of_the_last_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    task = RunningAverage(60)
    model = clockwork(task)
    batch = task.probe_batch(2)
    whole = flow.measure(model, task, batch)
    x = agreement.embedded(model, batch).requires_grad_()
    answers = model.head(written_out(model, x))[:, -1]
    (gradient,) = torch.autograd.grad(answers.sum(), x)
    expected = gradient.norm(dim=-1).flip(1).quantile(0.5, dim=0).log10().tolist()
    assert whole.profiles["input"].log10_median == pytest.approx(expected, abs=1e-6)
    monkeypatch.setattr(probing, "FOLLOWED", 17)
    monkeypatch.setattr(recurrence, "STRETCH", 9)
    last = flow.measure(model, task, batch)
    assert last.start == 43
    for name, profile in last.profiles.items():
        assert profile.log10_median == pytest.approx(whole.profiles[name].log10_median[:17], abs=1e-9), name


@pytest.mark.parametrize("bptt", [None, 7])
def test_a_cell_that_goes_on_ends_as_if_it_had_never_stopped(bptt: int | None, tmp_path: Path) -> None:
    job = a_long_job(CLOCKWORK, hidden=8, **({} if bptt is None else {"bptt": bptt}))
    whole = trial.run(job, Surroundings())
    assert (whole.result.status, whole.result.steps) == ("ok", 50)
    assert {picture.name for picture in whole.result.pictures} == {"clock"}
    assert whole.result.jacobians
    killed_at(job, 40, here(tmp_path / "checkpoints"))
    same(trial.run(job, Surroundings(checkpoints=Checkpointing(tmp_path / "checkpoints", 1e-9))), whole)


# -- the contract sees what is wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize("check", agreement.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_a_right_clock_keeps_the_contract(check: Any, dtype: torch.dtype) -> None:
    task = RunningAverage(12)
    model: SequenceModel = clockwork(task, layers=2).to(dtype)
    batch = task.training_batch(0)
    check(model, agreement.embedded(model, batch), batch.reads)
    contract.a_probe_leaves_every_bit(model, task, batch)


@pytest.mark.parametrize(
    ("layer", "check", "message"),
    [
        (Stopped, agreement.run_is_the_loop_of_step, r"body\.layers\.0\.0: run and step part at step 1 of a sequence"),
        (Stopped, agreement.cut_anywhere_is_uncut, r"body\.layers\.0\.0: cut before step 1, the output at step 1"),
        (Stopped, agreement.stretches_are_the_whole, "features in stretches of 1 steps"),
        (Losing, agreement.cut_anywhere_is_uncut, r"body\.layers\.0\.0: cut before step 1, the output at step 1"),
    ],
)
def test_a_wrong_one_is_named_with_layer_and_step(layer: Any, check: Any, message: str) -> None:
    task = RunningAverage(12)
    model = clockwork(task, layer)
    batch = task.training_batch(0)
    with pytest.raises(agreement.DisagreementError, match=message):
        check(model, agreement.embedded(model, batch), batch.reads)


class Dropping(Ticking):
    """Drops half of its outputs while it trains."""

    def drive(self, x: Tensor, start: int) -> Tensor:
        return torch.nn.functional.dropout(super().drive(x, start), training=self.training)


def test_a_stretch_that_is_run_again_draws_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    task = RunningAverage(20)
    model = clockwork(task, Dropping)
    batch = task.probe_batch(2)
    x = agreement.embedded(model, batch)
    build_module.truncate(model, 6)
    parameters = list(model.body.parameters())

    def gradients() -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return torch.autograd.grad(model.encode(x, batch.reads).sum(), parameters)

    again = gradients()
    monkeypatch.setattr(recurrence, "checkpoint", lambda run, *arguments, use_reentrant: run(*arguments))
    for one, other in zip(again, gradients(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)


def test_a_model_that_drops_at_random_in_training_is_causal() -> None:
    task = RunningAverage(12)
    model = clockwork(task, Dropping)
    assert model.training
    contract.no_answer_depends_on_what_comes_later(model, task.training_batch(0).inputs.double(), 7)
    assert model.training


def test_only_shown_parts_are_probed(monkeypatch: pytest.MonkeyPatch, spec: Spec) -> None:
    class Twice(Ticking):
        parts = ("hidden", "copy")

        def step(self, drive: Tensor, state: Any) -> Any:
            (after,) = super().step(drive, state[:1])
            return after, state[1] + after

    for shown, names in ((None, {"hidden", "copy"}), (("hidden",), {"hidden"}), ((), set())):
        monkeypatch.setattr(Twice, "shown", shown)
        assert set(Stack(Twice, 2, 4).states(torch.rand(1, 3, 2))[1]) == names


def test_from_right_to_left_a_clock_starts_at_each_sequences_last_token() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        stack = Stack(Ticking, 2, 8, Layout(layers=2, bidirectional=True)).double()
        x = torch.randn(3, 9, 2, dtype=torch.float64)
    lengths = (9, 6, 1)
    present = torch.tensor([[t < length for t in range(9)] for length in lengths])
    at_once, by_step = stack(x, present), stack.states(x, present)[0]
    for row, length in enumerate(lengths):
        alone = stack(x[row : row + 1, :length], present[row : row + 1, :length])[0]
        torch.testing.assert_close(at_once[row, :length], alone, atol=1e-12, rtol=0)
        torch.testing.assert_close(by_step[row, :length], alone, atol=1e-12, rtol=0)
