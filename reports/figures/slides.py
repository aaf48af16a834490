"""Figures for a lecture hall: few lines with their names at their ends, tables of shaded cells with words in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import ceil, isfinite
from typing import Any, NamedTuple

import altair as alt

from reports.figures import drawing
from reports.figures.drawing import Drawing, Sheet, Spec
from reports.figures.layout import BOLD, CONFIG

FONT = CONFIG["font"]
TEXT = 13  # units of the names of lines and of words in cells: 21 points on a slide
APART = 0.085  # of an axis: the least distance between two names of lines
HIGHEST = 0.96  # of an axis: the uppermost name, so that it stays below the frame
NEAR = 0.85  # of an axis: a line that ends behind it has its name beside the panel
TICKS = 4  # of an axis, about
STEPS, MOST = (1, 2, 5, 10, 20, 50), 6  # from tick to tick of powers of ten; ticks of an axis
HEIGHT = 300  # units that the panels of one slide share
SHADES = ("#ffffff", "#6baed6", "#08306b")  # of the shares 0, ½ and 1
LARGE, WIDE = 18, 400  # units: of the largest words in cells; of a table's cells side by side, on a slide
DARK = 0.6  # share from which words in a cell are white


class Axis(NamedTuple):
    """An axis from `low` to `high`. power: they, and all values, are powers of ten. ticks: where; None: anywhere."""

    title: str
    low: float
    high: float
    power: bool = False
    ticks: Sequence[float] | None = None


class Line(NamedTuple):
    """A line through (x, y) points, its name at its right end. dash: of the stroke. dots: whether points are marked."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    dash: Sequence[int] = (1, 0)
    dots: bool = False


class Panel(NamedTuple):
    """Lines on two axes. band: a stretch of the y axis that is shaded, with its name. bars: lines are drawn as bars.
    rule: a level line of the y axis, with its name."""

    title: str
    lines: Sequence[Line]
    x: Axis
    y: Axis
    band: tuple[float, float, str] | None = None
    bars: bool = False
    rule: tuple[float, str] | None = None


class Cell(NamedTuple):
    """A cell of a table. shade: a share from white to dark; None: no ground."""

    word: str
    shade: float | None = None


class Table(NamedTuple):
    """Named rows of cells, a word above each column. below: what the columns are. font: of the words in cells."""

    title: str
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    below: str = ""
    font: str = FONT


def lines(title: str, caption: Sequence[str], panels: Sequence[Panel]) -> Drawing:
    """Draw panels of lines side by side."""
    sheet = Sheet({}, [])
    width = drawing.PAGE / len(panels) - 40
    drawn = [_lines(sheet, panel, width, HEIGHT) for panel in panels]
    return sheet.finish(drawing.grid(drawn, len(drawn), spacing=24), title, caption)


def tables(title: str, caption: Sequence[str], shown: Sequence[Table]) -> Drawing:
    """Draw tables one below the other."""
    sheet = Sheet({}, [])
    rows = sum(len(table.rows) + 1 for table in shown)
    drawn = [_table(sheet, table, HEIGHT / rows * len(table.rows)) for table in shown]
    return sheet.finish([drawing.grid([each], 1) for each in drawn], title, caption, spacing=6)


# -- lines -------------------------------------------------------------------------------------------------------------


def _lines(sheet: Sheet, panel: Panel, width: float, height: float) -> Spec:
    x, y = _scaled("x", panel.x), _scaled("y", panel.y)
    layers: list[Any] = []
    if panel.band:
        low, high, name = panel.band
        ground = alt.Chart(sheet.data([{"y": max(low, panel.y.low), "to": min(high, panel.y.high), "name": name}]))
        layers += [
            ground.mark_rect(color=drawing.SHADE, opacity=0.08).encode(y=y, y2=alt.Y2("to:Q")),
            ground.mark_text(align="right", baseline="top", dx=-6, dy=4, fontSize=TEXT, color="#555555").encode(
                x=alt.value("width"), y=alt.Y("to:Q", scale=y["scale"], axis=y["axis"]), text=alt.Text("name:N")
            ),
        ]
    for line in panel.lines:
        rows = [{"x": a, "y": min(max(b, panel.y.low), panel.y.high)} for a, b in line.points if isfinite(b)]
        chart = alt.Chart(sheet.data(rows))
        if panel.bars:
            sides = {"x": alt.X("left:Q", scale=x["scale"], axis=x["axis"]), "x2": alt.X2("right:Q")}
            wide = [row | {"left": row["x"] - 0.4, "right": row["x"] + 0.4, "floor": panel.y.low} for row in rows]
            bars = alt.Chart(sheet.data(wide)).mark_rect(color=line.colour)
            layers.append(bars.encode(y=y, y2=alt.Y2("floor:Q"), **sides))
            continue
        mark = chart.mark_line(color=line.colour, strokeWidth=3, strokeDash=list(line.dash), strokeJoin="round")
        layers.append(mark.encode(x=x, y=y))
        if line.dots:
            layers.append(chart.mark_point(color=line.colour, filled=True, size=70, opacity=1).encode(x=x, y=y))
    if panel.rule:
        layers += _rule(sheet, panel.rule, y)
    layers += [] if panel.bars else [_name(sheet, panel, line, at, x, y) for line, at in _places(panel)]
    return drawing.panel(layers, width, height, drawing.panel_title(panel.title))


def _rule(sheet: Sheet, rule: tuple[float, str], y: Any) -> list[Any]:
    chart = alt.Chart(sheet.data([{"y": rule[0], "name": rule[1]}]))
    name = chart.mark_text(align="left", baseline="top", dx=4, dy=5, fontSize=TEXT, color=drawing.INK)
    return [
        chart.mark_rule(color=drawing.INK, strokeWidth=2, strokeDash=[6, 4]).encode(y=y),
        name.encode(x=alt.value(0), y=y, text=alt.Text("name:N")),
    ]


def _scaled(channel: str, axis: Axis) -> Any:
    kind = {"x": alt.X, "y": alt.Y}[channel]
    label: dict[str, Any] = {"labelExpr": drawing.POWER_LABEL} if axis.power else {"format": "~r"}
    ticks = _ticks(axis)
    # One of the two, because a number of ticks thins out given ones.
    label |= {"tickCount": TICKS} if ticks is None else {"values": [*ticks]}
    shown = alt.Axis(title=axis.title, grid=channel == "y", labelOverlap=False, titleFontSize=TEXT, **label)
    return kind(f"{channel}:Q", scale=alt.Scale(domain=[axis.low, axis.high], nice=False), axis=shown)


def _ticks(axis: Axis) -> Sequence[float] | None:
    """Where ticks stand; None: anywhere. Powers of ten are whole, and few."""
    if axis.ticks is not None or not axis.power:
        return axis.ticks
    step = next((step for step in STEPS if (axis.high - axis.low) / step <= MOST), STEPS[-1])
    # None at the upper end: a label that sticks out there would push this panel's heading above its neighbours'.
    return [power for power in range(ceil(axis.low), ceil(axis.high)) if power % step == 0]


def _places(panel: Panel) -> list[tuple[Line, float]]:
    """Where the names of lines stand on the y axis: at their ends, pushed apart where they would touch."""
    low, span = panel.y.low, panel.y.high - panel.y.low
    named = [(line, min(HIGHEST, max(0.0, (line.points[-1][1] - low) / span))) for line in panel.lines if line.name]
    named.sort(key=lambda pair: pair[1])
    places = [at for _, at in named]
    for number in range(1, len(places)):
        places[number] = max(places[number], places[number - 1] + APART)
    for number in reversed(range(len(places))):  # what was pushed beyond the upper end comes back
        above = places[number + 1] - APART if number + 1 < len(places) else HIGHEST
        places[number] = min(places[number], above)
    return [(line, low + span * at) for (line, _), at in zip(named, places, strict=True)]


def _name(sheet: Sheet, panel: Panel, line: Line, at: float, x: Any, y: Any) -> Any:
    end = line.points[-1][0]
    if end > panel.x.low + NEAR * (panel.x.high - panel.x.low):
        end = panel.x.high
    chart = alt.Chart(sheet.data([{"x": end, "y": at, "name": line.name}]))
    mark = chart.mark_text(align="left", dx=7, fontSize=TEXT, fontWeight="bold", color=line.colour)
    return mark.encode(x=x, y=y, text=alt.Text("name:N"))


# -- tables ------------------------------------------------------------------------------------------------------------


def _table(sheet: Sheet, table: Table, height: float) -> Spec:
    cells = [
        {"x": across, "x2": across + 1, "y": down, "y2": down + 1, "middle": across + 0.5, "centre": down + 0.5,
         "word": cell.word, "shade": cell.shade}
        for down, (_, row) in enumerate(table.rows)
        for across, cell in enumerate(row)
    ]  # fmt: skip
    columns = max(len(table.heads), *(len(row) for _, row in table.rows))
    longest = max(len(cell.word) for _, row in table.rows for cell in row)
    size = min(LARGE, max(TEXT, WIDE / columns / max(1, longest) / BOLD))
    x, y = _places_of("x", table.heads, table.below, columns), _places_of("y", [name for name, _ in table.rows], "", 0)
    box = {"x": x, "y": y, "x2": alt.X2("x2:Q"), "y2": alt.Y2("y2:Q")}
    colour = alt.Color("shade:Q", scale=drawing.colour_scale([0, 0.5, 1], SHADES), legend=None)
    chart = alt.Chart(sheet.data(cells))
    shaded = chart.transform_filter("datum.shade !== null").mark_rect(stroke="#cccccc")
    at = {"x": _at(x, "middle"), "y": _at(y, "centre")}
    ink = alt.condition(f"datum.shade > {DARK}", alt.value("white"), alt.value(drawing.INK))
    words = chart.mark_text(font=table.font, fontSize=size, fontWeight="bold")
    layers = [
        shaded.encode(color=colour, **box),
        words.encode(text=alt.Text("word:N"), color=ink, **at),
    ]
    return drawing.panel(layers, drawing.PAGE - 100, height, drawing.panel_title(table.title))


def _places_of(channel: str, names: Sequence[str], title: str, columns: int) -> Any:
    """An axis of cells 0, 1, 2 …, a name above or beside the middle of each."""
    kind = {"x": alt.X, "y": alt.Y}[channel]
    count = columns or len(names)
    scale = alt.Scale(domain=[0, count], nice=False, reverse=channel == "y")
    axis = alt.Axis(
        title=title or None,
        orient="top" if channel == "x" else "left",
        values=[place + 0.5 for place in range(len(names))],
        labelExpr=f"{json.dumps(list(names))}[floor(datum.value)]",
        labelFontSize=TEXT,
        labelPadding=6,
        titleFontSize=TEXT,
        labelAngle=0,
        labelLimit=400,
        labelOverlap=False,
        grid=False,
        ticks=False,
        domain=False,
    )
    return kind(f"{channel}:Q", scale=scale, axis=axis)


def _at(axis: Any, field: str) -> Any:
    return type(axis)(f"{field}:Q", scale=axis["scale"], axis=axis["axis"])
