import itertools
import math
import random

import pytest

from reports.summary import statistics


def test_t_interval_of_a_worked_example():
    low, high = statistics.t_interval([1.0, 2.0, 3.0, 4.0, 5.0])  # mean 3, s = 1.58114, 2.7764 · s / √5 = 1.96324
    assert (low, high) == pytest.approx((3 - 1.96324, 3 + 1.96324), abs=1e-4)
    with pytest.raises(ValueError, match="at least 2"):
        statistics.t_interval([1.0])


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),  # Brown, Cai & DasGupta 2001, and Wilson's formula at the ends
    [(3, 5, 0.2307, 0.8824), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (15, 30, 0.3315, 0.6685)],
)
def test_wilson_against_known_values(successes, trials, low, high):
    assert statistics.wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_what_is_no_rate(successes, trials):
    with pytest.raises(ValueError, match="successes"):
        statistics.wilson(successes, trials)


def brute_force_p(first, second):
    pooled = [*first, *second]
    ranks = [sum(v < x for v in pooled) + (sum(v == x for v in pooled) + 1) / 2 for x in pooled]
    mean = len(first) * sum(ranks) / len(ranks)
    far = abs(sum(ranks[: len(first)]) - mean)
    splits = list(itertools.combinations(ranks, len(first)))
    return sum(abs(sum(split) - mean) >= far - 1e-9 for split in splits) / len(splits)


@pytest.mark.parametrize(("ours", "theirs"), [(4, 4), (4, 6), (5, 5), (6, 4)])
def test_permutation_test_equals_all_splits(ours, theirs):
    draw = random.Random(ours * 10 + theirs)
    for _ in range(10):  # few distinct values, so that there are ties, and some runs without a value
        values = [draw.choice([1.0, 2.0, 3.0, 4.0, math.inf]) for _ in range(ours + theirs)]
        first, second = values[:ours], values[ours:]
        assert statistics.permutation_test(first, second) == pytest.approx(brute_force_p(first, second), abs=1e-12)


def test_permutation_test_at_its_ends():
    assert statistics.permutation_test([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(2 / 70)
    assert statistics.permutation_test([1, 1, 1, 1], [1, 1, 1, 1]) == 1.0
    with pytest.raises(ValueError, match="at least 4 seeds"):
        statistics.permutation_test([1, 2, 3], [4, 5, 6, 7])


def censored_runs(draw, exponent, noise=0.5, budget=600):
    lengths, steps, solved = [], [], []
    for length in (10, 30, 100, 300):
        for _ in range(5):
            needed = 3 * length**exponent * math.exp(draw.gauss(0, noise))
            lengths.append(length)
            steps.append(min(needed, budget))
            solved.append(needed <= budget)
    return lengths, steps, solved


def test_power_law_recovers_the_exponent_that_dropping_unsolved_runs_loses():
    draw = random.Random(0)
    kept, dropped = [], []
    for _ in range(150):
        lengths, steps, solved = censored_runs(draw, exponent=1.0)
        kept.append(statistics.power_law(lengths, steps, solved))
        x = [math.log(length) for length, s in zip(lengths, solved, strict=True) if s]
        y = [math.log(step) for step, s in zip(steps, solved, strict=True) if s]
        dropped.append(statistics._line(x, y)[1])
    assert sum(kept) / 150 == pytest.approx(1.0, abs=0.03)
    assert sum(dropped) / 150 == pytest.approx(0.91, abs=0.03)


def test_power_law_without_noise_or_censoring_is_exact():
    exact = statistics.power_law([10, 100, 1000], [30, 300, 3000], [True] * 3)
    assert exact == pytest.approx(1.0)
    with pytest.raises(ValueError, match="three solved runs"):
        statistics.power_law([10, 100, 1000], [30, 300, 3000], [True, True, False])
    with pytest.raises(ValueError, match="two lengths"):
        statistics.power_law([10, 10, 10], [30, 300, 3000], [True] * 3)


def test_power_law_stands_a_run_censored_far_above_its_fit():
    b = statistics.power_law([10, 100, 1000, 1000], [30, 300, 3000, 1e9], [True, True, True, False])
    assert math.isfinite(b)
    assert b > 1.0


def by_enumeration(strata):
    """The p of a stratified permutation test by going through every split of every stratum."""
    spread, seen = [], 0.0
    for first, second in strata:
        pooled = [*first, *second]
        ranks = statistics.midranks(pooled)
        mean = len(first) * sum(ranks) / len(pooled)
        seen += sum(ranks[: len(first)]) - mean
        chosen = itertools.combinations(range(len(pooled)), len(first))
        spread.append([sum(ranks[index] for index in indices) - mean for indices in chosen])
    sums = [sum(parts) for parts in itertools.product(*spread)]
    return sum(abs(total) >= abs(seen) - 1e-9 for total in sums) / len(sums)


def test_a_stratified_test_counts_every_split_of_every_stratum():
    draw = random.Random(1)
    for _ in range(30):
        strata = [
            (
                [draw.choice([1, 2, 3, math.inf]) for _ in range(draw.choice([2, 3]))],
                [draw.choice([1, 2, 4]) for _ in range(3)],
            )
            for _ in range(draw.choice([1, 2, 3]))
        ]
        assert statistics.stratified_test(strata) == pytest.approx(by_enumeration(strata), abs=1e-12)


def test_strata_add_up_what_one_alone_cannot_show():
    one = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    assert statistics.stratified_test([one]) == pytest.approx(0.10)
    assert statistics.stratified_test([one] * 3) == pytest.approx(2 / 20**3)
    assert statistics.stratified_test([one, one[::-1]]) == 1.0
    four = ([1.0, 2.0, 3.0, 9.0], [4.0, 5.0, 6.0, 7.0])
    assert statistics.stratified_test([four]) == statistics.permutation_test(*four)


def test_holm_takes_the_smallest_p_times_all_of_them():
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.6, 0.7]) == [1.0, 1.0]
    assert statistics.holm([]) == []


def test_a_rank_correlation_knows_order_alone():
    assert statistics.rank_correlation([1, 2, 3, 4], [10, 100, 1000, 1e9]) == pytest.approx(1.0)
    assert statistics.rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    assert statistics.rank_correlation([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) == pytest.approx(0.8207826817)  # textbook
    assert statistics.rank_correlation([1, 1, 1], [1, 2, 3]) is None
