"""Figures of gates and attention with symbols."""

from __future__ import annotations

import json
import re

import pytest

from bench.records.result import Picture
from reports.figures import figures
from reports.view import View
from tests.support.measured import make_closeup, make_measured


@pytest.fixture(scope="module")
def specs():
    result = make_measured("adding", "gru").model_copy(update={"closeup": make_closeup()})
    return {figure.name: figure.spec for figure in figures.figures(View.of([result]))}


def panel_of(spec):
    (panel,) = spec["concat"]
    return panel


def cells(spec):
    return [row for data in spec["datasets"].values() for row in data if "percent" in row]


def labels(spec, axis):
    encoding = panel_of(spec)["layer"][-1]["encoding"][axis]["axis"]
    return json.loads(re.match(r"(\[.*\])\[floor", encoding["labelExpr"])[1])


def test_symbols_stand_below_the_columns_and_beside_the_answers(specs):
    attention = specs["adding-attention-symbols-gru"]
    assert labels(attention, "x") == ["a", "b", "…", "␣", "longer", "<&"]
    assert labels(attention, "y") == ["longer → a", "<& → b"]
    assert labels(specs["adding-gates-symbols-gru"], "y") == ["1", "2"]
    assert panel_of(attention)["title"]["text"] == ["attention, block 0, head 1, T = 10"]


def test_values_are_the_stored_ones_in_percent(specs):
    gates = {(row["row"], row["step"]): row["percent"] for row in cells(specs["adding-gates-symbols-gru"])}
    assert [gates[0, column] for column in (0, 1, 3, 4, 5)] == [0, 25, 50, 75, 100]
    assert (0, 2) not in gates  # steps are left out there
    weights = {(row["row"], row["step"]): row["percent"] for row in cells(specs["adding-attention-symbols-gru"])}
    assert (weights[0, 0], weights[1, 1]) == (99, 99.99)
    assert weights[1, 0] == weights[1, 5] == 0.01  # the scale's lower end


def test_no_cell_covers_steps_that_are_left_out(specs):
    assert all(not row["step"] < 2 < row["to"] for row in cells(specs["adding-gates-symbols-gru"]))


def test_figures_with_symbols_render(specs):
    for name in ("adding-gates-symbols-gru", "adding-attention-symbols-gru"):
        text = figures.svg(specs[name])
        assert "longer" in text
        assert "&lt;&amp;" in text


def test_even_weights_over_a_long_sequence_are_seen():
    even = Picture(name="attention", steps=(0, 8, 16), rows=((0, 0, 0),), finer=((10, 10, 10),))
    result = make_measured("copying", "gru", 1000).model_copy(update={"pictures": (even,)})
    spec = next(f.spec for f in figures.figures(View.of([result])) if f.name == "copying-attention-gru")
    assert {row["percent"] for row in cells(spec)} == {0.1}
    assert "rgb(255" not in re.findall(r'concat_0_layer_0_marks.*?fill="([^"]+)"', figures.svg(spec))[0]
    assert panel_of(spec)["title"]["subtitle"] == ["largest weight 0.1 %, 8 steps a column"]
