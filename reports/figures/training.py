"""Figures through training: gradient flow as colour over step and distance, gradient norm at every step."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Any

import altair as alt

from bench.records.recipe import Recipe
from bench.records.result import Result
from reports.figures import drawing
from reports.figures.drawing import Drawing, Looks, Row, Sheet, Spec
from reports.figures.flow import named
from reports.summary import statistics
from reports.summary.profiles import HIGHEST, LOWEST, cut, over_seeds, trained
from reports.view import Topic

COLOURS = ["#08306b", "#4292c6", "#f7f7f7", "#b2182b"]  # at 1e-16, 1e-8, 1, 1e6
THIN = 48  # distances in a heat map
BINS = 100  # stretches of steps that a panel shows
CLIPPED = "#111111"


def through_training(topic: Topic, quantity: str, models: Looks) -> Drawing:
    """Draw gradient norm as colour over training step and distance: a row per length, a column per model."""
    sheet = Sheet(models, topic.labels)
    cells = {
        (length, line.label): next((r for r in trained(line.seeds(length)) if _holds(r, quantity)), None)
        for length in topic.lengths
        for line in topic.lines
    }  # fmt: skip
    lengths = [n for n in topic.lengths if any(cells[n, label] for label in topic.labels)]
    labels = [label for label in topic.labels if any(cells[n, label] for n in lengths)]
    width = (drawing.PAGE - 40) / max(3, len(labels)) - 22
    panels = [
        _heat(sheet, cells[length, label], quantity, f"{label}, T = {length:,}", width)
        for length in lengths
        for label in labels
    ]
    seeds = {line_seeds for line in topic.lines for n in lengths if (line_seeds := len(trained(line.seeds(n))))}
    which = "n = 1 seed" if seeds <= {1} else "the first of several seeds"
    lines = [
        f"Colour: norm of the derivative of the answer with respect to the {named(quantity)} k steps earlier; {which}.",
        "Rows: training steps at which it was measured, initialisation at the top. Red explodes, blue vanishes; "
        "beyond 1e-16 and 1e6 the colour stays.",
    ]  # fmt: skip
    title = f"{topic.title}: gradient of the {named(quantity)} through training"
    return sheet.finish(drawing.grid(panels, len(labels), spacing=10, once=("title",)), title, lines)


def _holds(result: Result, quantity: str) -> bool:
    return quantity in result.gradient_flow[0].profiles


def _heat(sheet: Sheet, result: Result | None, quantity: str, title: str, width: float) -> Spec:
    rows: list[Row] = []
    steps: list[int] = []
    for flow in result.gradient_flow if result else ():
        points = over_seeds([flow], quantity)
        kept = points[:: -(-len(points) // THIN)]
        # Every rectangle runs on below the next: no white seams between smoothed edges.
        ends = [*(point.distance for point in kept[2:]), *[points[-1].distance + 1] * 2]
        steps.append(flow.step)
        rows += [
            {
                "step": flow.step,
                "distance": point.distance,
                "to": end,
                "log10_norm": point.middle if abs(point.middle) < float("inf") else None,
                "drawn": cut(point.middle, LOWEST, HIGHEST),
            }
            for point, end in zip(kept, ends[-len(kept) :], strict=True)
        ]
    axis = alt.Axis(title="training step", minExtent=32, grid=False, labelOverlap="parity")
    scale = drawing.colour_scale([LOWEST, -8, 0, HIGHEST], COLOURS)
    legend = drawing.gradient_legend(320, values=[-16, -12, -8, -4, 0, 4], labelExpr=drawing.POWER_LABEL)
    colour = alt.Color("drawn:Q", title="gradient norm", scale=scale, legend=legend)
    longest = max((row["to"] for row in rows), default=1)
    axis_below = alt.Axis(title="distance k", grid=False, tickCount=3, format="~d")
    x = alt.X("distance:Q", axis=axis_below, scale=alt.Scale(domain=[0, longest], nice=False))
    y = alt.Y("step:O", sort=steps, axis=axis)
    encoded = alt.Chart(sheet.data(rows)).mark_rect().encode(x=x, x2=alt.X2("to:Q"), y=y, color=colour)
    return drawing.panel(
        [encoded], width, max(84, 14 * len(steps)), drawing.panel_title(title if result else f"{title}: no record")
    )


# -- gradient norm at every step ---------------------------------------------------------------------------------------


def norm_per_step(topic: Topic, models: Looks) -> Drawing:
    """Draw gradient norm before clipping per training step: a row per model, a column per length."""
    runs = {
        (line.label, length): next((r for r in line.seeds(length) if r.curves.gradient_norm), None)
        for line in topic.lines
        for length in topic.lengths
    }
    labels = [label for label in topic.labels if any(runs[label, n] for n in topic.lengths)]
    lengths = [n for n in topic.lengths if any(runs[label, n] for label in labels)]
    norms = [v for run in runs.values() if run for v in run.curves.gradient_norm if v]
    low, high = floor(log10(min(norms))), ceil(log10(max(norms)))
    sheet = Sheet(models, labels)
    width = drawing.PAGE / max(2, len(lengths)) - 24
    panels = [
        _panel(sheet, runs[label, n], label, n, (max(low, -8), min(high, 8)), width)
        for label in labels
        for n in lengths
    ]
    several = any(len(line.seeds(n)) > 1 for line in topic.lines for n in lengths)
    clips = [run.cell.recipe for run in runs.values() if run]
    lines = [
        f"Total gradient norm before clipping, in at most {BINS} stretches of steps: median (line), least to largest "
        "(band); " + ("the first of several seeds" if several else "n = 1 seed"),
        _clipping(clips),
    ]
    title = f"{topic.title}: gradient norm per training step"
    return sheet.finish(drawing.grid(panels, len(lengths), spacing=10, once=("title", "labels")), title, lines)


def _clipping(recipes: Sequence[Recipe]) -> str:
    """What a figure says of clipping. By value, the norms do not tell which steps were clipped."""
    if any(recipe.largest_norm is not None for recipe in recipes):
        return (
            "Black: stretches in which a step was clipped, up to their largest norm; the titles say the share of all "
            "steps."
        )
    if any(recipe.clip is not None for recipe in recipes):
        return "Gradients were clipped element by element; the titles say the share of all steps."
    return "Nothing was clipped: clipping was off."


def stretches(norms: tuple[float | None, ...], clip: float | None) -> list[Row]:
    """Cut norms into at most BINS stretches of steps: first and last step (from 1), least, median and largest norm as
    powers of ten, and how many steps were clipped. A norm that is 0 or not finite has no place on the axis."""
    size = -(-len(norms) // BINS) or 1
    rows = []
    for start, part in zip(range(0, len(norms), size), statistics.stretches(norms, size), strict=True):
        if values := [value for value in part if value]:
            rows.append({
                "step": start + 1,
                "to": min(start + size, len(norms)),
                "low": log10(min(values)),
                "middle": log10(statistics.middle(values)),
                "high": log10(max(values)),
                "clipped": sum(clip is not None and value > clip for value in values),
            })  # fmt: skip
    return rows


def _panel(sheet: Sheet, run: Result | None, label: str, length: int, domain: tuple[int, int], width: float) -> Spec:
    largest = run.cell.recipe.largest_norm if run else None
    rows = [row | {"model": label} for row in stretches(run.curves.gradient_norm, largest)] if run else []
    heading, below = f"{label}, T = {length:,}" + ("" if run else ": no record"), []
    if run and run.cell.recipe.clip is not None:
        below.append(f"{100 * run.curves.clipped / len(run.curves.gradient_norm):.0f} % clipped")
    axis = drawing.power_axis("norm", *domain)
    low, middle, limit = (
        alt.Y(f"{name}:Q", scale=alt.Scale(domain=domain, nice=False, clamp=True), axis=axis)
        for name in ("low", "middle", "clip")
    )
    x = alt.X("step:Q", axis=alt.Axis(title="training step", grid=False, tickCount=4, format="~d"))
    colour = sheet.colour(legend=False)
    chart = alt.Chart(sheet.data(rows))
    layers: list[Any] = [
        chart.mark_area(opacity=0.25, interpolate="step-after").encode(x=x, y=low, y2=alt.Y2("high:Q"), color=colour),
        chart.mark_line(strokeWidth=1.5).encode(x=x, y=middle, color=colour),
    ]
    if largest is not None:
        clip = log10(largest)
        acted = [row | {"clip": clip} for row in rows if row["clipped"]]
        rule = alt.Chart(sheet.data([{"clip": clip}])).mark_rule(color=drawing.FAINT, strokeDash=[3, 3])
        bars = alt.Chart(sheet.data(acted)).mark_rule(color=CLIPPED, strokeWidth=1.6)
        layers += [rule.encode(y=limit), bars.encode(x=x, y=limit, y2=alt.Y2("high:Q"))]
    return drawing.panel(layers, width, 80, drawing.panel_title(heading, *below))
