"""Figures of learning curves."""

from __future__ import annotations

from bench.records.result import Curves
from reports.figures import layout
from reports.figures.learning import curves
from reports.view import View
from tests.support.results import make_result


def trained(seed, losses, norms=(1.0, 1.0)):
    held = Curves(train_loss=losses, gradient_norm=norms, validation=((1, 0.3), (2, 0.2)))
    return make_result(seed=seed).model_copy(update={"curves": held})


def drawn(*results):
    view = View.of(results)
    return layout.spec(curves(view.topics[0], view.looks))


def test_seeds_are_a_band_around_their_median():
    spec = drawn(*(trained(seed, (loss, loss / 2)) for seed, loss in enumerate((1.0, 2.0, 4.0))))
    rows = [row for data in spec["datasets"].values() for row in data if row.get("low") != row.get("high")]
    assert {(row["step"], row["value"], row["low"], row["high"]) for row in rows} == {
        (1, 2.0, 1.0, 4.0),
        (2, 1.0, 0.5, 2.0),
    }
    assert "n = 3 seeds" in " ".join(spec["title"]["subtitle"])


def test_one_seed_has_no_band():
    spec = drawn(trained(0, (1.0, 0.5)))
    marks = [layer["mark"]["type"] for grid in spec["vconcat"] for panel in grid["concat"] for layer in panel["layer"]]
    assert "area" not in marks
    assert marks.count("line") == 3


def test_zero_has_no_place_on_a_logarithmic_axis():
    spec = drawn(trained(0, (1.0, 0.0), norms=(0.0, 2.0)))
    values = {row["value"] for data in spec["datasets"].values() for row in data if "step" in row}
    assert 0.0 not in values
    assert {1.0, 2.0} <= values
