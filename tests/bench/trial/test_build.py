"""What a recipe asks for reaches training, or is refused before it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer

from bench.records.cell import DataIdentity
from bench.records.job import Job, Source
from bench.trial import build, trial
from bench.trial.recorder import Recorder
from models.base import Optimisation, SequenceModel
from tasks.adding import Adding
from tasks.base import Task
from tasks.ocr import OCR
from tests.support.fonts import suites_font
from tests.support.jobs import a_job, run

EXAMPLES = "tests.support.examples"


def fitted(job: Job) -> tuple[Task, SequenceModel, Trainer]:
    """A cell's task, model and loop, after training."""
    task, model = build.prepare(job)
    recorder = Recorder(job.cell.recipe, task)
    loop = trial.trainer(job.cell.recipe, "cpu", recorder)
    with trial.quiet():
        loop.fit(model, datamodule=task)
    return task, model, loop


def rates(loop: Trainer) -> list[float]:
    return [group["lr"] for group in loop.optimizers[0].param_groups]


# -- every group is scheduled ----------------------------------------------------------------------------------------


def test_every_group_of_parameters_follows_the_schedule_by_its_own_rate() -> None:
    _, model, loop = fitted(a_job(f"{EXAMPLES}:TwoGroups", steps=10, evaluate_every=10))
    # The last of 10 steps: the trapezoid is at 1/5 of the peak.
    assert rates(loop) == pytest.approx([model.learning_rate / 5, model.learning_rate / 50])


def test_a_recipe_names_the_schedule_and_the_optimiser() -> None:
    _, model, loop = fitted(a_job(steps=10, evaluate_every=10, schedule="linear:warm_up=0.5"))
    assert rates(loop) == pytest.approx([model.learning_rate / 5])
    *_, loop = fitted(a_job(steps=2, optimiser="sgd:momentum=0.5", schedule="constant"))
    assert isinstance(loop.optimizers[0], torch.optim.SGD)
    assert loop.optimizers[0].param_groups[0]["momentum"] == 0.5
    assert build.build(a_job()[0], None)[1].optimisation.largest_element is None


@pytest.mark.parametrize(
    "fields",
    [
        {"clip": "value:0.001"},
        {"optimiser": "adamw"},
        {"schedule": "cosine"},
        {"train_lengths": "uniform"},
        {"sequences": 8},
    ],
    ids=str,
)
def test_a_field_changes_what_is_learned(fields: Any) -> None:
    """And the same recipe learns the same again."""
    usual, other, again = (run(a_job(steps=10, **given)) for given in ({}, fields, fields))
    assert other.result.status == "ok"
    assert other.weights != usual.weights
    assert other.weights == again.weights


def test_a_norm_that_is_written_out_learns_the_same() -> None:
    assert run(a_job(steps=4, clip="norm:1")).weights == run(a_job(steps=4)).weights


# -- clipping --------------------------------------------------------------------------------------------------------


def test_steps_clipped_by_value_are_counted() -> None:
    """The norm before clipping bounds the largest element, and by √n the other way round."""
    _, model = build.build(a_job("lstm", hidden=4).cell, None)
    size = sum(p.numel() for p in model.parameters())
    for value in (1e-9, 0.05, 0.2, 1e9):
        curves = run(a_job("lstm", steps=20, hidden=4, clip=f"value:{value}")).result.curves
        norms = [norm for norm in curves.gradient_norm if norm is not None]
        assert sum(norm > value * size**0.5 for norm in norms) <= curves.clipped <= sum(norm > value for norm in norms)
        assert curves.clipped == {1e-9: 20, 1e9: 0}.get(value, curves.clipped)


def test_no_element_is_above_the_value() -> None:
    _, model = build.build(a_job("lstm", hidden=4, clip="value:0.25").cell, None)
    parameters = list(model.parameters())
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, -0.25)
    norm, acted = model._clip(parameters)
    assert norm == pytest.approx(0.25 * sum(p.numel() for p in parameters) ** 0.5)
    assert not acted, "an element at the value stays"
    parameters[0].grad = torch.full_like(parameters[0], -7.0)
    assert model._clip(parameters)[1]
    assert all((p.grad == -0.25).all() for p in parameters)


# -- the end of training ---------------------------------------------------------------------------------------------


def test_a_solved_cell_stops_unless_it_never_does() -> None:
    asked: dict[str, Any] = {"steps": 40, "evaluate_every": 10, "seeds": 0}
    stopped = run(a_job(f"{EXAMPLES}:AddsUp", **asked)).result
    whole = run(a_job(f"{EXAMPLES}:AddsUp", stop="never", **asked)).result
    assert (stopped.steps, whole.steps) == (20, 40)
    assert (stopped.solved_at_step, whole.solved_at_step) == (10, 10)
    assert stopped.outcome == whole.outcome == "solved"
    assert [step for step, _ in whole.curves.validation] == [10, 20, 30, 40]


# -- lengths drawn ---------------------------------------------------------------------------------------------------


def test_lengths_are_drawn_for_training_alone() -> None:
    task, *_ = fitted(a_job("lstm", steps=20, length=30, hidden=4, train_lengths="uniform"))
    drawn = [part.inputs.size(1) for block in task.train_dataloader() for part in block]
    assert len(drawn) == 20
    assert min(drawn) >= task.minimum_length
    assert max(drawn) <= 30
    assert len(set(drawn)) > 5
    assert {batch.inputs.size(1) for batch in task.val_dataloader()} == {30}
    result = run(a_job("lstm", steps=20, length=30, hidden=4, train_lengths="uniform")).result
    assert result.tokens_seen == 4 * sum(drawn)


# -- refused before training -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "task", "fields", "message"),
    [
        ("transformer", "adding", {"penalty": "pascanu"}, "--penalty pascanu: Transformer cannot be trained with it: "),
        (f"{EXAMPLES}:Mean", "adding", {"penalty": "pascanu"}, "it has no hidden state that is carried"),
        ("rnn", "adding", {"optimiser": "adam:beta1=2.0"}, "--optimiser adam:beta1=2.0: Invalid beta parameter"),
        ("rnn", "adding", {"schedule": "cosine:warm_up=2.0"}, "--schedule cosine:warm_up=2.0: option 'warm_up'"),
        ("rnn", f"{EXAMPLES}:OneLength", {"train_lengths": "uniform"}, "--train-lengths uniform: OneLength has no "),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_message_before_training(model: str, task: str, fields: Any, message: str) -> None:
    job = a_job(model, task, **fields)
    messages = build.check([job, job])
    assert len(messages) == 1
    assert message in messages[0]
    assert messages[0].endswith(", or leave it out.")


def test_a_model_of_ones_own_has_the_usual_optimisation() -> None:
    model = build.build(a_job()[0], None)[1]
    usual = Optimisation()
    made = model.configure_optimizers()
    assert isinstance(made, torch.optim.Adam)
    assert [model.optimisation.schedule(step, 100) for step in range(100)] == [
        usual.schedule(step, 100) for step in range(100)
    ]
    assert Adding(6).train_lengths == "fixed"


def test_a_cell_of_a_users_font_is_built_from_where_the_font_lies(tmp_path: Path) -> None:
    font = suites_font(tmp_path / "f.bdf")
    data = DataIdentity(name="f.bdf", sha256=hashlib.sha256(font.read_bytes()).hexdigest())
    cell = a_job(task="ocr:font=c662a0c7a8e1:letters=abe", length=12)[0].model_copy(update={"data": data})
    task = build.build(cell, Source(str(font), None))[0]
    assert isinstance(task, OCR)
    assert task.script.letters == "abe"
    font.write_text(font.read_text().replace("COMMENT", "").replace("FONT -suite-", "FONT -other-"))
    with pytest.raises(ValueError, match=r"the data of ocr.* changed since the sweep began"):
        build.build(cell, Source(str(font), None))
