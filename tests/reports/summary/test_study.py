"""What a study's rows say, where the answer is known beforehand."""

from __future__ import annotations

import math

import pytest

from reports.summary import study
from reports.text import studies
from tests.support.results import make_result


def row(task="adding", model="gru", length=10, seed=0, chosen=1, fall=None, **fields):
    made = studies.rows([make_result(task, model, length, seed, **fields)], ())[0]
    return made | {"chosen": chosen, "initial_gradient_rate": fall, "gradient_reach": None if fall is None else 1}


def seeds(model, *solved, task="adding", length=10, **fields):
    return [row(task, model, length, seed, solved_at=step, **fields) for seed, step in enumerate(solved)]


def test_what_only_chose_a_rate_is_in_no_setting():
    made = study.settings([*seeds("gru", 100, 200, None), row(seed=100, chosen=0, solved_at=1)])
    (setting,) = made
    assert (setting.n, setting.solved, setting.solved_at) == (3, 2, 200)


def test_a_seed_that_diverged_answers_and_one_that_failed_does_not():
    rows = [
        *seeds("gru", 100, 200),
        row(seed=2, score=None, status="diverged"),
        row(seed=3, score=None, status="error"),
    ]
    (setting,) = study.settings(rows)
    assert (setting.n, setting.solved, setting.by_majority) == (3, 2, False)  # two of four


def test_t_star_ends_at_the_first_length_that_most_seeds_do_not_solve():
    line = study.settings(
        [
            *seeds("gru", 1, 1, None, length=10),
            *seeds("gru", 1, None, None, length=20),
            *seeds("gru", 1, 1, 1, length=50),
        ]
    )
    assert study.reach(line) == 10
    assert study.reach(line[1:]) == 0


def test_the_exponent_needs_three_solved_lengths():
    rows = [row(length=length, seed=seed, solved_at=3 * length) for length in (10, 20, 50) for seed in range(3)]
    assert study.exponent(study.settings(rows)) == pytest.approx(1.0)
    assert study.exponent(study.settings(rows[:6])) is None


def test_pairs_are_compared_within_lengths_and_corrected_among_all():
    steps = {"gru": 100, "lstm": 200, "rnn": 100}
    rows = [
        row(model=model, length=length, seed=seed, solved_at=step + seed)
        for model, step in steps.items() for length in (10, 20) for seed in range(5)
    ]  # fmt: skip
    one, two = study.compared(study.settings(rows), [("lstm", "gru"), ("gru", "rnn")])
    assert one.p == pytest.approx(2 / 252**2)
    assert (one.better, one.corrected) == ("second", pytest.approx(2 * one.p))
    assert (one.first_at, one.second_at) == ((), (10, 20))
    assert (two.p, two.better, two.first_at, two.second_at) == (1.0, None, (), ())


def test_a_model_that_is_ahead_by_chance_is_not_called_better():
    rows = [*seeds("gru", 1, 2, 5, 6, 9), *seeds("rnn", 3, 4, 7, 8, 10)]
    (only,) = study.compared(study.settings(rows), [("gru", "rnn")])
    assert only.first_at == (10,)
    assert only.corrected > 0.05
    assert only.better is None


def test_three_seeds_say_nothing_of_who_is_better():
    rows = [*seeds("gru", 1, 1, 1), *seeds("rnn", None, None, None)]
    (only,) = study.compared(study.settings(rows), [("gru", "rnn")])
    assert (only.p, only.corrected, only.better) == (None, None, None)


def skilled(lengths, skill):
    """Five models whose gradient falls by 1, 2, … powers of ten; skill(place) is what they reach."""
    return [
        row(model=f"m{place}", length=length, fall=-float(place), score=(1 - skill(place)) / 6)
        for length in lengths for place in range(5)
    ]  # fmt: skip


def test_gradients_that_say_who_learns():
    found = study.gradients_and_skill(study.settings(skilled((10, 20), lambda place: 0.9 - 0.1 * place)))
    assert (found.mean, found.settings, found.models) == (pytest.approx(1.0), 2, 5)
    assert (found.low, found.high) == (pytest.approx(1.0), pytest.approx(1.0))
    mixed = study.gradients_and_skill(study.settings(skilled((10,), lambda place: [0.5, 0.9, 0.1, 0.7, 0.3][place])))
    assert mixed.low < mixed.mean < mixed.high
    assert mixed.low < -0.5


def test_a_difference_between_lengths_is_no_correlation():
    """All models vanish more and learn less at the longer length; within a length nothing is related."""
    falls, gains = (0, 1, 2, 1, 0), (0.0, 0.0, 0.01, 0.0, 0.01)
    rows = [
        row(model=f"m{place}", length=length, fall=-float(length + falls[place]), score=(1 - base - gains[place]) / 6)
        for length, base in ((10, 0.9), (20, 0.1)) for place in range(5)
    ]  # fmt: skip
    found = study.gradients_and_skill(study.settings(rows))
    assert abs(found.mean) < 0.5
    assert not math.isnan(found.low)


def test_a_length_that_not_every_model_has_reached_does_not_count():
    whole = skilled((10,), lambda place: 0.9 - 0.1 * place)
    begun = [one for one in skilled((20,), lambda place: 0.1 + 0.1 * place) if one["model"] in ("m0", "m1", "m2")]
    assert study.gradients_and_skill(study.settings([*whole, *begun])) == study.gradients_and_skill(
        study.settings(whole)
    )


def test_four_models_make_no_correlation():
    rows = skilled((10, 20), lambda place: 0.9 - 0.1 * place)
    for one in rows:
        if one["model"] == "m4" and one["length"] == 20:
            one["initial_gradient_rate"] = None
    assert study.gradients_and_skill(study.settings(rows)).settings == 1
    assert study.gradients_and_skill(study.settings([one for one in rows if one["model"] != "m4"])) is None
