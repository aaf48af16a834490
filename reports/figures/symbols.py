"""Figures of gates and attention at chosen steps of a sequence, with the symbols that were read there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import altair as alt

from bench.records.result import Closeup
from reports.figures import drawing
from reports.figures.drawing import Drawing, Looks, Sheet, Spec
from reports.figures.inside import ROW, colour, rows_are
from reports.text.inside import FAINTEST, answers, columns, named, read
from reports.view.topic import Line, Topic

ANSWER = 18  # units that an answered step takes: room for its symbols, also where panels are flatter
LEFT_OUT = "#dddddd"  # where steps are left out: neither white nor blue


def lines_with_symbols(topic: Topic, attention: bool) -> list[Line]:
    """Pick the models of which some steps were recorded with their symbols."""
    return [line for line in topic.lines if any(_held(line, n, attention) for n in topic.lengths)]


def _held(line: Line, length: int, attention: bool) -> Closeup | None:
    """The closeup of the first seed, if it shows attention, or gates."""
    closeup = next((result.closeup for result in line.seeds(length) if result.closeup), None)
    return closeup if closeup and _shown(closeup, attention) else None


def _shown(closeup: Closeup, attention: bool) -> dict[str, tuple[tuple[int, ...], ...]]:
    return closeup.attention if attention else closeup.gates


def with_symbols(topic: Topic, line: Line, attention: bool, models: Looks) -> Drawing:
    """Draw gates or attention at chosen steps, with the symbols that were read there; a row per length."""
    sheet = Sheet(models, [])
    panels = []
    for length in topic.lengths:
        closeup = _held(line, length, attention)
        shown = _shown(closeup, attention) if closeup else {}
        for name, rows in shown.items():
            assert closeup is not None
            title = f"{named(name)}, T = {length:,}"
            panels.append(_panel(sheet, closeup, rows, attention, title, last=name == [*shown][-1]))
    lines = [
        "The sequence's first steps, its last ones, and those between that its last answer depends on most; grey: "
        f"steps left out. One validation sequence after training, one seed. {rows_are(attention)}",
        "Below each column: what is read at that step."
        + (" Beside each row: what is read there → what is asked." if attention else ""),
    ]
    what = "attention weights" if attention else "gates"
    return sheet.finish(drawing.grid(panels, 1, spacing=8), f"{topic.title}, {line.label}: {what} and symbols", lines)


def _panel(
    sheet: Sheet, closeup: Closeup, values: Sequence[Sequence[int]], attention: bool, title: str, last: bool
) -> Spec:
    """One picture over chosen steps. last: whether the symbols stand below."""
    places, texts, least = columns(closeup), read(closeup), FAINTEST if attention else 0
    gaps = [{"step": column, "to": column + 1} for column, place in enumerate(places) if place is None]
    # Every rectangle runs on below the next, so that no white seam is left between smoothed edges.
    ends = [column + (2 if right is not None else 1) for column, right in enumerate([*places[1:], None])]
    rows = [
        {
            "step": column,
            "to": ends[column],
            "row": number,
            "below": number + 1,
            "percent": max(row[place] / 100, least),
        }
        for number, row in enumerate(values)
        for column, place in enumerate(places)
        if place is not None
    ]
    x = _places("x", "step", ["…" if place is None else texts[place] for place in places], last)
    beside = answers(closeup) if attention else [str(number + 1) for number in range(len(values))]
    y = _places("y", "row", beside, True, "answer" if attention else "unit")
    shape = alt.Chart(sheet.data(rows)).mark_rect().encode(x=x, x2=alt.X2("to:Q"), y=y, y2=alt.Y2("below:Q"))
    left_out = alt.Chart(sheet.data(gaps)).mark_rect(color=LEFT_OUT).encode(x=x, x2=alt.X2("to:Q"))
    layers = [left_out, shape.encode(color=colour(attention))]
    height = (ANSWER if attention else ROW) * max(4, len(values))
    return drawing.panel(layers, drawing.PAGE - 80, height, drawing.panel_title(title))


def _places(axis: str, field: str, texts: Sequence[str], labelled: bool, title: str | None = None) -> Any:
    """Make an axis of cells 0, 1, 2 …, a text in the middle of each; texts of several letters stand on end."""
    kind = {"x": alt.X, "y": alt.Y}[axis]
    long = axis == "x" and max(map(len, texts)) > 2
    shown = alt.Axis(
        title=title, grid=False, ticks=False, labels=labelled, labelAngle=-90 if long else 0, labelLimit=110,
        values=[place + 0.5 for place in range(len(texts))], labelExpr=f"{json.dumps(list(texts))}[floor(datum.value)]",
        labelOverlap=axis == "y" and "parity", labelFont="monospace",
    )  # fmt: skip
    scale = alt.Scale(domain=[0, len(texts)], nice=False, reverse=axis == "y")
    return kind(f"{field}:Q", scale=scale, axis=shown)
