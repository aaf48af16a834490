"""Nothing of a model's own stands between the test and its score."""

from __future__ import annotations

import pytest

from tests.support.jobs import a_job, run

TAKEN = {
    "Peeks": "an on_test_batch_start",
    "PeeksInTransit": "an on_after_batch_transfer",
    "Fabricates": "an on_test_epoch_end",
    "Silent": "a validation_step",
    "Instance": "a test_step",
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_method_between_test_and_score_is_refused_before_training(name: str) -> None:
    found = run(a_job(f"tests.support.in_between:{name}")).result
    assert (found.status, found.steps) == ("invalid", 0)
    assert str(found.error).startswith(f"{name} has {TAKEN[name]} of its own: ")


@pytest.mark.parametrize(("name", "what"), [("LearnsTheTest", "body.weight"), ("Recalibrates", "norm.running_mean")])
def test_a_model_that_learns_during_its_test_has_no_score(name: str, what: str) -> None:
    found = run(a_job(f"tests.support.in_between:{name}")).result
    assert (found.status, found.score) == ("invalid", None)
    assert f"{name}: the test changed {what}" in str(found.error)


def test_weights_that_are_put_back_are_no_fault() -> None:
    assert run(a_job("tests.support.in_between:Averaged")).result.status == "ok"
