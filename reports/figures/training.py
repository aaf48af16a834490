"""Figure of the gradient norm at every training step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from statistics import median
from typing import Any

import altair as alt

from bench.records.recipe import Recipe
from bench.records.result import Result
from reports.figures.drawing import FAINT, PAGE, Look, Row, Sheet, Spec, grid, panel, panel_title, power_axis
from reports.view.topics import Topic

BINS = 100  # stretches of steps that a panel shows
CLIPPED = "#111111"


def norm_per_step(topic: Topic, models: Mapping[str, Look]) -> Spec:
    """Gradient norm before clipping per training step, a row per model, a column per length; clipped steps marked."""
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
    width = PAGE / max(2, len(lengths)) - 24
    panels = [
        _panel(sheet, runs[label, n], label, n, (max(low, -8), min(high, 8)), width, n == lengths[0])
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
    return sheet.finish(
        grid(panels, len(lengths), spacing=10), f"{topic.title}: gradient norm per training step", lines
    )


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
    """The norms in at most BINS stretches of steps: first and last step (from 1), least, median and largest norm as
    powers of ten, and how many steps were clipped. A norm that is 0 or not finite has no place on the axis."""
    size = -(-len(norms) // BINS) or 1
    rows = []
    for start in range(0, len(norms), size):
        values = [value for value in norms[start : start + size] if value]
        if values:
            rows.append({
                "step": start + 1,
                "to": min(start + size, len(norms)),
                "low": log10(min(values)),
                "middle": log10(median(values)),
                "high": log10(max(values)),
                "clipped": sum(clip is not None and value > clip for value in values),
            })  # fmt: skip
    return rows


def _panel(
    sheet: Sheet, run: Result | None, label: str, length: int, domain: tuple[int, int], width: float, leftmost: bool
) -> Spec:
    limit = run.cell.recipe.largest_norm if run else None
    rows = [row | {"model": label} for row in stretches(run.curves.gradient_norm, limit)] if run else []
    heading = f"{label}, T = {length:,}" + ("" if run else ": no record")
    if run and run.cell.recipe.clip is not None:
        heading += f" · {100 * run.curves.clipped / len(run.curves.gradient_norm):.0f} % clipped"
    axis = power_axis("norm" if leftmost else None, *domain, labels=leftmost)
    scale = alt.Scale(domain=domain, nice=False, clamp=True)
    x = alt.X("step:Q", axis=alt.Axis(title="training step", grid=False, tickCount=4, format="~d"))
    colour = sheet.colour(legend=False)
    chart = alt.Chart(sheet.data(rows))
    layers: list[Any] = [
        chart.mark_area(opacity=0.25, interpolate="step-after").encode(
            x=x, y=alt.Y("low:Q", scale=scale, axis=axis), y2="high:Q", color=colour
        ),
        chart.mark_line(strokeWidth=1.5).encode(x=x, y=alt.Y("middle:Q", scale=scale, axis=axis), color=colour),
    ]
    if limit is not None:
        clip = log10(limit)
        acted = [row | {"clip": clip} for row in rows if row["clipped"]]
        layers += [
            alt.Chart(sheet.data([{"clip": clip}]))
            .mark_rule(color=FAINT, strokeDash=[3, 3])
            .encode(y=alt.Y("clip:Q", scale=scale, axis=axis)),
            alt.Chart(sheet.data(acted))
            .mark_rule(color=CLIPPED, strokeWidth=1.6)
            .encode(x=x, y=alt.Y("clip:Q", scale=scale, axis=axis), y2="high:Q"),
        ]
    return panel(layers, width, 80, panel_title(heading))
