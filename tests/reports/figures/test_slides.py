from __future__ import annotations

import re
from itertools import pairwise

import pytest

from reports.figures.media import MEDIA, Fitted, fitted
from reports.figures.slides import APART, HIGHEST, Axis, Cell, Line, Panel, Table, _places, lines, tables

X, Y = Axis("step", 0, 10), Axis("norm", -8, 2, power=True)


def line(name: str, end: float) -> Line:
    return Line(name, [(0, 0), (10, end)], "#0072B2")


def slide(drawing) -> Fitted:
    return fitted(drawing, MEDIA["slide"], head=True)


def test_names_at_the_ends_of_lines_do_not_touch_and_stay_inside() -> None:
    ends = (2.0, 1.9, 1.8, -3.0, -8.0, -8.0, -7.9)
    places = [(at + 8) / 10 for _, at in _places(Panel("", [line(str(end), end) for end in ends], X, Y))]
    assert places == sorted(places)
    assert all(above - below >= APART - 1e-9 for below, above in pairwise(places))
    assert places[0] >= 0
    assert places[-1] <= HIGHEST


def test_a_name_keeps_its_line_and_its_height_where_there_is_room() -> None:
    named = _places(Panel("", [line("high", 1), line("", 0), line("low", -5)], X, Y))
    assert [(each.name, round(at, 9)) for each, at in named] == [("low", -5), ("high", 1)]


@pytest.fixture(scope="module")
def drawings() -> dict:
    plain = Panel("one", [line("rnn", -8), line("lstm", 1)], X, Y, band=(-6, 1, "a band"), rule=(0, "a rule"))
    bars = Panel("two", [Line("", [(1, -2), (2, -9)], "#D55E00")], X, Y, bars=True)
    row = [Cell("o", 1.0), Cell("–", 0.0), Cell(".25")]
    table = Table("three", ["1", "2", "3"], [("input gate", row), ("value", row)], "step t")
    return {"lines": lines("Lines", ["…"], [plain, bars]), "tables": tables("Tables", ["…"], [table, table])}


@pytest.mark.parametrize("kind", ["lines", "tables"])
def test_every_kind_fills_a_slide_without_text_below_eighteen_points(drawings: dict, kind: str) -> None:
    made = slide(drawings[kind])
    assert made.width / made.height == pytest.approx(16 / 9)
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)px"', made.svg)]
    assert min(sizes) * made.point >= 18
    wide, high = map(float, re.search(r'width="([\d.]+)" height="([\d.]+)"', made.svg).groups())
    assert wide <= made.width + 1
    assert high <= made.height + 1


def test_words_axes_and_names_are_written(drawings: dict) -> None:
    texts = re.findall(r">([^<>]+)</text>", slide(drawings["lines"]).svg)
    assert {"Lines", "one", "two", "rnn", "lstm", "a band", "a rule", "step", "norm", "1e-4"} <= set(texts)
    texts = re.findall(r">([^<>]+)</text>", slide(drawings["tables"]).svg)
    assert {"Tables", "three", "o", "–", ".25", "input gate", "value", "1", "step t"} <= set(texts)


def test_a_value_below_the_axis_is_drawn_at_its_end(drawings: dict) -> None:
    rows = [row for rows in drawings["lines"].datasets.values() for row in rows if "floor" in row]
    assert [(row["x"], row["y"], row["floor"]) for row in rows] == [(1, -2, -8), (2, -8, -8)]


def test_words_in_dark_cells_are_white(drawings: dict) -> None:
    svg = slide(drawings["tables"]).svg
    inks = {(word, ink) for ink, word in re.findall(r'fill="([^"]+)"[^>]*>(o|–|\.25)</text>', svg)}
    assert {word for word, _ in inks} == {"o", "–", ".25"}
    assert {word for word, ink in inks if ink == "white"} == {"o"}
