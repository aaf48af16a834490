"""The test-sampling interval and Student's t, against printed values and by simulation."""

import random

import pytest

from bench.records import sampling


@pytest.mark.parametrize(
    ("freedom", "quantile"),  # Student's t, two-sided 95 %, as printed in any table
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (9, 2.2622), (30, 2.0423), (63, 1.9983)],
)
def test_t_quantiles_are_the_printed_ones(freedom, quantile):
    assert sampling.t_quantile(freedom) == pytest.approx(quantile, abs=5e-5)


def test_t_with_many_degrees_of_freedom_is_normal():
    assert sampling.t_quantile(100_000) == pytest.approx(1.95996, abs=1e-4)
    with pytest.raises(ValueError, match="at least 1"):
        sampling.t_quantile(0)


def halved(values, count=64):
    """Sums of 64 runs of consecutive units, as a record keeps them."""
    size = len(values) // count
    return [sum(values[i : i + size]) for i in range(0, size * count, size)]


def coverage(draw_unit, truth, units=640, repeats=600):
    hits = 0
    for _ in range(repeats):
        sample = [draw_unit() for _ in range(units)]
        blocks = list(zip(halved([n for n, _ in sample]), halved([d for _, d in sample]), strict=True))
        low, high = sampling.ratio_interval(blocks)
        hits += low <= truth <= high
    return hits / repeats


def test_ratio_interval_covers_a_mean_of_skewed_squared_errors():
    draw = random.Random(0)
    # ± .027 is three standard errors of the coverage at 600 repetitions; a little low is known for skewed values
    assert coverage(lambda: (draw.expovariate(1.0) ** 2, 1.0), truth=2.0) == pytest.approx(0.95, abs=0.035)


def test_ratio_interval_covers_a_ratio_with_a_random_denominator():
    draw = random.Random(1)

    def document():  # gold spans, hits among them with probability .4, wrong spans; F1 = 2 hits / (gold + predicted)
        gold = draw.randrange(1, 6)
        hits = sum(draw.random() < 0.4 for _ in range(gold))
        return 2.0 * hits, float(gold + hits + draw.randrange(0, 4))

    assert coverage(document, truth=2 * 1.2 / (3 + 1.2 + 1.5)) == pytest.approx(0.95, abs=0.03)


def test_ratio_interval_is_silent_where_blocks_cannot_tell():
    assert sampling.ratio_interval([(1.0, 1.0)] * 64) is None  # all right: no proof of no error
    assert sampling.ratio_interval([(1.0, 2.0)]) is None
    assert sampling.ratio_interval([]) is None
    assert sampling.ratio_interval([(0.0, 0.0), (1.0, 2.0), (0.0, 0.0)]) is None
    low, high = sampling.ratio_interval([(0.0, 0.0), (1.0, 2.0), (1.5, 2.0)])
    assert low < 0.625 < high


def test_ratio_interval_of_huge_tiny_and_unequal_blocks_is_finite_or_silent():
    low, high = sampling.ratio_interval([(1e90, 1.0), (3e90, 1.0), (2e90, 1.0)])
    assert low < 2e90 < high < 1e91
    low, high = sampling.ratio_interval([(1e-300, 1.0), (3e-300, 1.0), (2e-300, 1.0)])
    assert low < 2e-300 < high < 1e-299
    assert sampling.ratio_interval([(1.0, 1e300), (1.0, 1e-300)]) is None
    assert sampling.ratio_interval([(1e300, 1e-300), (1.0, 1e-300), (2.0, 1e-300)]) is None
    assert sampling.ratio_interval([(0.0, 1.0)] * 64) is None
