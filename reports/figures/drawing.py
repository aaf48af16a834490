"""What all figures share: marks by model, axes, and how a chart becomes a Vega-Lite spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor, log10
from typing import Any, TypeAlias

import altair as alt

from reports.figures.layout import INK, LEAST_TEXT, PAGE, Drawing, Grid, Row, Spec
from reports.summary.statistics import middle
from reports.view import Topic
from reports.view.looks import Look

__all__ = ["INK", "PAGE", "Drawing", "Grid", "Row", "Spec"]

Looks: TypeAlias = Mapping[str, Look]  # how each model label is drawn

FAINT, SHADE = "#8a8a8a", "#000000"


_LEGEND: dict[str, Any] = {
    "orient": "top",
    "direction": "horizontal",
    "labelFontSize": 13,
    "symbolStrokeWidth": 2,
    "symbolOpacity": 1,
}
LINE_LEGEND = alt.Legend(symbolType="stroke", symbolSize=900, **_LEGEND)
_POINT_LEGEND = alt.Legend(symbolSize=110, **_LEGEND)


class Sheet:
    """A figure being made: its named data sets, and the legend that its panels share."""

    def __init__(self, models: Looks, shown: Sequence[str], points: bool = False) -> None:
        """models: how each is drawn. shown: the labels of this figure, in the legend's order. points: whether lines
        carry points, whose shapes then stand in the legend, without the dash of the line around them."""
        self.shown = list(shown)
        self._points = points
        self._legend = _POINT_LEGEND if points else LINE_LEGEND
        self._looks = [models[label] for label in shown]
        self._sets: dict[str, list[Row]] = {}

    def data(self, rows: list[Row]) -> alt.NamedData:
        """Add a data set to the figure. Named, so that thousands of rows need not pass Altair's schema check."""
        name = f"data-{len(self._sets)}"
        self._sets[name] = rows
        return alt.NamedData(name)

    def colour(self, legend: bool = True) -> alt.Color:
        """Colour by the field `model`."""
        return alt.Color(**self._by_model([look.colour for look in self._looks], legend))

    def dash(self) -> alt.StrokeDash:
        """Dash by the field `model`; where points stand in the legend, by the field `line` that `joined` adds.

        Vega-Lite joins legends of one domain in one, in which the dash would run around the shapes.
        """
        dashes = [list(look.dash) for look in self._looks]
        if not self._points:
            return alt.StrokeDash(**self._by_model(dashes))
        scale = alt.Scale(domain=list(map(line_of, self.shown)), range=dashes)
        return alt.StrokeDash("line:N", scale=scale, legend=None)

    def shape(self) -> alt.Shape:
        """Shape by the field `model`."""
        return alt.Shape(**self._by_model([look.shape for look in self._looks]))

    def _by_model(self, values: list[Any], legend: bool = True) -> dict[str, Any]:
        scale = alt.Scale(domain=self.shown, range=values)
        return {"shorthand": "model:N", "scale": scale, "legend": self._legend if legend else None, "title": None}

    def finish(self, body: Grid | Sequence[Grid], title: str, lines: Sequence[str], spacing: int = 16) -> Drawing:
        """Make the drawing: grids of panels one below the other, title, caption (units and n), and data."""
        grids = [body] if isinstance(body, Grid) else list(body)
        return Drawing(title, list(lines), grids, spacing, self._sets)


def colour_scale(domain: Sequence[float], colours: Sequence[str]) -> alt.Scale:
    """Set colours at some values; between them, red, green and blue change evenly.

    Vega's own way through hue and chroma has no hue at white and drew it in cyan.
    """
    return alt.Scale(domain=list(domain), range=list(colours), clamp=True, interpolate="rgb")


def gradient_legend(length: int, **extra: Any) -> alt.Legend:
    """Make the legend of a colour scale, of so many pixels."""
    place: dict[str, Any] = {"orient": "bottom", "direction": "horizontal", "titleOrient": "left", "titleLimit": 200}
    return alt.Legend(gradientLength=length, **place, **extra)


def panel_title(text: str, *below: str) -> alt.TitleParams:
    """Make the heading of one panel, and a line below it."""
    extra: dict[str, Any] = (
        {"subtitle": list(below), "subtitleFontSize": LEAST_TEXT, "subtitlePadding": 2, "subtitleLineHeight": 13}
        if below
        else {}
    )
    return alt.TitleParams(text, fontSize=13, fontWeight="bold", anchor="middle", offset=4, color=INK, **extra)


_NUMBER_LABEL = "format(datum.value, datum.value < 0.001 || datum.value >= 100000 ? '.0e' : '~g')"


def log_axis(values: Iterable[float], title: str | None = None, **extra: Any) -> alt.Y:
    """Set the field `value` on a log scale that leaves room around some positive values.

    A tick at the powers of ten, or at 1, 2, 5, 10 … where the values span less than two powers.
    """
    positive = [value for value in values if 1e-300 < value < 1e300] or [1.0]  # with room on either side
    low, high = min(positive), max(positive)
    room = max(1.35, (high / low) ** 0.1)
    low, high = low / room, high * room
    every = range(floor(log10(low)), ceil(log10(high)) + 1)
    steps = (1.0,) if high / low > 200 else (1.0, 2.0, 5.0)
    powers = [power for power in every if len(every) < 8 or power % 2 == 0]
    ticks = [float(f"{step}e{power}") for power in powers for step in steps if low <= step * 10.0**power <= high]
    axis = alt.Axis(title=title, values=ticks, labelExpr=_NUMBER_LABEL, **({"minExtent": 34} | extra))
    return alt.Y("value:Q", scale=alt.Scale(type="log", domain=[low, high], nice=False), axis=axis)


# Panels are put together as plain dicts: Altair would copy every layer anew at each level of nesting, which took four
# times as long as all rendering.


def panel(charts: Sequence[Any], width: float, height: float, title: alt.TitleParams) -> Spec:
    """Draw Altair charts over each other in one panel of so many pixels."""
    layers = []
    for chart in charts:
        layer = chart.to_dict(validate=False)
        layers.append({key: value for key, value in layer.items() if key not in ("$schema", "config")})
    return {"layer": layers, "width": round(width), "height": round(height), "title": title.to_dict()}


def grid(panels: Sequence[Spec], columns: int, spacing: int = 14, once: Sequence[str] = ()) -> Grid:
    """Set panels side by side, wrapped after `columns`. once: what of the vertical axis only the leftmost ones show."""
    return Grid(panels, max(1, columns), spacing, once)


# Plain characters: superscript digits are missing from many fonts, whose whole label then falls back to another.
POWER_LABEL = "'1e' + datum.value"


def power_axis(title: str, low: float, high: float) -> alt.Axis:
    """Make an axis whose values are powers of ten."""
    step = max(1, round((high - low) / 5))
    step += step > 2 and step % 2  # 1, 2, 4, 6 …
    # None at the upper end: a label that sticks out there would push this panel's heading above its neighbours'.
    ticks = [power for power in range(int(low), int(high)) if power % step == 0]
    return alt.Axis(title=title, values=ticks, labelExpr=POWER_LABEL, minExtent=34)


def length_axis(lengths: Sequence[int], title: str = "length T", field: str = "length", room: float = 1.35) -> alt.X:
    """Set lengths on a log scale, a tick at every one that was measured. room: factor left free on either side."""
    low, high = min(lengths), max(lengths)
    domain = [low / room, high * room] if low < high else [low / 2, high * 2]
    axis = alt.Axis(title=title, values=list(lengths), format="d", grid=False, labelOverlap="greedy")
    return alt.X(f"{field}:Q", scale=alt.Scale(type="log", domain=domain, nice=False), axis=axis)


def step_axis(title: str) -> alt.Axis:
    """Make an axis of whole steps."""
    return alt.Axis(title=title, grid=False, tickCount=4, format="~d")


# -- seeds -------------------------------------------------------------------------------------------------------------


def shown(topics: Iterable[Topic]) -> list[str]:
    """List the models of some topics, in the report's order."""
    return list(dict.fromkeys(label for topic in topics for label in topic.labels))


def seed_rows(label: str, length: int, values: Sequence[float]) -> list[Row]:
    """Make the rows of several seeds at one length: their median and, where n > 1, every value."""
    base = {"model": label, "length": length, "n": len(values)}
    typical = [base | {"kind": "middle", "value": middle(values)}] if values else []
    return [*typical, *(base | {"kind": "seed", "value": value} for value in values if len(values) > 1)]


def line_of(label: str) -> str:
    """Name the line of a model."""
    return f"line of {label}"


def joined(rows: Iterable[Row], lengths: Iterable[float]) -> list[Row]:
    """Make the rows of lines through points of one kind: only neighbours among `lengths` are joined.

    A length at which a model has no point breaks its line; `piece` tells the parts apart.
    """
    place = {length: number for number, length in enumerate(sorted(set(lengths)))}
    last: dict[str, int] = {}
    piece = 0
    out = []
    for row in sorted(rows, key=lambda row: (row["model"], row["length"])):
        at = place[row["length"]]
        piece += last.get(row["model"]) != at - 1
        last[row["model"]] = at
        out.append(row | {"line": line_of(row["model"]), "piece": piece})
    return out


def count_line(counts: Iterable[int]) -> str:
    """Say how many seeds stand at a point."""
    every = set(counts) - {0}
    if every == {1}:
        return "n = 1 seed"
    return f"n = {span(every)} seeds: median, every value as a dot"


def span(counts: Iterable[int]) -> str:
    """Write `3`, or `3 to 5`."""
    every = sorted(set(counts))
    return str(every[0]) if len(every) == 1 else f"{every[0]} to {every[-1]}"


def across(panels: int) -> int:
    """Say how many panels stand side by side, so that none is left alone in a row."""
    return 2 if panels == 4 else min(3, panels)


def seeds_line(counts: Iterable[int]) -> str:
    """Say how many seeds a line has, and how they are drawn."""
    every = sorted(set(counts))
    if not every or every == [1]:
        return "n = 1 seed: no spread can be shown"
    return f"n = {span(every)} seeds: their median, every seed as a thin line, range (min–max) as a band"
