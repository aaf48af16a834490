"""Figures of a model's inside on one sequence: gates and attention weights."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from bench.records.result import Picture, Result
from reports.figures.drawing import PAGE, Looks, Row, Sheet, Spec, grid, only_left, panel, panel_title, step_axis
from reports.view.topic import Line, Topic

ATTENTION = "attention"  # the name of the picture whose rows are answered steps, not units


def _pictured(line: Line, length: int) -> Result | None:
    """The first seed that holds pictures."""
    return next((result for result in line.seeds(length) if result.pictures), None)


def lines_with_pictures(topic: Topic, attention: bool) -> list[Line]:
    """The models of which gates, or attention weights, were recorded."""
    return [line for line in topic.lines if any((name == ATTENTION) == attention for name in _names(topic, line))]


def _names(topic: Topic, line: Line) -> set[str]:
    return {picture.name for n in topic.lengths if (r := _pictured(line, n)) for picture in r.pictures}


def pictures(topic: Topic, line: Line, attention: bool, models: Looks) -> Spec:
    """Gates (rows: units) or attention weights (rows: answered steps) over the steps of one sequence; a column per
    length."""
    sheet = Sheet(models, [])
    seeds = {n: r for n in topic.lengths if (r := _pictured(line, n))}
    names = list(
        dict.fromkeys(p.name for r in seeds.values() for p in r.pictures if (p.name == ATTENTION) == attention)
    )
    width = min(400.0, PAGE / len(seeds) - 34)
    panels = []
    for name in names:
        for length, result in seeds.items():
            picture = next((p for p in result.pictures if p.name == name), None)
            panels.append(_picture(sheet, picture, f"{_row_name(name)}, T = {length:,}", width, length == min(seeds)))
    what = "attention weights" if attention else "gates"
    lines = [
        "One validation sequence after training, one seed. "
        + ("Rows: the last answered steps; colour: the weight each gives to an earlier step."
           if attention else "Rows: the first units of the first layer; dark: open (1), light: closed (0)."),
        "Long sequences are thinned to at most 128 steps"
        + (": the strongest weight of each stretch is shown." if attention else "."),
    ]  # fmt: skip
    return sheet.finish(grid(panels, len(seeds), spacing=8), f"{topic.title}, {line.label}: {what}", lines)


def _row_name(name: str) -> str:
    return name if name == ATTENTION else f"{name.replace('_', ' ')} gate"


def runs(steps: Sequence[int], values: Sequence[int]) -> list[Row]:
    """Stretches of steps with one value: first step, first step beyond, and the value.

    Each but the last runs on below its neighbour's first step, so that no white seam is left between smoothed edges.
    """
    stride = steps[1] - steps[0] if len(steps) > 1 else 1
    end = steps[-1] + stride
    starts = [index for index in range(len(steps)) if index == 0 or values[index] != values[index - 1]]
    stops = [min(steps[start] + stride, end) for start in starts[1:]] + [end]
    return [{"step": steps[i], "to": to, "percent": values[i]} for i, to in zip(starts, stops, strict=True)]


def _picture(sheet: Sheet, picture: Picture | None, title: str, width: float, leftmost: bool) -> Spec:
    rows: list[Row] = []
    attention = picture is not None and picture.name == ATTENTION
    if picture is not None:
        for index, values in enumerate(picture.rows):
            number = index - len(picture.rows) if attention else index + 1
            rows += [{"row": number} | run for run in runs(picture.steps, values)]
    last = max((row["to"] for row in rows), default=1)
    colour = alt.Color(
        "percent:Q",
        title="attention weight (%)" if attention else "gate (%)",
        scale=alt.Scale(domain=[0, 50, 100], range=["#ffffff", "#6baed6", "#08306b"], clamp=True),
        legend=alt.Legend(
            orient="bottom", direction="horizontal", gradientLength=240, titleOrient="left", titleLimit=200
        ),
    )
    label = "answer, from the last" if attention else "unit"
    axis = alt.Axis(ticks=leftmost, labelFontSize=9, grid=False, **only_left(leftmost, label, 28))
    y = alt.Y("row:O", axis=axis)
    x = alt.X("step:Q", scale=alt.Scale(domain=[0, last], nice=False), axis=step_axis("step of the sequence"))
    chart = alt.Chart(sheet.data(rows)).mark_rect().encode(x=x, x2="to:Q", y=y, color=colour)
    return panel(
        [chart],
        width,
        12 * max(4, len(picture.rows) if picture else 0),
        panel_title(title if picture else f"{title}: no record"),
    )
