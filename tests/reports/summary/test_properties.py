"""What holds of any group of seeds, whatever their scores: nothing that is said contradicts anything else."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.summary import Group, groups
from reports.summary.clusters import apart
from reports.summary.outcomes import AT_CHANCE
from reports.text import notes, words
from tests.support.results import METRICS, make_result

LOST = ("diverged", "timeout", "crashed")


@st.composite
def any_group(draw: Any) -> Group:
    """One to nine seeds of any task, with scores anywhere, in clusters, at chance or on the bounds, some lost."""
    task = draw(st.sampled_from(sorted(METRICS)))
    _, _, higher, chance, _, threshold = METRICS[task]
    top = 1.0 if higher else draw(st.sampled_from([1.0, 6.0, 1e97]))
    centres = draw(st.lists(st.floats(0, top), min_size=1, max_size=2))
    near = st.builds(lambda at, off: min(top, max(0.0, at + off * top)), st.sampled_from(centres), st.floats(-0.1, 0.1))
    exact = st.sampled_from([chance, 0.0, top, 1e-99, centres[0]])
    results = []
    for seed in range(draw(st.integers(1, 9))):
        status = draw(st.sampled_from(["ok"] * 6 + [*LOST]))
        score = draw(st.one_of(near, exact)) if status == "ok" else None
        solved = 100 if status == "ok" and threshold is not None and draw(st.integers(0, 3)) == 0 else None
        steps, relative = draw(st.sampled_from([300, 1000])), draw(st.sampled_from([0.0, 0.001, 0.5]))
        results.append(
            make_result(task, seed=seed, score=score, status=status, solved_at=solved, steps=steps, relative=relative)
        )
    return groups(results)[0]


@settings(max_examples=400, deadline=None)
@given(any_group())
def test_mark_and_outcome_never_contradict_each_other(group: Group) -> None:
    assert group.equals_chance == (group.outcome in AT_CHANCE)
    mark = group.equals_chance
    if mark:
        assert group.values
        assert not group.solved
    if re.search("solved|learning", group.outcome):
        assert not mark
        assert group.values
    if group.outcome == "learning":
        assert group.skill is None or group.skill >= 0.05 - 1e-9


@settings(max_examples=400, deadline=None)
@given(any_group())
def test_bounds_stay_within_what_a_score_can_be(group: Group) -> None:
    interval = group.interval
    if interval is None:
        return
    low, high = group.scores[0].bounds
    assert low <= interval.low <= interval.high <= high
    assert group.score is None or interval.low - 1e-9 * abs(interval.low) <= group.score
    assert group.score is None or group.score <= interval.high + 1e-9 * abs(interval.high)
    if interval.kind == "t":
        assert not group.split
        assert len(group.values) == len(group.seeds) >= 5


@settings(max_examples=400, deadline=None)
@given(any_group())
def test_no_sentence_holds_what_is_no_number(group: Group) -> None:
    said = [
        words.number(group.score), words.spread(group), words.skill(group.skill), words.outcome(group, False),
        words.outcome(group, True), words.solved_at(group), *notes.notes([group], ("group", "overview")),
    ]  # fmt: skip
    for text in said:
        assert not re.search(r"\bnan\b|\binf\b", text, re.I), text
        assert not re.search(r"\d{12}", text), text


@settings(max_examples=300, deadline=None)
@given(any_group())
def test_seeds_of_two_kinds_are_shown_one_by_one_and_their_score_is_that_of_a_seed(group: Group) -> None:
    if not group.split:
        return
    shown = words.spread(group).split("\n")
    assert sum(len(line.split()) for line in shown if not re.search("diverged|failed", line)) == len(group.values)
    assert group.score is None or group.score in group.values
    assert group.interval is None or group.interval.kind == "range"


def accuracies(*scores: float, relative: float = 0.01) -> Group:
    return groups([make_result("copying", seed=s, score=score, relative=relative) for s, score in enumerate(scores)])[0]


def test_two_of_five_seeds_at_chance_are_no_mean_of_all() -> None:
    """An interval of 0.6 ± 0.51 reached beyond 1, and held chance beside a skill of .54."""
    group = accuracies(0.888, 0.127, 0.869, 0.933, 0.183)
    assert words.spread(group) == "0.127 0.183 0.869 0.888 0.933"
    assert (group.score, group.outcome, group.equals_chance) == (0.869, "4/5 learning", False)
    assert group.interval == (0.127, 0.933, "range")


@pytest.mark.parametrize(
    ("scores", "split"),
    [
        ((0.2, 0.9), False),  # two values are always apart
        ((0.2, 0.9, 0.91), True),
        ((0.2, 0.5, 0.9), False),
        ((0.3, 0.3, 0.3), False),
        ((0.3, 0.3, 0.3, 0.9, 0.9), True),
        ((0.9, 0.91, 0.92, 0.93, 0.2), True),  # one far from the others
        ((0.5, 0.55, 0.6, 0.65, 0.7), False),
        ((0.5, 0.51, 0.52, 0.54, 0.55), False),
        ((0.50, 0.501, 0.540, 0.541), False),  # a gap of less than .05 of skill
    ],
)
def test_seeds_cluster_where_the_gap_is_more_than_twice_the_spread(scores: tuple[float, ...], split: bool) -> None:
    assert accuracies(*scores).split is split


def test_a_gap_within_what_the_test_set_leaves_open_parts_nothing() -> None:
    scores = (0.50, 0.501, 0.56, 0.561)
    assert accuracies(*scores, relative=0.01).split
    assert not accuracies(*scores, relative=0.5).split
    assert not apart(accuracies(*scores, relative=0.5).scores)


def test_of_an_even_number_of_two_kinds_the_worse_middle_stands_for_them() -> None:
    assert accuracies(0.8, 0.1, 0.12, 0.82).score == 0.12
    errors = [make_result(seed=s, score=value, relative=0.01) for s, value in enumerate((0.01, 0.012, 0.15, 0.152))]
    assert groups(errors)[0].score == 0.15
    assert accuracies(0.5, 0.6, 0.7, 0.8).score == pytest.approx(0.65)


def test_an_interval_cut_by_a_bound_is_written_with_both_ends() -> None:
    group = accuracies(0.80, 0.86, 0.92, 0.97, 1.0)
    assert words.spread(group) == "[0.809, 1.00]"
    assert "[a, b]: such an interval, cut at the least or largest score" in notes.notes([group], ("group",))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_equal_seeds_prove_no_certainty(n: int) -> None:
    group = accuracies(*[0.5] * n, relative=0.0)
    assert words.spread(group) == ("" if n == 1 else "all equal")
    assert group.interval == (None if n == 1 else (0.5, 0.5, "range"))
    assert group.outcome == "learning"


@pytest.mark.parametrize(("skill", "word"), [(0.05, "learning"), (0.0499, "at chance"), (0.0, "at chance")])
def test_a_skill_of_exactly_a_twentieth_is_learning(skill: float, word: str) -> None:
    group = accuracies(0.125 + 0.875 * skill, relative=0.0)
    assert (group.outcome, group.equals_chance) == (word, word == "at chance")


def test_one_diverged_of_five_is_counted_and_the_others_keep_their_word() -> None:
    results = [make_result("copying", seed=s, score=0.5 + 0.02 * s) for s in range(4)]
    results.append(make_result("copying", seed=4, status="diverged", score=None))
    (group,) = groups(results)
    assert (group.n, group.diverged, group.outcome, group.interval.kind) == (5, 1, "learning", "range")
    assert words.spread(group) == "0.500–0.560\n1 diverged"
    assert group.score == pytest.approx(0.52)  # the diverged seed is the worst of five


def test_a_group_without_any_answer_says_why_and_marks_nothing() -> None:
    (group,) = groups([make_result(seed=s, status="timeout", score=None) for s in range(3)])
    assert (group.n, group.score, group.skill, group.interval, group.equals_chance) == (0, None, None, None, False)
    assert (group.outcome, words.spread(group)) == ("timeout", "3 failed")
    assert group.memory == (None, False)


def test_a_seed_that_its_test_set_cannot_tell_from_chance_is_not_called_learning() -> None:
    (group,) = groups([make_result(score=0.150, relative=0.5)])
    assert group.skill == pytest.approx(0.1)
    assert (group.outcome, group.equals_chance) == ("at chance", True)


@pytest.mark.parametrize(
    ("value", "text"), [(1e300, "1.0e300"), (1e-300, "1.0e-300"), (-2e12, "-2.0e12"), (0.0, "0.000")]
)
def test_huge_and_tiny_numbers_are_short(value: float, text: str) -> None:
    assert words.number(value) == text
    assert words.number(math.nan) == words.number(math.inf) == words.skill(math.nan) == words.NOTHING
    assert len(words.half_width(0.0, 1e300)) < 8
