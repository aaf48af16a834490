"""Where the panels of a figure go: a drawing and a medium make a Vega-Lite specification."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

Spec: TypeAlias = dict[str, Any]  # a Vega-Lite specification, its data under `datasets`
Row: TypeAlias = dict[str, Any]

PAGE = 860  # units that the panels of one row share on the report's page
LEAST_TEXT = 11  # units: no text of a figure is smaller, so the least size of a medium's text tells what a unit is
BOLD, PLAIN = 0.58, 0.52  # typical width of a letter, as a share of its size
AXIS = 60  # units that a vertical axis takes, with its title
MARGIN = 12  # units around a figure
APART = 5  # units between two labels of an axis
BESIDE = 230  # units that a colour scale leaves to its name and to the axis above it


@dataclass(frozen=True)
class Grid:
    """Panels side by side, wrapped after `columns`.

    once: parts of the vertical axis (`title`, `labels`) that only the leftmost panel of a row shows.
    """

    panels: Sequence[Spec]
    columns: int
    spacing: int = 14
    once: Sequence[str] = ()

    def rows(self, columns: int) -> list[Sequence[Spec]]:
        """Cut the panels into rows."""
        return [self.panels[start : start + columns] for start in range(0, len(self.panels), columns)]


@dataclass(frozen=True)
class Drawing:
    """What a figure shows, before it has a place: grids one below the other, title, caption and data."""

    title: str
    caption: Sequence[str]
    grids: Sequence[Grid]
    spacing: int
    datasets: dict[str, list[Row]]


class Place(NamedTuple):
    """How a drawing is laid out. width: of the whole figure, in units. across: panels in a row at most. panel: width
    of each; None: as drawn. height: factor of their heights. head, captioned: whether title and caption are shown."""

    width: float = PAGE
    across: int = 1000
    panel: float | None = None
    height: float = 1.0
    head: bool = True
    captioned: bool = True


ON_PAGE = Place()


def spec(drawing: Drawing, place: Place = ON_PAGE) -> Spec:
    """Lay out a drawing as a Vega-Lite specification."""
    bodies = [_grid(grid, place) for grid in drawing.grids]
    body = bodies[0] if len(bodies) == 1 else {"vconcat": bodies, "spacing": drawing.spacing}
    made: Spec = {"$schema": SCHEMA, "background": "white", "padding": MARGIN, "config": CONFIG | _legends(body, place)}
    if place.head:
        title = wrapped(drawing.title, place.width - 2 * MARGIN, 16, BOLD)
        made["title"] = {"text": title, "anchor": "start", "offset": 10}
        if place.captioned:
            lines = [line for said in drawing.caption for line in wrapped(said, place.width, 12)]
            made["title"]["subtitle"] = lines
    return {**made, **body, "datasets": drawing.datasets}


def wrapped(text: str, width: float, size: float, letter: float = PLAIN) -> list[str]:
    """Break a text of this size into lines of so many units; `T = 100` stays whole."""
    joined = text.replace(" = ", "\u00a0=\u00a0")
    lines = textwrap.wrap(joined, max(8, int(width / (letter * size))), break_long_words=False) or [""]
    return [line.replace("\u00a0", " ") for line in lines]


def _grid(grid: Grid, place: Place) -> Spec:
    columns = max(1, min(grid.columns, place.across))
    rows = grid.rows(columns)
    below = _common_title(grid.panels, "x")
    panels = []
    for number, row in enumerate(rows):
        for column, drawn in enumerate(row):
            last = number + 1 == len(rows) or column >= len(rows[number + 1])
            hidden = [] if column == 0 else grid.once
            panels.append(_placed(drawn, place, hidden, below and not last))
    return {"concat": panels, "columns": columns, "spacing": grid.spacing}


def _placed(drawn: Spec, place: Place, hidden: Sequence[str], untitled: bool) -> Spec:
    """A panel in its place: its size, its texts broken into lines, its axes as far as they are shown."""
    width = drawn["width"] if place.panel is None else round(place.panel)
    height = round(drawn["height"] * place.height)
    layers = [
        layer | {"encoding": _encoding(layer["encoding"], width, height, place, hidden, untitled)}
        for layer in drawn["layer"]
    ]
    title = dict(drawn["title"])
    title["text"] = wrapped(title["text"], width + 24, title.get("fontSize", 13), BOLD) if title["text"] else ""
    if "subtitle" in title:
        title["subtitle"] = [line for said in title["subtitle"] for line in wrapped(said, width + 24, LEAST_TEXT)]
    return drawn | {"layer": layers, "width": width, "height": height, "title": title}


def _encoding(encoding: Spec, width: float, height: float, place: Place, hidden: Sequence[str], untitled: bool) -> Spec:
    made = dict(encoding)
    for channel, room in (("x", width), ("y", height)):
        axis = (made.get(channel) or {}).get("axis")
        if axis:
            axis = dict(axis)
            if channel == "y":
                axis |= {part: {"title": None, "labels": False}[part] for part in hidden}
                axis |= {"minExtent": 0} if "labels" in hidden else {}
            elif untitled:
                axis["title"] = None
            if axis.get("title"):
                axis["title"] = wrapped(axis["title"], room + 24, 12)
            scale = made[channel].get("scale") or {}
            if channel == "x" and scale.get("type") == "log" and axis.get("values"):
                axis |= _labelled(axis["values"], scale["domain"], width)
            made[channel] = made[channel] | {"axis": axis}
    legend = (made.get("color") or {}).get("legend")
    if legend and "gradientLength" in legend:
        length = min(legend["gradientLength"], place.width - BESIDE)
        made["color"] = made["color"] | {"legend": legend | {"gradientLength": length}}
    return made


def _labelled(values: Sequence[float], domain: Sequence[float], width: float) -> Spec:
    """Label what has room on a log axis, the largest first: lengths are asked for because of the longest."""
    low, high = map(math.log, domain)
    kept: list[float] = []
    free = math.inf
    for value in sorted(values, reverse=True):
        middle = width * (math.log(value) - low) / (high - low)
        half = len(f"{value:g}") * LEAST_TEXT * PLAIN / 2
        if middle + half <= free:
            kept.append(value)
            free = middle - half - APART
    if len(kept) == len(values):
        return {}
    return {"labelExpr": f"indexof({kept}, datum.value) < 0 ? '' : datum.label", "labelOverlap": False}


def encodings(drawn: Spec) -> Iterator[Spec]:
    """Go through the encodings of a panel's layers."""
    return (layer["encoding"] for layer in drawn["layer"])


def _common_title(panels: Sequence[Spec], channel: str) -> bool:
    """Whether all panels have one title of this axis, so that the lowest may show it for those above."""
    titles = {
        str(encoding[channel]["axis"].get("title"))
        for drawn in panels
        for encoding in encodings(drawn)
        if (encoding.get(channel) or {}).get("axis")
    }
    return len(titles) == 1


def _legends(body: Spec, place: Place) -> Spec:
    """Break a legend that is wider than the figure into rows."""
    grids = body.get("vconcat", [body])
    names = [
        name
        for grid in grids
        for drawn in grid["concat"]
        for encoding in encodings(drawn)
        if (encoding.get("color") or {}).get("legend")
        for name in (encoding["color"].get("scale") or {}).get("domain", [])
        if isinstance(name, str)
    ]
    if not names:
        return {}
    each = [len(name) * 13 * PLAIN + 52 for name in dict.fromkeys(names)]
    fitting = (  # a column is as wide as its widest entry
        columns
        for columns in range(1, len(each) + 1)
        if sum(max(each[column::columns]) for column in range(columns)) <= place.width - 60
    )
    columns = max(fitting, default=1)
    return {} if columns == len(each) else {"legend": CONFIG["legend"] | {"columns": columns}}


SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
INK = "#333333"
CONFIG: dict[str, Any] = {
    "font": "Helvetica, Arial, sans-serif",
    "view": {"stroke": "#cccccc"},
    "axis": {
        "grid": True, "gridColor": "#eeeeee", "domainColor": "#888888", "tickColor": "#888888", "labelColor": INK,
        "titleColor": INK, "labelFontSize": LEAST_TEXT, "titleFontSize": 12, "titleFontWeight": "normal",
        "labelSeparation": 4,
    },
    "title": {
        "fontSize": 16, "subtitleFontSize": 12, "subtitleColor": "#555555", "color": "#111111",
        "subtitleLineHeight": 16, "subtitlePadding": 6,
    },
    "legend": {"labelFontSize": 13, "labelLimit": 0, "titleFontSize": 12, "labelColor": INK},
}  # fmt: skip
