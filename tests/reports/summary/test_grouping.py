import math

import pytest

from bench.records.cell import DataIdentity
from reports.summary import groups
from reports.summary.grouping import compare, solved_length, steps_exponent
from reports.summary.outcomes import AT_CHANCE, word_of
from reports.view import View
from tests.support.results import make_result


def only_group(results):
    (group,) = groups(results)
    return group


def seeds_of(scores, **common):
    return [make_result(seed=seed, score=score, **common) for seed, score in enumerate(scores)]


# -- grouping ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"task": "copying"},
        {"model": "lstm"},
        {"length": 100},
        {"device": "NVIDIA H200"},
        {"torch": "2.12.1"},
        {"data": DataIdentity(name="mine", sha256="0" * 64)},
        {"model_version": 2},
        {"code": "ab" * 32},
        {"steps": 999},
        {"clip": None},
        {"parameters": None, "hidden": 64},
    ],
    ids=lambda other: next(iter(other)),
)
def test_groups_never_mix(other):
    assert len(groups([make_result(seed=0), make_result(seed=1, **other)])) == 2


def test_seeds_rates_and_patch_releases_share_a_group():
    group = only_group(
        [
            make_result(seed=0, torch="2.13.0+cpu"),
            make_result(seed=1, torch="2.13.1"),
            make_result(seed=0, learning_rate=0.001),
        ]
    )
    assert group.learning_rates == (0.001, 0.01)
    assert group.identity.torch == "2.13"


def scored_by(result, **changes):
    """The same result, its score measured otherwise."""
    return result.model_copy(update={"score": result.score.model_copy(update=changes)})


@pytest.mark.parametrize(
    "other",
    [
        {"metric": "mean_absolute_error"},
        {"unit": "value"},
        {"higher_is_better": True},
        {"solved_threshold": None},
        {"solved_threshold": 0.02},
        {"chance": 0.2},
        {"best": 0.001},
    ],
    ids=str,
)
def test_scores_of_another_scale_are_never_averaged(other):
    first, second = make_result(seed=0), scored_by(make_result(seed=1, score=0.05), **other)
    made = groups([first, second, make_result(seed=2, status="diverged", score=None)])
    assert sorted(group.values for group in made) == [(), (0.05,), (0.15,)]
    assert {group.identity.scale is None for group in made if group.values} == {False}
    assert groups([first], [first, second])[0].identity == made[0].identity
    topics = View.of([first, second]).topics
    assert sorted(values for topic in topics for group in topic.groups for values in group.values) == [0.05, 0.15]
    assert len({(topic.heading.title, label) for topic in topics for label in topic.labels}) == 2


def test_rounding_and_other_lengths_are_no_other_scale():
    one, two = make_result(seed=0), scored_by(make_result(seed=1), chance=1 / 6 + 1e-9)
    longer = scored_by(make_result(length=100), chance=0.2, solved_threshold=0.02)
    assert [(len(group.seeds), group.identity.scale) for group in groups([one, two, longer])] == [(2, None), (1, None)]


def test_a_cell_without_a_score_is_counted_where_its_seeds_are():
    """One scale among its own seeds, though another model's scores have another."""
    lost = make_result(seed=1, status="diverged", score=None)
    other = scored_by(make_result(model="lstm"), metric="mean_absolute_error")
    by_model = {group.identity.model: group for group in groups([make_result(seed=0), lost, other])}
    assert (by_model["gru"].n, by_model["gru"].diverged) == (2, 1)


def test_a_failure_that_does_not_know_its_device_is_counted_where_its_task_ran():
    lost = make_result(seed=1, status="crashed", score=None, device=None)
    assert only_group([make_result(seed=0), lost]).failed == 1
    places = [make_result(seed=0), make_result(seed=0, device="NVIDIA H200"), lost]
    assert sorted(group.failed for group in groups(places)) == [0, 0, 1]


# -- the choice of a learning rate -------------------------------------------------------------------------------------


def test_the_rate_is_chosen_by_median_validation_and_never_by_test():
    results = [
        *(make_result(seed=s, learning_rate=1e-3, validation=v, score=0.9) for s, v in enumerate((0.2, 0.2, 0.2))),
        # better on test, and better on validation in the mean and at best, but not in the median
        *(make_result(seed=s, learning_rate=1e-2, validation=v, score=0.01) for s, v in enumerate((0.0, 0.21, 0.21))),
        *(make_result(seed=s, learning_rate=1e-1, validation=v, score=0.0) for s, v in enumerate((0.3, 0.3, 0.3))),
    ]
    group = only_group(results)
    assert group.learning_rate == 1e-3
    assert group.values == (0.9, 0.9, 0.9)
    assert group.on_edge


def test_the_direction_of_the_metric_counts():
    results = [
        make_result("copying", learning_rate=1e-3, validation=0.5),
        make_result("copying", learning_rate=3e-3, validation=0.7),
        make_result("copying", learning_rate=1e-2, validation=0.6),
    ]
    group = only_group(results)
    assert group.learning_rate == 3e-3
    assert not group.on_edge


def test_a_tie_goes_to_the_smaller_rate_and_a_single_rate_has_no_edge():
    results = [make_result(learning_rate=rate, validation=0.1) for rate in (1e-2, 1e-3, 1e-1)]
    assert only_group(results).learning_rate == 1e-3
    assert not only_group(results[:1]).on_edge


@pytest.mark.parametrize("status", ["diverged", "timeout"])
def test_a_cell_without_a_score_is_the_worst(status):
    broken = [make_result(seed=s, learning_rate=1e-3, status=status, score=None) for s in (0, 1)]
    results = [make_result(seed=2, learning_rate=1e-3, validation=0.0), *broken]
    results += [make_result(seed=s, learning_rate=1e-2, validation=0.16) for s in (0, 1, 2)]
    assert only_group(results).learning_rate == 1e-2


def test_all_diverged_is_a_tie():
    results = [make_result(learning_rate=rate, status="diverged", score=None) for rate in (1e-2, 1e-3)]
    group = only_group(results)
    assert (group.learning_rate, group.outcome, group.score, group.solved_at_step) == (1e-3, "diverged", None, None)


# -- what n allows -----------------------------------------------------------------------------------------------------


def test_one_seed_has_the_interval_of_the_test_set():
    group = only_group([make_result(score=0.1, relative=0.1)])
    assert (group.n, group.score, group.interval.kind) == (1, 0.1, "test sampling")
    # 64 equal blocks, each .1 · .1 off: s = .01 · √(64/63), half = t · s / 8
    assert group.interval.high - 0.1 == pytest.approx(1.99834 * 0.01 * math.sqrt(64 / 63) / 8, rel=1e-4)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_few_seeds_have_a_median_and_a_range(n):
    scores = [0.1, 0.12, 0.15, 0.11][:n]
    group = only_group(seeds_of(scores))
    assert group.score == pytest.approx(sorted(scores)[n // 2] if n % 2 else sum(sorted(scores)[n // 2 - 1 :][:2]) / 2)
    assert group.interval == (min(scores), max(scores), "range")
    assert group.solve_interval is None


def test_five_seeds_have_a_mean_and_a_t_interval():
    group = only_group(seeds_of([0.10, 0.11, 0.12, 0.13, 0.14]))
    assert group.score == pytest.approx(0.12)
    assert group.interval.kind == "t"
    assert group.interval.high == pytest.approx(0.12 + 2.77645 * 0.0158114 / math.sqrt(5), rel=1e-4)


def test_seeds_that_disagree_have_a_solve_rate_and_no_mean():
    results = [
        make_result(seed=s, score=0.005 if s < 3 else 0.16, solved_at=100 * (s + 1) if s < 3 else None)
        for s in range(5)
    ]
    group = only_group(results)
    assert (group.solved, group.n, group.outcome) == (3, 5, "3/5 solved")
    assert group.solve_interval == pytest.approx((0.2307, 0.8824), abs=1e-4)
    assert group.interval == (0.005, 0.16, "range")
    assert group.score == 0.005
    assert group.solved_at_step == 300  # 100, 200, 300, not, not
    assert only_group(results[1:]).solved_at_step == math.inf  # the median lies between 300 and not at all


@pytest.mark.parametrize("status", ["diverged", "crashed"])
def test_seeds_without_a_score_are_counted_and_forbid_a_mean(status):
    results = [*seeds_of([0.10, 0.11, 0.12, 0.13, 0.14]), make_result(seed=5, status=status, score=None)]
    group = only_group(results)
    assert (group.diverged, group.failed) == ((1, 0) if status == "diverged" else (0, 1))
    assert group.n == (6 if status == "diverged" else 5)
    assert group.interval.kind == "range"
    # a diverged seed is the worst of six; a failed one says nothing
    assert group.score == pytest.approx(0.125 if status == "diverged" else 0.12)


def test_where_most_seeds_diverged_there_is_no_score():
    results = [make_result(seed=0, score=0.1), *(make_result(seed=s, status="diverged", score=None) for s in (1, 2))]
    group = only_group(results)
    assert (group.score, group.outcome, group.values) == (None, "diverged", (0.1,))


@pytest.mark.parametrize(
    ("score", "relative", "equal"),
    [
        (0.160, 0.001, True),  # skill .04, the interval far from chance
        (0.150, 0.001, False),  # skill .1
        (0.150, 0.50, True),  # skill .1, but the test set cannot tell it from chance
    ],
)
def test_equals_chance(score, relative, equal):
    result = make_result(score=score, relative=relative)
    assert (word_of(result) in AT_CHANCE) is equal
    assert only_group([result]).equals_chance is equal


def test_a_mean_whose_interval_holds_chance_equals_it():
    assert only_group(seeds_of([0.05, 0.10, 0.15, 0.20, 0.25], relative=0.001)).equals_chance
    assert not only_group(seeds_of([0.09, 0.10, 0.11, 0.12, 0.10], relative=0.001)).equals_chance


@pytest.mark.parametrize(
    ("result", "word"),
    [
        (make_result(solved_at=300, score=0.005), "solved"),
        (make_result(score=0.1), "learning"),
        (make_result(score=0.166), "at chance"),
        (make_result(score=0.166, steps=300), "budget-limited"),
        (make_result(score=None), "untrained"),
        (make_result(status="out_of_memory", score=None), "out of memory"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_outcome_words(result, word):
    assert only_group([result]).outcome == word


def test_where_some_seeds_learn_and_some_do_not_it_is_counted_and_no_mark_says_chance():
    group = only_group(seeds_of([0.1, 0.166]))
    assert (group.outcome, group.equals_chance) == ("1/2 learning", False)


def test_steps_apply_only_to_tasks_that_can_be_solved():
    assert only_group([make_result("char_lm", score=2.9)]).solved_at_step is None
    assert only_group([make_result(score=0.1)]).solved_at_step == math.inf


# -- over lengths ------------------------------------------------------------------------------------------------------


def line_of(solved_by_length, seeds=3, steps=1000):
    results = [
        make_result(length=length, seed=s, score=0.005, solved_at=at if s < k else None, steps=steps)
        for length, (k, at) in solved_by_length.items()
        for s in range(seeds)
    ]
    return View.of(results).topics[0].lines[0].groups


@pytest.mark.parametrize(
    ("solved", "longest"),
    [
        ({10: 3, 100: 2, 1000: 1}, 100),
        ({10: 3, 100: 1, 1000: 3}, 10),  # a gap ends it
        ({10: 1, 100: 3}, 0),
        ({10: 3, 100: 3}, 100),
    ],
)
def test_solved_length(solved, longest):
    found = solved_length(line_of({length: (k, 200) for length, k in solved.items()}))
    assert found == (longest, 10, True)


def test_half_the_seeds_are_no_majority_and_a_failed_seed_did_not_solve():
    assert solved_length(line_of({10: (1, 200)}, seeds=2)) == (0, 10, True)
    half = [make_result(seed=0, score=0.005, solved_at=100), make_result(seed=1, status="crashed", score=None)]
    assert solved_length(groups(half)) == (0, 10, True)


def test_solved_length_does_not_apply_to_text():
    assert solved_length(groups([make_result("char_lm", score=2.9)])) is None


def test_exponent_needs_three_lengths_solved_by_a_majority():
    assert steps_exponent(line_of({10: (3, 20), 100: (3, 200), 1000: (1, 900)})) is None
    exact = steps_exponent(line_of({10: (3, 10), 100: (3, 100), 1000: (3, 1000)}))
    assert exact == pytest.approx(1.0)
    censored = steps_exponent(line_of({10: (3, 10), 100: (3, 100), 1000: (2, 1000)}))
    assert censored > 1.0
    untrained = groups([make_result(length=3000, score=None, steps=0)])
    assert steps_exponent([*line_of({10: (3, 10), 100: (3, 100), 1000: (3, 1000)}), *untrained]) == exact


# -- comparisons -------------------------------------------------------------------------------------------------------


def test_compare_takes_steps_where_any_seed_solved_and_scores_elsewhere():
    quick = only_group([make_result(seed=s, score=0.009, solved_at=100 + s) for s in range(4)])
    slow = only_group([make_result(model="lstm", seed=s, score=0.001, solved_at=500 + s) for s in range(4)])
    assert compare(quick, slow) == pytest.approx(2 / 70)
    diverged = [make_result(model="rnn", seed=s, status="diverged", score=None) for s in range(4)]
    learning = only_group(seeds_of([0.10, 0.11, 0.12, 0.13]))
    assert compare(learning, only_group(diverged)) == pytest.approx(2 / 70)


def test_compare_refuses_three_seeds_and_unlike_tasks():
    three, four = only_group(seeds_of([0.1] * 3)), only_group(seeds_of([0.1] * 4, model="rnn"))
    with pytest.raises(ValueError, match="at least 4 seeds"):
        compare(three, four)
    with pytest.raises(ValueError, match="cannot compare"):
        compare(four, only_group(seeds_of([0.1] * 4, length=100)))
