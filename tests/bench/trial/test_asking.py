"""A stored model asked at another length: at its own the stored bits, elsewhere known answers; through an engine into a
store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from bench import catalog
from bench.engines.local import LocalEngine
from bench.records.job import Job, Stored
from bench.records.reading import Question, Reading
from bench.store import Store
from bench.trial import asking, trial
from models.lstm import LSTM
from tasks.adding import Adding
from tasks.running_average import RunningAverage
from tests.support.jobs import HERE, a_job, run


def asked(trained: Job, length: int, **changes: Any) -> Job:
    """The question about what a job trains, at another length."""
    finished = run(trained)
    assert finished.weights is not None
    assert finished.result.weights_sha256 is not None
    question = Question.of(trained.cell, finished.result.weights_sha256, length).model_copy(update=changes)
    return Job(question, trained.source, Stored(trained.cell, finished.weights))


def reading(job: Job) -> Reading:
    record = trial.run(job, HERE).record
    assert isinstance(record, Reading)
    return record


@pytest.mark.parametrize("task", ["adding", "copying", "copying:loss=all", "running_average", "adding:marks=early"])
@pytest.mark.parametrize("model", ["lstm", "attention", "transformer"])
def test_at_the_trained_length_it_is_the_stored_score(task: str, model: str) -> None:
    trained = a_job(model, task, 12, steps=4)
    stored = run(trained).result.score
    assert stored is not None
    found = reading(asked(trained, 12))
    assert (found.status, found.error) == ("ok", None)
    assert found.score == stored.model_copy(update={"validation_score": None})


@pytest.mark.parametrize(("length", "known"), [(10, 0.5), (20, 0.25), (40, 0.125)])
def test_a_window_follows_its_formula_at_every_length(length: int, known: float) -> None:
    """(1/6) · max(0, 1 − k/T): a model that sees the last 5 steps, asked at T."""
    found = reading(asked(a_job("window:k=5", "adding", 10, hidden=None, steps=1), length))
    assert found.score is not None
    assert found.score.skill == pytest.approx(known, abs=0.06)  # the test-sampling error of 1,024 sequences, twice


@pytest.mark.parametrize("length", [10, 50, 100, 300, 1000, 3000])
def test_a_window_of_50_is_right_within_test_sampling(length: int) -> None:
    """(1/6) · max(0, 1 − 50/T): of the score's 95 % interval the double, because there are six of them."""
    found = reading(asked(a_job("window:k=50", "adding", 100, hidden=None, steps=1), length))
    assert found.score is not None
    expected = max(0.0, 1 - 50 / length) / 6
    low, high = found.score.interval or (found.score.score, found.score.score)
    assert abs(found.score.score - expected) <= high - low + 1e-9


EXACT = ("adding", "copying", "running_average", "selective_copying", "parity", "temporal_order", "recall", "dyck")


@pytest.mark.parametrize("task", EXACT)
def test_the_oracle_is_perfect_at_every_length(task: str) -> None:
    trained = a_job("oracle", task, 16, hidden=None, steps=1)
    for length in (12, 60):
        found = reading(asked(trained, length))
        assert found.score is not None, found.error
        assert found.score.skill == pytest.approx(1, abs=1e-4)
        assert found.score.passes


EMBEDDED = {"char_lm": "python", "ner": "generated", "pixels": "digits"}  # corpora that need no network


@pytest.mark.parametrize(
    ("model", "task"),
    [*(("lstm", task) for task in catalog.names("task")), *((model, "adding") for model in catalog.names("model"))],
)
def test_every_task_and_every_model_answer_as_stored(model: str, task: str) -> None:
    """All pairs of them give the same bits; here each once, because a pair takes a second."""
    entry = f"{task}:corpus={EMBEDDED[task]}" if task in EMBEDDED else task
    trained = a_job(model, entry, 16, steps=2, hidden=None if model in ("oracle", "window") else 8)
    finished = run(trained)
    stored = finished.result.score
    assert stored is not None, finished.result.error
    found = reading(asked(trained, 16))
    assert found.score == stored.model_copy(update={"validation_score": None})


def test_a_rule_of_the_trained_length_is_carried_over() -> None:
    found = reading(asked(a_job("oracle", "running_average", 8, hidden=None, steps=1), 50))
    assert found.score is not None
    assert found.score.score < 1e-9, "the oracle knows the α that the task was trained with"
    assert found.memory_horizon == pytest.approx(50, abs=2)  # float32 leaves an error of 1e-12
    assert found.carried == "α = 0.7499 is kept: a longer sequence tests stability, not memory"
    assert reading(asked(a_job("oracle", "running_average", 8, hidden=None, steps=1), 8)).carried == ""


@pytest.mark.parametrize(
    ("model", "task", "length", "said"),
    [
        ("lstm", "adding", 1, "Adding: length must be at least 2, got 1"),
        ("lstm", "dyck", 7, "Dyck: length must be even"),
        ("transformer:positions=learned", "adding", 7, "positions=learned knows 6 steps"),
    ],
)
def test_what_is_not_defined_is_an_answer_in_words(model: str, task: str, length: int, said: str) -> None:
    found = reading(asked(a_job(model, task, 6), length))
    assert (found.status, found.score) == ("undefined", None)
    assert found.error is not None
    assert found.error.startswith(said)


def test_a_value_error_at_the_trained_length_is_a_fault() -> None:
    job = asked(a_job("lstm", "adding", 6), 6)
    with pytest.raises(ValueError, match="no"), asking.refusals(elsewhere=False):
        raise ValueError("no")
    with pytest.raises(asking.UndefinedError, match="no"), asking.refusals(elsewhere=True):
        raise ValueError("no")
    assert reading(job).status == "ok"


def test_a_score_that_is_not_finite_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    job = asked(a_job("lstm", "adding", 6), 8)
    monkeypatch.setattr(asking, "tested", lambda *_: False)
    found = reading(job)
    assert (found.status, found.score) == ("diverged", None)
    assert found.error == "the score at length 8 is not finite\n"


@pytest.mark.parametrize(("trained", "length", "n"), [(10, 2999, 1024), (10, 3000, 256), (3000, 3000, 256)])
def test_long_sequences_are_fewer_but_at_the_trained_length(trained: int, length: int, n: int) -> None:
    found = reading(asked(a_job("window:k=5", "adding", trained, hidden=None, steps=1), length))
    assert found.score is not None
    assert found.score.test_n == n
    assert found.score.interval is not None


def test_every_model_is_asked_with_the_same_sequences() -> None:
    """The first of the test set of a model that was trained there."""
    own = Adding(3000)
    fewer = Adding(10).at(3000)
    fewer.held_out_sequences = 256
    pairs = list(zip(fewer.test_dataloader(), own.test_dataloader(), strict=False))
    assert sum(len(first) for first, _ in pairs) == 256
    assert all(torch.equal(first.inputs, second.inputs) for first, second in pairs)


def test_a_probe_is_the_gradient_flow_of_the_trained_model_there() -> None:
    trained = a_job("lstm", "adding", 12, steps=4, probes=2)
    stored = run(trained).result.gradient_flow[-1]
    found = reading(asked(trained, 12, probe=True))
    assert (found.status, found.score, found.error) == ("ok", None, None)
    assert found.gradient_flow == stored, "at the trained length, what the cell's record ends with"
    longer = reading(asked(trained, 40, probe=True)).gradient_flow
    assert longer is not None
    assert max(longer.distances) == 39
    assert longer.reach == 39


@pytest.mark.parametrize("changes", [{"cell": "0" * 16}, {"weights_sha256": "0" * 64}])
def test_other_weights_than_the_questions_are_refused(changes: dict[str, str]) -> None:
    found = reading(asked(a_job(), 8, **changes))
    assert found.error is not None
    assert "ask with the store that the question was made from" in found.error


def test_weights_of_another_model_are_refused() -> None:
    job = asked(a_job(), 8)
    with pytest.raises(ValueError, match="the stored weights are not those of adding / tests"):
        asking.rebuilt(job.cell, None, safetensors.torch.save({"other": torch.zeros(1)}))


def test_weights_that_still_hold_a_metric_are_read() -> None:
    job = a_job("lstm", "running_average", 6)
    task = RunningAverage(6)
    numbers = LSTM(task.spec, hidden=4).state_dict() | {"_metric.variance": torch.ones(6)}
    _, model = asking.rebuilt(job.cell, None, safetensors.torch.save(numbers))
    assert torch.equal(model.state_dict()["head.weight"], numbers["head.weight"])


def test_a_question_goes_through_an_engine_into_a_store(tmp_path: Path) -> None:
    trained = a_job("gru", "adding", 6)
    store = Store(tmp_path, create=True)
    finished = run(trained)
    store.publish(finished.result, finished.weights)
    stored, weights = store.answer(trained.cell.key), store.weights(trained.cell.key)
    assert stored is not None
    assert stored.weights_sha256 is not None
    question = Question.of(trained.cell, stored.weights_sha256, 30)
    job = Job(question, stored=Stored(trained.cell, weights))
    with LocalEngine(HERE, workers=1) as engine:
        (through,) = engine.run([job])
    assert isinstance(through.record, Reading)
    assert store.publish_kept("readings", through.record)
    assert not store.publish_kept("readings", through.record), "a reading is published once"
    (kept,) = store.kept("readings")
    assert kept == through.record
    assert kept.key == question.key
    assert kept.score == reading(job).score
    assert store.answer(trained.cell.key) == stored, "asking changes no result"
