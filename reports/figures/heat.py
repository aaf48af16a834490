"""Figure of gradient flow through training: colour over training step and distance."""

from __future__ import annotations

import altair as alt

from bench.records.result import Result
from reports.figures.drawing import PAGE, POWER_LABEL, Looks, Row, Sheet, Spec, grid, panel, panel_title
from reports.figures.flow import named
from reports.summary.profiles import HIGHEST, LOWEST, cut, over_seeds, trained
from reports.view.topic import Topic

COLOURS = ["#08306b", "#4292c6", "#f7f7f7", "#b2182b"]  # at 1e-16, 1e-8, 1, 1e6
THIN = 48  # distances in a heat map


def through_training(topic: Topic, quantity: str, models: Looks) -> Spec:
    """Gradient norm as colour over training step and distance: a row per length, a column per model."""
    sheet = Sheet(models, topic.labels)
    cells = {
        (length, line.label): next((r for r in trained(line.seeds(length)) if _holds(r, quantity)), None)
        for length in topic.lengths
        for line in topic.lines
    }  # fmt: skip
    lengths = [n for n in topic.lengths if any(cells[n, label] for label in topic.labels)]
    labels = [label for label in topic.labels if any(cells[n, label] for n in lengths)]
    width = (PAGE - 40) / max(3, len(labels)) - 22
    panels = [
        _heat(sheet, cells[length, label], quantity, f"{label}, T = {length:,}", width, label == labels[0])
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
    return sheet.finish(grid(panels, len(labels), spacing=10), title, lines)


def _holds(result: Result, quantity: str) -> bool:
    return quantity in result.gradient_flow[0].profiles


def _heat(sheet: Sheet, result: Result | None, quantity: str, title: str, width: float, leftmost: bool) -> Spec:
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
    axis = alt.Axis(title="training step" if leftmost else None, minExtent=32, labelFontSize=10, grid=False)
    colour = alt.Color(
        "drawn:Q",
        title="gradient norm",
        scale=alt.Scale(domain=[LOWEST, -8, 0, HIGHEST], range=COLOURS, clamp=True),
        legend=alt.Legend(
            orient="bottom", direction="horizontal", gradientLength=320, values=[-16, -12, -8, -4, 0, 4],
            labelExpr=POWER_LABEL, titleOrient="left", titleLimit=200,
        ),
    )  # fmt: skip
    x = alt.X("distance:Q", axis=alt.Axis(title="distance k", grid=False, tickCount=3, format="~d"))
    longest = max((row["to"] for row in rows), default=1)
    y = alt.Y("step:O", sort=steps, axis=axis)
    chart = alt.Chart(sheet.data(rows)).mark_rect()
    encoded = chart.encode(x=x.scale(domain=[0, longest], nice=False), x2="to:Q", y=y, color=colour)
    return panel([encoded], width, max(84, 14 * len(steps)), panel_title(title if result else f"{title}: no record"))
