"""Learning curves over seeds: medians of stretches, the range, and where a curve ends."""

from __future__ import annotations

import pytest

from bench.records.result import Curves
from reports.summary.learning import POINTS, curve
from tests.support.results import make_result


def trained(*losses, validation=()):
    """A result with these losses, which are its gradient norms as well."""
    curves = Curves(train_loss=losses, gradient_norm=losses, validation=validation)
    return make_result().model_copy(update={"curves": curves})


def test_a_point_is_the_median_and_the_range_of_the_seeds():
    points = curve([trained(1.0, 4.0), trained(2.0, 5.0), trained(6.0, 6.0)], "loss")
    assert points == [(1, 2.0, 1.0, 6.0, 3), (2, 5.0, 4.0, 6.0, 3)]


def test_long_training_is_cut_into_stretches_of_one_size_for_all_seeds():
    long, short = trained(*range(1, 251)), trained(*range(1, 126))
    points = curve([long, short], "norm")
    assert len(points) == 84 <= POINTS
    assert points[0] == (3, 2.0, 2.0, 2.0, 2)
    assert points[41].n == 2  # steps 124 to 126, of which the short one took two
    assert points[42].n == 1  # half of the seeds still train
    assert points[-1] == (250, 250.0, 250.0, 250.0, 1)


def test_a_curve_ends_where_fewer_than_half_of_the_seeds_train():
    points = curve([trained(1.0), trained(1.0), trained(1.0, 9.0)], "loss")
    assert points == [(1, 1.0, 1.0, 1.0, 3)]


def test_values_that_are_not_finite_are_left_out():
    assert curve([trained(None, 2.0), trained(1.0, None)], "loss") == [(1, 1.0, 1.0, 1.0, 1), (2, 2.0, 2.0, 2.0, 1)]


def test_validation_scores_stand_at_their_steps():
    seeds = [trained(*[1.0] * 100, validation=((50, a), (100, b))) for a, b in ((0.5, 0.25), (0.75, None))]
    assert curve(seeds, "score") == [(50, 0.625, 0.5, 0.75, 2), (100, 0.25, 0.25, 0.25, 1)]


@pytest.mark.parametrize("quantity", ["loss", "score", "norm"])
def test_without_training_there_is_no_curve(quantity):
    assert curve([trained()], quantity) == []
    assert curve([], quantity) == []
