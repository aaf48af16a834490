"""Stored models at other lengths: seeds, passes, effective length, chance."""

from __future__ import annotations

import pytest

from reports.summary import groups
from reports.summary.asked import asked, by_cell, worse_than_chance
from tests.support.readings import asked_result, make_reading
from tests.support.results import make_result

PASSES, FAILS = 0.001, 0.1  # of adding


def a_row(scores, trained=100, seeds=1, own=PASSES, refused=(), **recipe):
    """One group's row. scores: {tested length: the seeds' scores}."""
    results = [asked_result(make_result("adding", length=trained, seed=s, score=own, **recipe)) for s in range(seeds)]
    readings = [
        make_reading(result, length, score)
        for length, each in scores.items()
        for result, score in zip(results, each, strict=False)
    ]
    readings += [make_reading(results[0], length, status="undefined", error="no such\nlength") for length in refused]
    (group,) = groups(results)
    return asked(group, by_cell(readings))


@pytest.mark.parametrize(
    ("scores", "effective"),
    [
        ({30: [PASSES], 300: [PASSES], 1000: [FAILS]}, (300, 3.0, False)),
        ({30: [FAILS], 300: [PASSES], 1000: [PASSES]}, (1000, 10.0, True)),  # shorter ones are not asked of it
        ({300: [FAILS], 1000: [PASSES]}, (100, 1.0, False)),  # a gap ends it
        ({30: [PASSES]}, (100, 1.0, True)),
    ],
)
def test_effective_length(scores, effective):
    assert a_row(scores).effective == effective


def test_none_where_the_trained_length_fails():
    assert a_row({300: [PASSES]}, own=FAILS).effective == (0, 0.0, False)


def test_the_trained_length_is_the_cells_own_test():
    """A reading there, on another machine say, changes nothing."""
    row = a_row({100: [FAILS], 300: [PASSES]})
    assert row.at[100].score == PASSES
    assert row.at[100].solved == 1


def test_a_range_counts_from_the_shortest_tested():
    scores = {10: [PASSES], 30: [FAILS], 300: [PASSES]}
    assert a_row(scores).effective == (300, 3.0, True)
    row = a_row(scores, train_lengths="uniform")
    assert row.uniform
    assert row.effective == (10, 0.1, False)
    assert a_row({10: [PASSES]}, own=FAILS, train_lengths="uniform").effective == (0, 0.0, False), "T itself fails"


def test_a_length_that_is_not_defined_ends_it_and_is_said():
    row = a_row({1000: [PASSES]}, refused=[300])
    assert row.words == {300: "no such"}
    assert 300 not in row.at
    assert row.effective == (100, 1.0, False)


@pytest.mark.parametrize(("scores", "passed"), [([PASSES, PASSES, FAILS], True), ([PASSES, FAILS, FAILS], False)])
def test_most_seeds_must_pass(scores, passed):
    row = a_row({300: scores}, seeds=3)
    assert (row.at[300].solved, row.at[300].n) == (scores.count(PASSES), 3)
    assert row.effective.length == (300 if passed else 100)


def test_diverged_and_failed_seeds_have_no_model_and_count():
    results = [asked_result(make_result("adding", length=100, seed=0, score=PASSES)),
               make_result("adding", length=100, seed=1, score=None, status="diverged"),
               make_result("adding", length=100, seed=2, score=None, status="crashed", error="x")]  # fmt: skip
    (group,) = groups(results)
    at = asked(group, by_cell([make_reading(results[0], 300, PASSES)])).at[300]
    assert (at.solved, at.n, at.diverged, at.failed) == (1, 2, 1, 1)
    assert at.interval.kind == "range" if at.interval else True


def test_a_reading_that_failed_is_a_seed_without_an_answer():
    result = asked_result(make_result("adding", length=100, score=PASSES))
    (group,) = groups([result])
    at = asked(group, by_cell([make_reading(result, 300, status="out_of_memory", error="no")])).at[300]
    assert (at.n, at.failed, at.score, at.outcome) == (0, 1, None, "out of memory")


def test_only_the_rate_chosen_on_validation_is_shown():
    results = [asked_result(make_result("adding", length=100, learning_rate=rate, validation=validation, score=PASSES))
               for rate, validation in ((0.01, 0.5), (0.003, 0.4))]  # fmt: skip
    (group,) = groups(results)
    readings = [make_reading(results[0], 300, PASSES), make_reading(results[1], 300, FAILS)]
    assert asked(group, by_cell(readings)).at[300].values == (FAILS,), (
        "never the best run, nor the best at a tested length"
    )


def test_readings_of_other_weights_are_not_shown():
    result = asked_result(make_result("adding", length=100, score=PASSES))
    other = make_reading(result.model_copy(update={"weights_sha256": "cd" * 32}), 300, PASSES)
    (group,) = groups([result])
    assert asked(group, by_cell([other])) is None


def test_a_task_without_a_threshold_has_no_effective_length():
    result = asked_result(make_result("char_lm", length=100, score=2.9))
    (group,) = groups([result])
    row = asked(group, by_cell([make_reading(result, 300, 2.8)]))
    assert row.effective is None
    assert row.at[300].solved is None


def test_nor_has_one_whose_rule_is_carried_over():
    result = asked_result(make_result("running_average", length=100, score=0.001))
    (group,) = groups([result])
    row = asked(group, by_cell([make_reading(result, 300, 0.002, carried="α is kept", memory_horizon=90.0)]))
    assert (row.effective, row.carried, row.horizon(300), row.horizon(100)) == (None, "α is kept", 90.0, None)


@pytest.mark.parametrize(("score", "worse"), [(0.5, True), (1 / 6, False), (0.17, False), (0.1, False)])
def test_worse_than_chance_is_told_from_chance(score, worse):
    row = a_row({300: [score]})
    assert worse_than_chance(row.at[300]) is worse
