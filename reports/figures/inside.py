"""Figures of a model's inside on one sequence: gates, attention weights, the Jacobian of a recurrent state."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from bench.records.result import Jacobian, Picture, Result
from reports.figures import drawing
from reports.figures.drawing import Drawing, Looks, Row, Sheet, Spec
from reports.view.topic import Line, Topic

ATTENTION = "attention"  # the name of the picture whose rows are answered steps, not units
MOMENTS = ("at initialisation", "after training")
MOMENT_COLOURS = ("#b2182b", "#2166ac")  # told apart by colour-blind readers, and neither is a grey of the axes


def _pictured(line: Line, length: int) -> Result | None:
    """The first seed that holds pictures."""
    return next((result for result in line.seeds(length) if result.pictures), None)


def lines_with_pictures(topic: Topic, attention: bool) -> list[Line]:
    """Pick the models of which gates, or attention weights, were recorded."""
    return [line for line in topic.lines if any(_is_attention(name) == attention for name in _names(topic, line))]


def _names(topic: Topic, line: Line) -> set[str]:
    return {picture.name for n in topic.lengths if (r := _pictured(line, n)) for picture in r.pictures}


def pictures(topic: Topic, line: Line, attention: bool, models: Looks) -> Drawing:
    """Draw gates (rows: units) or attention weights (rows: answered steps) over the steps of one sequence; a column per
    length."""
    sheet = Sheet(models, [])
    seeds = {n: r for n in topic.lengths if (r := _pictured(line, n))}
    names = list(
        dict.fromkeys(p.name for r in seeds.values() for p in r.pictures if _is_attention(p.name) == attention)
    )
    width = min(400.0, drawing.PAGE / len(seeds) - 34)
    panels = []
    for name in names:
        for length, result in seeds.items():
            picture = next((p for p in result.pictures if p.name == name), None)
            panels.append(_picture(sheet, picture, f"{_row_name(name)}, T = {length:,}", width))
    what = "attention weights" if attention else "gates"
    lines = [
        "One validation sequence after training, one seed. "
        + ("Rows: the last answered steps; colour: the weight each gives to an earlier step."
           if attention else "Rows: the first units of the first layer; dark: open (1), light: closed (0)."),
        "Of long sequences, several steps share a column"
        + (": the largest weight among them is shown." if attention else ": the first of them is shown."),
    ]  # fmt: skip
    body = drawing.grid(panels, len(seeds), spacing=8, once=("title", "labels"))
    return sheet.finish(body, f"{topic.title}, {line.label}: {what}", lines)


def _is_attention(name: str) -> bool:
    """Whether a picture shows attention: `attention`, or `attention.0` of one head among several."""
    return name.partition(".")[0] == ATTENTION


def _said_of(picture: Picture) -> list[str]:
    """Say what a picture alone does not show: weights too small to be seen, and steps that share a column."""
    parts = []
    if _is_attention(picture.name):
        largest = max((value for row in picture.rows for value in row), default=0)
        parts.append(f"largest weight {largest} %" if largest else "every weight below 0.5 %: spread evenly")
    stride = picture.steps[1] - picture.steps[0] if len(picture.steps) > 1 else 1
    return [", ".join([*parts, *([f"{stride} steps a column"] if stride > 1 else [])])] if parts or stride > 1 else []


def _row_name(name: str) -> str:
    return name.replace(".", ", head ") if _is_attention(name) else f"{name.replace('_', ' ')} gate"


def runs(steps: Sequence[int], values: Sequence[int]) -> list[Row]:
    """Cut steps into stretches of one value: first step, first step beyond, and the value.

    Each but the last runs on below its neighbour's first step, so that no white seam is left between smoothed edges.
    """
    stride = steps[1] - steps[0] if len(steps) > 1 else 1
    end = steps[-1] + stride
    starts = [index for index in range(len(steps)) if index == 0 or values[index] != values[index - 1]]
    stops = [min(steps[start] + stride, end) for start in starts[1:]] + [end]
    return [{"step": steps[i], "to": to, "percent": values[i]} for i, to in zip(starts, stops, strict=True)]


def _picture(sheet: Sheet, picture: Picture | None, title: str, width: float) -> Spec:
    rows: list[Row] = []
    attention = picture is not None and _is_attention(picture.name)
    if picture is not None:
        for index, values in enumerate(picture.rows):
            number = index - len(picture.rows) if attention else index + 1
            rows += [{"row": number} | run for run in runs(picture.steps, values)]
    last = max((row["to"] for row in rows), default=1)
    scale = drawing.colour_scale([0, 50, 100], ["#ffffff", "#6baed6", "#08306b"])
    legend = drawing.gradient_legend(240)
    name, label = ("attention weight (%)", "answer, from the last") if attention else ("gate (%)", "unit")
    colour = alt.Color("percent:Q", title=name, scale=scale, legend=legend)
    axis = alt.Axis(title=label, minExtent=28, grid=False, labelOverlap=True)
    y = alt.Y("row:O", axis=axis)
    x = alt.X("step:Q", scale=alt.Scale(domain=[0, last], nice=False), axis=drawing.step_axis("step of the sequence"))
    chart = alt.Chart(sheet.data(rows)).mark_rect().encode(x=x, x2=alt.X2("to:Q"), y=y, color=colour)
    heading = drawing.panel_title(title, *_said_of(picture)) if picture else drawing.panel_title(f"{title}: no record")
    return drawing.panel([chart], width, 12 * max(4, len(picture.rows) if picture else 0), heading)


# -- Jacobian: singular values along a sequence, Lyapunov spectrum -----------------------------------------------------


def lines_with_jacobians(topic: Topic) -> list[Line]:
    """Pick the models of which Jacobians were recorded."""
    return [line for line in topic.lines if any(r.jacobians for n in topic.lengths for r in line.seeds(n))]


def _moments(line: Line, length: int) -> list[tuple[str, Jacobian]]:
    result = next((result for result in line.seeds(length) if result.jacobians), None)
    if result is None:
        return []
    held = [(MOMENTS[0], result.jacobians[0])]
    return held if len(result.jacobians) == 1 else [*held, (MOMENTS[1], result.jacobians[-1])]


def _lengths(topic: Topic, lines: Sequence[Line]) -> list[int]:
    return [n for n in topic.lengths if any(_moments(line, n) for line in lines)]


def singular_values(topic: Topic, models: Looks) -> Drawing:
    """Draw singular values of the state's Jacobian along a sequence: a row per model, a column per length."""
    lines = lines_with_jacobians(topic)
    lengths = _lengths(topic, lines)
    sheet = Sheet(models, [])
    values = [v for line in lines for n in lengths for _, j in _moments(line, n) for v in (*j.lowest, *j.highest) if v]
    width = drawing.PAGE / max(2, len(lengths)) - 24
    panels = []
    for line in lines:
        for length in lengths:
            rows = [
                {"moment": moment, "step": step, "low": low, "value": middle, "high": high}
                for moment, jacobian in _moments(line, length)
                for step, low, middle, high in zip(
                    jacobian.steps, jacobian.lowest, jacobian.median, jacobian.highest, strict=True
                )
                if low and middle and high
            ]
            y = drawing.log_axis([max(value, 1e-8) for value in values], "singular value")
            panels.append(_singular_panel(sheet, rows, y, width, f"{line.label}, T = {length:,}"))
    text = [
        "Singular values of ∂state(t)/∂state(t−1) along a real sequence, 4 sequences, one seed.",
        "Line: median; band: least to largest. Above 1 (dotted) a direction grows in a step, below 1 it shrinks.",
    ]
    body = drawing.grid(panels, len(lengths), spacing=10, once=("title", "labels"))
    return sheet.finish(body, f"{topic.title}: Jacobian along the sequence", text)


def _moment_colour() -> alt.Color:
    scale = alt.Scale(domain=list(MOMENTS), range=list(MOMENT_COLOURS))
    return alt.Color("moment:N", scale=scale, legend=drawing.LINE_LEGEND, title=None)


def _moment_dash() -> alt.StrokeDash:
    scale = alt.Scale(domain=list(MOMENTS), range=[[4, 3], [1, 0]])
    return alt.StrokeDash("moment:N", scale=scale, legend=drawing.LINE_LEGEND, title=None)


def _singular_panel(sheet: Sheet, rows: list[Row], y: alt.Y, width: float, title: str) -> Spec:
    x = alt.X("step:Q", axis=drawing.step_axis("step of the sequence"), scale=alt.Scale(nice=False))
    low = alt.Y("low:Q", scale=y["scale"], axis=y["axis"])
    chart = alt.Chart(sheet.data(rows))
    layers = [
        alt.Chart(sheet.data([{"value": 1}])).mark_rule(color=drawing.FAINT, strokeDash=[1, 3]).encode(y=y),
        chart.mark_area(opacity=0.22, clip=True).encode(x=x, y=low, y2=alt.Y2("high:Q"), color=_moment_colour()),
        chart.mark_line(strokeWidth=1.8, clip=True).encode(x=x, y=y, color=_moment_colour(), strokeDash=_moment_dash()),
    ]
    return drawing.panel(layers, width, 110, drawing.panel_title(title))


def lyapunov(topic: Topic, models: Looks) -> Drawing:
    """Draw the finite-time Lyapunov spectrum: a panel per length, a line per model and moment."""
    lines = lines_with_jacobians(topic)
    lengths = _lengths(topic, lines)
    sheet = Sheet(models, [line.label for line in lines])
    everything = [
        v for line in lines for n in lengths for _, j in _moments(line, n) for v in j.lyapunov if v is not None
    ]
    low, high = max(-6.0, min(everything)), min(1.0, max(everything))
    domain = [low - 0.05 * (high - low + 0.1), max(0.0, high) + 0.05 * (high - low + 0.1)]
    panels = []
    for moment in MOMENTS:
        for length in lengths:
            rows = [
                {"model": line.label, "share": (index + 0.5) / len(jacobian.lyapunov), "value": value}
                for line in lines
                for name, jacobian in _moments(line, length)
                if name == moment
                for index, value in enumerate(jacobian.lyapunov)
                if value is not None
            ]
            if rows:
                title = f"T = {length:,}, {moment}"
                panels.append(_spectrum(sheet, rows, domain, title))
    text = [
        "Growth of the state's directions along a sequence, nats per step, largest first; 4 sequences, one seed.",
        "At 0 (grey line) a direction is kept, at −1 it shrinks to 37 % each step. Finite-time, cut off below −6.",
    ]
    body = drawing.grid(panels, min(3, len(lengths)), once=("title", "labels"))
    return sheet.finish(body, f"{topic.title}: Lyapunov spectrum", text)


def _spectrum(sheet: Sheet, rows: list[Row], domain: list[float], title: str) -> Spec:
    axis = alt.Axis(title="exponent (nats per step)", minExtent=30)
    y = alt.Y("value:Q", scale=alt.Scale(domain=domain, nice=False), axis=axis)
    share = alt.Axis(title="share of the state's directions", format="%", grid=False, tickCount=4)
    x = alt.X("share:Q", scale=alt.Scale(domain=[0, 1]), axis=share)
    zero = alt.Chart(sheet.data([{"value": 0}])).mark_rule(color=drawing.FAINT).encode(y=y)
    lines = alt.Chart(sheet.data(rows)).mark_line(strokeWidth=2, clip=True)
    encoded = lines.encode(x=x, y=y, color=sheet.colour(), strokeDash=sheet.dash())
    return drawing.panel([zero, encoded], drawing.PAGE / 3 - 30, 170, drawing.panel_title(title))
