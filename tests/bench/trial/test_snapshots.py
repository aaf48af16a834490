from __future__ import annotations

import pytest

from bench.trial.build import prepare
from bench.trial.snapshots import Snapshots, probe_steps
from bench.trial.stopwatch import Stopwatch
from tests.support.jobs import a_job

# -- when gradient flow is measured ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "block"), [(1000, 25), (600, 25), (300, 25), (10_000, 25), (30, 10), (13, 1)])
@pytest.mark.parametrize("probes", [0, 2, 4, 6])
def test_probes_fall_on_ends_of_blocks_between_start_and_end(steps: int, block: int, probes: int) -> None:
    found = probe_steps(steps, probes, block)
    assert len(found) <= max(0, probes - 2)
    assert all(0 < step < steps and step % block == 0 for step in found)
    if probes > 2:
        assert block in found


def test_probes_are_evenly_spaced_on_a_log_scale() -> None:
    assert probe_steps(10_000, 6, 10) == {10, 60, 320, 1780}  # with the last, 10,000: steps of 10^¾
    assert probe_steps(10_000, 4, 100) == {100, 1000}


def test_a_run_of_one_block_is_measured_at_its_ends_only() -> None:
    assert probe_steps(25, 6, 25) == frozenset()


# -- the measuring -----------------------------------------------------------------------------------------------------


def test_what_was_measured_is_not_measured_again_and_survives_a_checkpoint() -> None:
    job = a_job("gru", steps=60, evaluate_every=10, probes=4)
    task, model = prepare(job)
    made = Snapshots(job.cell.recipe, task, Stopwatch(), None)
    for step in (0, 0, 10, 11, 60, 60):
        made.on_the_way(step, model)
        if step in (0, 60):
            made.at_an_end(step, model)
    assert [flow.step for flow in made.flows] == [0, 10, 60], "11 is not the time"
    assert [jacobian.step for jacobian in made.jacobians] == [0, 60]
    assert made.pictures(model)

    again = Snapshots(job.cell.recipe, task, Stopwatch(), None)
    again.restore(made.state())
    assert (again.flows, again.jacobians, again.notes) == (made.flows, made.jacobians, made.notes)
    again.at_an_end(60, model)
    assert again.flows == made.flows


def test_tokens_are_replaced_at_the_ends_of_training_only() -> None:
    """Each replaced token is a pass, and there are ten of them; an end may come where the way is measured."""
    job = a_job("gru", task="copying", steps=60, evaluate_every=10, probes=4)
    task, model = prepare(job)
    made = Snapshots(job.cell.recipe, task, Stopwatch(), None)
    made.at_an_end(0, model)
    made.on_the_way(10, model)
    assert [flow.credit_alignment is None for flow in made.flows] == [False, True]
    made.at_an_end(10, model)
    assert [(flow.step, flow.credit_alignment is None) for flow in made.flows] == [(0, False), (10, False)]


def test_without_probes_nothing_is_measured() -> None:
    job = a_job("gru", probes=0)
    task, model = prepare(job)
    made = Snapshots(job.cell.recipe, task, Stopwatch(), None)
    made.at_an_end(0, model)
    made.on_the_way(10, model)
    assert (made.flows, made.jacobians, made.pictures(model)) == ([], [], ())
