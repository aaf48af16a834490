"""What breaks the contract ends as `invalid`, the reason first; what only looks odd is measured."""

from __future__ import annotations

from typing import Any

import pytest
import safetensors.torch
import torch

from bench import catalog
from bench.records.result import Result
from bench.trial import asking, build, contract, drawing
from models.base import TOLERANCE, count_parameters
from tests.support.jobs import EXAMPLES, a_job, run

BROKEN = "tests.support.broken"
CARELESS = "tests.support.careless"


def measured(model: str = f"{EXAMPLES}:Mean", task: str = "adding", **values: Any) -> Result:
    return run(a_job(model, task, **values)).result


def reason(**entries: Any) -> str:
    result = measured(**entries)
    assert (result.status, result.score, result.error is not None) == ("invalid", None, True), result.error
    assert Result.model_validate_json(result.model_dump_json()) == result
    return str(result.error).splitlines()[0]


# -- refused before training -------------------------------------------------------------------------------------------

MODELS = [
    ("Ahead", "running_average", "an answer read at step 0 or before depends on inputs after step 0"),
    ("OneRow", "adding", "OneRow.encode: expected (reads, features), one row for each of the 4 reads"),
    ("TooWide", "adding", "outputs: expected (reads, outputs) = (4, 1) for a batch of 4 sequences, got (4, 2)"),
    ("Unassembled", "adding", "Unassembled has no body, head, hidden: call self.assemble"),
    ("OwnStep", "adding", "OwnStep has a training_step of its own"),
    ("Several", "adding", "expected one optimiser, got 2"),
    ("SecondOrder", "adding", "LBFGS"),
    ("Scheduled", "adding", "returns schedulers: --schedule"),
    ("ScheduledToo", "adding", "returns a scheduler: --schedule"),
    ("NoOptimiser", "adding", "expected an optimiser of torch, got NoneType"),
]
TASKS = [
    *((name, "differs when it is drawn again") for name in
      ("Global", "GlobalNumpy", "GlobalPython", "Unseeded", "OnceGlobal", "Counting")),
    ("Spoilt:where=test", "Spoilt: batch 1 of the test set holds inputs that are not finite, first in sequence 1"),
    ("Spoilt:where=validation:part=targets", "batch 1 of the validation set holds targets that are not finite"),
    ("Empty:where=test", "Empty: the test set holds nothing to score: expected at least one of its sequences"),
    ("Empty:where=validation", "the validation set holds nothing to score"),
    ("Figures:chance=inf", "Figures: chance: expected a finite number, got inf"),
    ("Figures:best=nan", "Figures: best: expected a finite number, got nan"),
    ("Figures:best=0.2", "expected best below chance, got chance 0.2 and best 0.2"),
    ("Figures:best=0.5", "expected best below chance"),
    ("Figures:chance=0.005", "expected a solved_threshold between chance and best, got 0.01: knowing nothing scores"),
    ("Misshapen:what=inputs", "inputs: expected (batch, time, 2) real numbers, got (1024, 6, 1)"),
    ("Misshapen:what=targets", "targets: expected one row per read, 1024, got 1"),
    ("Misshapen:what=reads", "reads: expected a mask (batch, time) = (1024, 6), got (1024, 5)"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "task", "message"), MODELS, ids=[model for model, *_ in MODELS])
def test_a_model_that_breaks_the_contract(model: str, task: str, message: str) -> None:
    assert message in reason(model=f"{BROKEN}:{model}", task=task)
    assert measured(f"{BROKEN}:{model}", task).steps == 0


@pytest.mark.parametrize(("task", "message"), TASKS, ids=[task for task, _ in TASKS])
def test_a_task_that_breaks_the_contract(task: str, message: str) -> None:
    assert message in reason(task=f"{BROKEN}:{task}")
    assert measured(task=f"{BROKEN}:{task}").steps == 0


CARELESS_TASKS = [
    ("Alike", "Alike: training batches 0 and 1 are equal, but each step needs its own sequences"),
    ("AlikeIds", "AlikeIds: training batches 0 and 1 are equal"),
    ("FromTheTest", "sequences of training batches 0 and 1 are in batch 0 of the test set too"),
    ("FromTheTest:split=validation", "are in batch 0 of the validation set too"),
    ("GlobalLater:number=1", "GlobalLater: batch 1 of the validation set differs when it is drawn again"),
    ("GlobalLater:number=4", "GlobalLater: batch 4 of the validation set differs when it is drawn again"),
    ("Judged:what=stored", "Sum.metric: expected a new metric at each call"),
    ("Judged:what=shared", "Sum.metric: expected a new metric at each call"),
    ("Judged:what=frozen", "Sum.metric: expected a new metric at each call"),
    ("Judged:what=broadcast", "Sum.loss compares every output with every target, not each with its own, of "
     "outputs (32, 1) and targets (32,)"),
    ("Judged:what=columns", "Sum.metric cannot take outputs (1024, 1) and targets (1024, 1) torch.float32 of "
     "batch 0 of the validation set (RuntimeError: "),
    ("Judged:what=refuses", "Sum.loss cannot take outputs (32, 1) and targets (32,) torch.float32 of a "
     "training batch (IndexError: Dimension out of range)"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "message"), CARELESS_TASKS, ids=[task for task, _ in CARELESS_TASKS])
def test_a_task_that_draws_or_scores_carelessly(task: str, message: str) -> None:
    assert message in reason(task=f"{CARELESS}:{task}", batch_size=32)


HANDED_OVER = [
    ("none", 32, "Letters: expected a Batch(inputs, targets, reads) for each step, got None"),
    ("held_out", 32, "Letters.held_out('validation'): expected a list or Dataset of Batch, got a Batch"),
    ("no_set", 32, "Letters.held_out('validation'): expected a list or Dataset of Batch, got None"),
    ("nested", 32, "Letters.held_out('validation'): expected a list or Dataset of Batch, got a list of list"),
    ("chance", 32, "Letters: chance: expected a number, got '1/4'"),
    ("classes", 32, "targets: expected classes from 0 to 3, because outputs=4, got 1 to 4"),
    ("sequences", 32, "Letters.draw: expected the 32 sequences asked for, got 3"),
    ("feed_shape", 4, "expected the inputs of the next step, (batch, columns) = (4, 1), got (4,)"),
    ("feed_ids", 4, "Letters: what feed makes: inputs: expected ids from 0 to 3, got 1 to 4"),
    ("feed_fails", 4, "Letters: feed fails with following=None, as it is past the end of a batch (TypeError: "),
]  # fmt: skip


@pytest.mark.parametrize(("what", "batch_size", "message"), HANDED_OVER, ids=[what for what, *_ in HANDED_OVER])
def test_a_task_that_hands_over_something_else(what: str, batch_size: int, message: str) -> None:
    assert message in reason(task=f"tests.support.letters:Letters:what={what}", batch_size=batch_size)


def test_a_task_that_hands_over_what_it_must() -> None:
    found = measured(task="tests.support.letters:Letters", batch_size=4)
    assert (found.status, found.error) == ("ok", None)


@pytest.mark.parametrize("task", ["Bits", "One", "Judged:what=nothing"])
@pytest.mark.parametrize("batch_size", [1, 4, 32])
def test_batches_that_are_equal_by_chance_are_no_fault(task: str, batch_size: int) -> None:
    found = measured(task=f"{CARELESS}:{task}", batch_size=batch_size)
    assert (found.status, found.error) == ("ok", None)


@pytest.mark.parametrize("name", catalog.names("task"))
@pytest.mark.parametrize("batch_size", [1, 32])
def test_no_task_of_the_suite_is_accused(name: str, batch_size: int) -> None:
    kind = catalog.card("task", name)
    corpus = {} if kind.fallback is None else {"corpus": kind.fallback}
    least = max(2, kind.minimum_length)
    for length in {"ner": (8, 12), "pos": (8, 12), "pixels": (4, 9, 16)}.get(name, (least, least + 2, least + 4)):
        task = kind.load()(length, batch_size=batch_size, **corpus)
        drawing.are_batches(task)
        drawing.draws_alike(task)
        drawing.draws_anew(task)
        contract.feeds(task)
        contract.pairs_up(task, task.training_batch(0))
        for split in drawing.SPLITS:
            contract.can_be_scored(task, split)


def test_a_training_batch_that_is_not_finite_is_no_divergence() -> None:
    found = measured(task=f"{BROKEN}:Spoilt:where=train", steps=20, evaluate_every=10)
    assert found.status == "invalid"
    assert str(found.error).startswith("Spoilt: training batch 7 holds inputs that are not finite")


def test_a_model_that_learns_to_look_ahead_is_found_at_the_end() -> None:
    found = measured(f"{BROKEN}:LearnsToLookAhead", "running_average", steps=5)
    assert (found.status, found.steps, found.score) == ("invalid", 5, None)
    assert "depends on inputs after step" in str(found.error).splitlines()[0]
    assert len(found.curves.train_loss) == 5


def test_an_optimiser_cannot_be_asked_for_where_a_model_has_its_own() -> None:
    text = reason(model=f"{EXAMPLES}:TwoGroups", optimiser="adamw")
    assert "--optimiser adamw cannot be honoured" in text


def test_nothing_to_score_at_no_steps_is_no_fault() -> None:
    assert measured(task=f"{BROKEN}:Empty", steps=0).status == "ok"


# -- measured all the same ---------------------------------------------------------------------------------------------


def test_a_rate_of_its_own_is_said() -> None:
    assert measured().notes == ()
    (note,) = measured(f"{BROKEN}:OwnRate").notes
    assert note == "trained by its own SGD at a peak rate of 0.25; the recipe names adam at 0.01"
    (note,) = measured(f"{EXAMPLES}:TwoGroups").notes
    assert "a peak rate of 0.01 and 0.001" in note


@pytest.mark.parametrize(("model", "stored"), [("Tied", 5), ("Overlapping", 6)])
def test_numbers_that_are_shared_are_stored_once_and_read_again(model: str, stored: int) -> None:
    job = a_job(f"{BROKEN}:{model}")
    finished = run(job)
    assert finished.result.status == "ok", finished.result.error
    assert finished.weights is not None
    assert len(safetensors.torch.load(finished.weights)) == stored
    _, again = asking.rebuilt(job.cell, job.source, finished.weights)
    body = safetensors.torch.load(finished.weights)["body.weight"]
    assert torch.equal(again.state_dict()["body.weight"], body)
    if model == "Tied":
        assert torch.equal(again.state_dict()["twin.weight"], body)


@pytest.mark.parametrize("model", ["FrozenBody", "IgnoresHidden", "Lazy"])
def test_a_width_that_cannot_be_solved_is_one_message(model: str) -> None:
    (message,) = build.check([a_job(f"{BROKEN}:{model}", hidden=None)])
    assert message.startswith(f"{model} cannot be built with --parameters 16000: ")
    assert "--hidden" in message


@pytest.mark.parametrize("model", ["FrozenBody", "IgnoresHidden", "Lazy", "Orthogonal", "FromNumpy"])
def test_a_requested_width_is_built(model: str) -> None:
    first, second = (run(a_job(f"{BROKEN}:{model}", hidden=4)) for _ in range(2))
    assert (first.result.status, first.result.error) == ("ok", None)
    assert first.weights == second.weights


@pytest.mark.parametrize("model", ["Orthogonal", "FromNumpy"])
def test_a_body_that_needs_numbers_is_counted_by_building_it(model: str) -> None:
    _, built = build.build(a_job(f"{BROKEN}:{model}", hidden=None, parameters=900).cell, None)
    assert abs(count_parameters(built.body) / 900 - 1) <= TOLERANCE or built.notes


def test_what_fails_after_the_test_costs_a_note_and_no_score() -> None:
    found = measured(f"{BROKEN}:FailsAfterwards", f"{BROKEN}:FailsToShow", steps=5, probes=2)
    assert (found.status, found.error) == ("ok", None)
    assert found.score is not None
    assert (found.sample, found.context_use, found.memory_horizon, found.pictures) == (None, (), None, ())
    said = "\n".join(found.notes)
    for what in ("no sample: ZeroDivisionError", "no context use: ", "no memory horizon: ", "no pictures: ",
                 "no state size: "):  # fmt: skip
        assert what in said


def test_the_contract_leaves_task_and_model_as_they_were() -> None:
    for name in ("lstm", "transformer"):
        task, model = build.prepare(a_job(name, "copying", hidden=4))
        before, drawn = {n: v.clone() for n, v in model.state_dict().items()}, torch.get_rng_state()
        contract.keep(task, model, a_job().cell.recipe)
        assert torch.equal(torch.get_rng_state(), drawn)
        assert all(torch.equal(value, before[n]) for n, value in model.state_dict().items())
        assert (model.notes, model.training) == ([], True)
