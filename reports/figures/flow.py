"""Figures of gradient flow: norm against distance, and the same through training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import altair as alt

from reports.figures import drawing
from reports.figures.drawing import Drawing, Looks, Row, Sheet, Spec
from reports.summary import profiles
from reports.summary.profiles import Point
from reports.view import Topic

NAMES = {"hidden": "hidden state", "cell": "cell state", "context": "context vector"}
ACROSS = 3  # panels in a row


@dataclass(frozen=True)
class _Series:
    """One model's line in one panel: over its seeds, and seed by seed."""

    label: str
    points: list[Point]
    seeds: dict[int, list[Point]]


@dataclass(frozen=True)
class _Panel:
    """One length at one moment."""

    title: str
    series: list[_Series]
    longest: int
    reach: int
    credit: dict[int, float]  # distance -> true credit, the largest 1


def against_distance(topic: Topic, quantity: str, models: Looks) -> Drawing:
    """Draw gradient norm against distance: one panel per length and moment (initialisation, end), a line per model."""
    rows = [_moment(topic, quantity, last) for last in (False, True)]
    everything = [view for row in rows for view in row]
    low, high = _domain(everything)
    shown = [label for label in topic.labels if any(s.label == label for view in everything for s in view.series)]
    sheet = Sheet(models, shown)
    drawn = []
    for row in rows:
        across = min(ACROSS, len(row))
        charts = [_drawn(sheet, view, low, high, drawing.PAGE / max(across, 2) - 20) for view in row]
        drawn += [drawing.grid(charts, across, once=("title", "labels"))] if charts else []
    counts = [len(series.seeds) for view in everything for series in view.series]
    lines = [
        f"Norm of the derivative of the answer with respect to the {named(quantity)} k steps earlier; median over "
        "the probed sequences. On this log scale an exponential is a straight line.",
        "Grey wedge: slopes called healthy, 1e-6 to 1e3 over the task's reach (dotted). Triangles at the edge: beyond "
        "the axis, or exactly 0.",
        drawing.seeds_line(counts) + _credit_note(everything),
    ]
    return sheet.finish(drawn, f"{topic.title}: gradient of the {named(quantity)}", lines)


def _credit_note(panels: Sequence[_Panel]) -> str:
    if not any(view.credit for view in panels):
        return ""
    return ". Bars hanging from the top: where the task's true credit lies (linear)."


def named(quantity: str) -> str:
    """Write a quantity in words."""
    number = quantity.removeprefix("residual.")
    if number != quantity:
        return f"input of block {number}"
    return NAMES.get(quantity, quantity)


def _moment(topic: Topic, quantity: str, last: bool) -> list[_Panel]:
    """One panel per length that holds the quantity at this moment."""
    panels = []
    for length in topic.lengths:
        series, records = [], []
        for line in topic.lines:
            results = [r for r in line.seeds(length) if r.gradient_flow and quantity in r.gradient_flow[0].profiles]
            results = profiles.trained(results) if last else results
            if results:
                seeds = {r.cell.seed: profiles.over_seeds(profiles.flows([r], last), quantity) for r in results}
                series.append(_Series(line.label, profiles.over_seeds(profiles.flows(results, last), quantity), seeds))
                records += profiles.flows(results, last)
        if not records:
            continue
        longest = max(records[0].distances)
        moment = "after training" if last else "at initialisation"
        credit = {k: share for k, share in zip(records[0].distances, records[0].credit, strict=False) if share > 0}
        panels.append(_Panel(f"T = {length:,}, {moment}", series, longest, records[0].reach or longest, credit))
    return panels


def _domain(panels: Sequence[_Panel]) -> tuple[float, float]:
    """Low and high end of the axis, whole powers of ten: the data and the wedge, between 1e-16 and 1e6."""
    values = [point for view in panels for series in view.series for point in series.points]
    low = min([profiles.VANISHING, *(point.low for point in values)])
    high = max([profiles.EXPLODING, *(point.high for point in values)])
    if any(view.credit for view in panels):
        high += 2  # room for the bars of true credit
    return floor(max(profiles.LOWEST, low)), ceil(min(profiles.HIGHEST, high))


def _drawn(sheet: Sheet, view: _Panel, low: float, high: float, width: float) -> Spec:
    below = alt.Axis(title="distance k (steps back)", grid=False, tickCount=5, format="~d")
    x = alt.X("distance:Q", scale=alt.Scale(domain=[0, view.longest], nice=False), axis=below)
    axis = drawing.power_axis("gradient norm", low, high)
    y = alt.Y("drawn:Q", scale=alt.Scale(domain=[low, high], nice=False), axis=axis)
    layers = [*_background(sheet, view, low, high, x, y), *_lines(sheet, view, low, high, x, y)]
    return drawing.panel(layers, width, 200, drawing.panel_title(view.title))


def _background(sheet: Sheet, view: _Panel, low: float, high: float, x: alt.X, y: alt.Y) -> list[Any]:
    """Wedge of the verdict, reach, true credit."""
    wedge = sheet.data([
        {"distance": 0, "drawn": 0, "to": 0},
        {"distance": view.reach, "drawn": profiles.VANISHING, "to": profiles.EXPLODING},
    ])  # fmt: skip
    layers: list[Any] = [
        alt.Chart(wedge).mark_area(color=drawing.SHADE, opacity=0.07).encode(x=x, y=y, y2=alt.Y2("to:Q")),
        alt.Chart(sheet.data([{"distance": view.reach}])).mark_rule(color=drawing.FAINT, strokeDash=[1, 3]).encode(x=x),
    ]
    if view.credit:
        deep = 0.1 * (high - low)
        rows = [{"distance": k, "credit": c, "drawn": high, "to": high - deep * c} for k, c in view.credit.items()]
        bars = alt.Chart(sheet.data(rows)).mark_rule(color=drawing.INK, strokeWidth=2, opacity=0.75)
        layers.append(bars.encode(x=x, y=y, y2=alt.Y2("to:Q")))
    return layers


def _lines(sheet: Sheet, view: _Panel, low: float, high: float, x: alt.X, y: alt.Y) -> list[Any]:
    middle: list[Row] = []
    thin: list[Row] = []
    bands: list[Row] = []
    marks: list[Row] = []
    for series in view.series:
        middle += _joined(series.label, series.points, low, high)
        marks += _marks(series.label, series.points, low, high)
        if len(series.seeds) > 1:
            for seed, points in series.seeds.items():
                thin += [row | {"seed": seed} for row in _joined(series.label, points, low, high)]
            for point in series.points:
                least, largest = (profiles.cut(value, low, high) for value in (point.low, point.high))
                bands.append({"model": series.label, "distance": point.distance, "drawn": least, "to": largest})
    colour, dash = sheet.colour(), sheet.dash()
    layers: list[Any] = []
    if bands:
        layers.append(
            alt.Chart(sheet.data(bands)).mark_area(opacity=0.15).encode(x=x, y=y, y2=alt.Y2("to:Q"), color=colour)
        )
        seeds = alt.Chart(sheet.data(thin)).mark_line(strokeWidth=0.6, opacity=0.7)
        layers.append(seeds.encode(x=x, y=y, color=colour, detail=[alt.Detail("seed:N"), alt.Detail("piece:N")]))
    line = alt.Chart(sheet.data(middle)).mark_line(strokeWidth=2)
    layers.append(line.encode(x=x, y=y, color=colour, strokeDash=dash, detail=alt.Detail("piece:N")))
    if marks:
        edge = alt.Chart(sheet.data(marks)).mark_text(fontSize=13, clip=False)
        layers.append(edge.encode(x=x, y=y, text=alt.Text("mark:N"), color=colour))
    return layers


def _joined(label: str, points: Sequence[Point], low: float, high: float) -> list[Row]:
    """Rows of a line. log10_norm is the value itself (null for 0 or not finite), drawn where the line goes."""
    return [
        {
            "model": label,
            "distance": point.distance,
            "log10_norm": point.middle if abs(point.middle) < float("inf") else None,
            "drawn": profiles.cut(point.middle, low, high),
            "piece": number,
        }
        for number, piece in enumerate(profiles.pieces(points, low, high))
        for point in piece
    ]


def _marks(label: str, points: Sequence[Point], low: float, high: float) -> list[Row]:
    return [
        {"model": label, "distance": k, "drawn": high if above else low, "mark": "▲" if above else "▼"}
        for k, above in profiles.departures(points, low, high)
    ]
