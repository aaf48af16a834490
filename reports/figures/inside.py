"""Figures of a model's inside on one sequence: gates, attention weights, with the symbols that were read."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from bench.records.result import Picture, Result
from reports.figures import drawing
from reports.figures.drawing import Drawing, Looks, Row, Sheet, Spec
from reports.text.inside import FAINTEST, is_attention, named, percent, said_of
from reports.view.topic import Line, Topic

WHITE_TO_BLUE = ["#ffffff", "#6baed6", "#08306b"]
ROW = 12  # units that a unit or an answered step takes


def _pictured(line: Line, length: int) -> Result | None:
    """The first seed that holds pictures."""
    return next((result for result in line.seeds(length) if result.pictures), None)


def lines_with_pictures(topic: Topic, attention: bool) -> list[Line]:
    """Pick the models of which gates, or attention weights, were recorded."""
    return [line for line in topic.lines if any(is_attention(name) == attention for name in _names(topic, line))]


def _names(topic: Topic, line: Line) -> set[str]:
    return {picture.name for n in topic.lengths if (r := _pictured(line, n)) for picture in r.pictures}


# -- the whole sequence ------------------------------------------------------------------------------------------------


def pictures(topic: Topic, line: Line, attention: bool, models: Looks) -> Drawing:
    """Draw gates (rows: units) or attention weights (rows: answered steps) over the steps of one sequence; a column per
    length."""
    sheet = Sheet(models, [])
    seeds = {n: r for n in topic.lengths if (r := _pictured(line, n))}
    names = list(dict.fromkeys(p.name for r in seeds.values() for p in r.pictures if is_attention(p.name) == attention))
    width = min(400.0, drawing.PAGE / len(seeds) - 34)
    panels = []
    for name in names:
        for length, result in seeds.items():
            picture = next((p for p in result.pictures if p.name == name), None)
            panels.append(_picture(sheet, picture, attention, f"{named(name)}, T = {length:,}", width))
    what = "attention weights" if attention else "gates"
    lines = [
        f"One validation sequence after training, one seed. {rows_are(attention)}",
        "Of long sequences, several steps share a column"
        + (": the largest weight among them is shown." if attention else ": the first of them is shown."),
    ]
    body = drawing.grid(panels, len(seeds), spacing=8, once=("title", "labels"))
    return sheet.finish(body, f"{topic.title}, {line.label}: {what}", lines)


def rows_are(attention: bool) -> str:
    """Say what the rows and colours of gates, or of attention, mean."""
    if attention:
        return "Rows: the last answered steps; colour, logarithmic: the weight that each gives to an earlier step."
    return "Rows: the first units of the first layer; dark: open (1), light: closed (0)."


def runs(steps: Sequence[int], values: Sequence[float]) -> list[Row]:
    """Cut steps into stretches of one value: first step, first step beyond, and the value.

    Each but the last runs on below its neighbour's first step, so that no white seam is left between smoothed edges.
    """
    stride = steps[1] - steps[0] if len(steps) > 1 else 1
    end = steps[-1] + stride
    starts = [index for index in range(len(steps)) if index == 0 or values[index] != values[index - 1]]
    stops = [min(steps[start] + stride, end) for start in starts[1:]] + [end]
    return [{"step": steps[i], "to": to, "percent": values[i]} for i, to in zip(starts, stops, strict=True)]


def colour(attention: bool) -> alt.Color:
    """Colour by the field `percent`: of gates evenly, of attention by powers of ten.

    On an even scale, even weights over a long sequence would all be white.
    """
    if not attention:
        scale = drawing.colour_scale([0, 50, 100], WHITE_TO_BLUE)
        return alt.Color("percent:Q", title="gate (%)", scale=scale, legend=drawing.gradient_legend(240))
    scale = alt.Scale(type="log", domain=[FAINTEST, 1, 100], range=WHITE_TO_BLUE, clamp=True, interpolate="rgb")
    legend = drawing.gradient_legend(240, values=[0.01, 1, 100], format="~g")
    return alt.Color("percent:Q", title="attention weight (%)", scale=scale, legend=legend)


def _picture(sheet: Sheet, picture: Picture | None, attention: bool, title: str, width: float) -> Spec:
    rows: list[Row] = []
    if picture is not None:
        for index, values in enumerate(percent(picture)):
            number = index - len(picture.rows) if attention else index + 1
            rows += [{"row": number} | run for run in runs(picture.steps, values)]
    last = max((row["to"] for row in rows), default=1)
    label = "answer, from the last" if attention else "unit"
    y = alt.Y("row:O", axis=alt.Axis(title=label, minExtent=28, grid=False, labelOverlap=True))
    x = alt.X("step:Q", scale=alt.Scale(domain=[0, last], nice=False), axis=drawing.step_axis("step of the sequence"))
    drawn = [row | {"percent": max(row["percent"], FAINTEST)} for row in rows] if attention else rows
    chart = alt.Chart(sheet.data(drawn)).mark_rect().encode(x=x, x2=alt.X2("to:Q"), y=y, color=colour(attention))
    below = [said_of(picture)] if picture and said_of(picture) else []
    heading = drawing.panel_title(title if picture else f"{title}: no record", *below)
    return drawing.panel([chart], width, ROW * max(4, len(picture.rows) if picture else 0), heading)
