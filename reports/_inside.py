"""Figures of a model's inside: gates, attention, Jacobians, Lyapunov spectrum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from bench.result import Jacobian, Picture, Result
from reports._drawing import FAINT, PAGE, Look, Row, Sheet, Spec, grid, log_axis, panel, panel_title
from reports._topics import Line, Topic

ATTENTION = "attention"  # the name of the picture whose rows are answered steps, not units
MOMENTS = ("at initialisation", "after training")


def _pictured(line: Line, length: int) -> Result | None:
    """The first seed that holds pictures."""
    return next((result for result in line.seeds(length) if result.pictures), None)


def lines_with_pictures(topic: Topic, attention: bool) -> list[Line]:
    """The models of which gates, or attention weights, were recorded."""
    return [
        line
        for line in topic.lines
        if any((p.name == ATTENTION) == attention for n in topic.lengths if (r := _pictured(line, n)) for p in r.pictures)
    ]  # fmt: skip


def pictures(topic: Topic, line: Line, attention: bool, models: Mapping[str, Look]) -> Spec:
    """Gates (rows: units) or attention weights (rows: answered steps) over the steps of one sequence; a column per
    length."""
    sheet = Sheet(models, [])
    found = {n: r for n in topic.lengths if (r := _pictured(line, n))}
    names = list(
        dict.fromkeys(p.name for r in found.values() for p in r.pictures if (p.name == ATTENTION) == attention)
    )
    width = min(400.0, PAGE / len(found) - 34)
    panels = []
    for name in names:
        for length, result in found.items():
            picture = next((p for p in result.pictures if p.name == name), None)
            panels.append(_picture(sheet, picture, f"{_row_name(name)}, T = {length:,}", width, length == min(found)))
    what = "attention weights" if attention else "gates"
    lines = [
        "One validation sequence after training, n = 1 seed. "
        + ("Rows: the last answered steps; colour: the weight each gives to an earlier step."
           if attention else "Rows: the first units of the first layer; dark: open (1), light: closed (0)."),
        "Long sequences are thinned to at most 128 steps"
        + (": the strongest weight of each stretch is shown." if attention else "."),
    ]  # fmt: skip
    return sheet.finish(grid(panels, len(found), spacing=8), f"{topic.title}, {line.label}: {what}", lines)


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
        scale=alt.Scale(domain=[0, 100], scheme="blues", clamp=True),
        legend=alt.Legend(
            orient="bottom", direction="horizontal", gradientLength=240, titleOrient="left", titleLimit=200
        ),
    )
    label = ("answer, from the last" if attention else "unit") if leftmost else None
    y = alt.Y("row:O", axis=alt.Axis(title=label, labels=leftmost, ticks=leftmost, labelFontSize=9, grid=False, minExtent=28 if leftmost else 0))  # fmt: skip
    x = alt.X("step:Q", scale=alt.Scale(domain=[0, last], nice=False), axis=alt.Axis(title="step of the sequence", grid=False, tickCount=5, format="~d"))  # fmt: skip
    chart = alt.Chart(sheet.data(rows)).mark_rect().encode(x=x, x2="to:Q", y=y, color=colour)
    return panel([chart], width, 12 * max(4, len(picture.rows) if picture else 0), panel_title(title))


# -- Jacobians ---------------------------------------------------------------------------------------------------------


def lines_with_jacobians(topic: Topic) -> list[Line]:
    """The models of which Jacobians were recorded."""
    return [line for line in topic.lines if any(r.jacobians for n in topic.lengths for r in line.seeds(n))]


def _moments(line: Line, length: int) -> list[tuple[str, Jacobian]]:
    result = next((result for result in line.seeds(length) if result.jacobians), None)
    if result is None:
        return []
    held = [(MOMENTS[0], result.jacobians[0])]
    return held if len(result.jacobians) == 1 else [*held, (MOMENTS[1], result.jacobians[-1])]


def _lengths(topic: Topic, lines: Sequence[Line]) -> list[int]:
    return [n for n in topic.lengths if any(_moments(line, n) for line in lines)]


def singular_values(topic: Topic, models: Mapping[str, Look]) -> Spec:
    """Singular values of the state's Jacobian along a sequence: a row per model, a column per length."""
    lines = lines_with_jacobians(topic)
    lengths = _lengths(topic, lines)
    sheet = Sheet(models, [])
    values = [v for line in lines for n in lengths for _, j in _moments(line, n) for v in (*j.lowest, *j.highest) if v]
    width = PAGE / max(2, len(lengths)) - 24
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
            leftmost = length == lengths[0]
            y = log_axis([max(v, 1e-8) for v in values], "singular value" if leftmost else None, labels=leftmost, minExtent=34 if leftmost else 0)  # fmt: skip
            panels.append(_singular_panel(sheet, rows, y, width, f"{line.label}, T = {length:,}"))
    text = [
        "Singular values of ∂state(t)/∂state(t−1) along a real sequence, mean over 4 sequences, n = 1 seed. Line: median; band: least to largest.",
        "Above 1 (grey line) a direction grows from step to step, below it shrinks.",
    ]
    return sheet.finish(grid(panels, len(lengths), spacing=10), f"{topic.title}: Jacobian along the sequence", text)


def _moment_colour() -> alt.Color:
    scale = alt.Scale(domain=list(MOMENTS), range=["#888888", "#0072B2"])
    legend = alt.Legend(orient="top", direction="horizontal", labelFontSize=13, symbolOpacity=1, symbolType="stroke", symbolSize=900, symbolStrokeWidth=2)  # fmt: skip
    return alt.Color("moment:N", scale=scale, legend=legend, title=None)


def _singular_panel(sheet: Sheet, rows: list[Row], y: alt.Y, width: float, title: str) -> Spec:
    x = alt.X("step:Q", axis=alt.Axis(title="step of the sequence", grid=False, tickCount=4, format="~d"), scale=alt.Scale(nice=False))  # fmt: skip
    low = alt.Y("low:Q", scale=y["scale"], axis=y["axis"])
    chart = alt.Chart(sheet.data(rows))
    layers = [
        alt.Chart(sheet.data([{"value": 1}])).mark_rule(color=FAINT).encode(y=y),
        chart.mark_area(opacity=0.22, clip=True).encode(x=x, y=low, y2="high:Q", color=_moment_colour()),
        chart.mark_line(strokeWidth=1.8, clip=True).encode(x=x, y=y, color=_moment_colour()),
    ]
    return panel(layers, width, 110, panel_title(title))


def lyapunov(topic: Topic, models: Mapping[str, Look]) -> Spec:
    """Finite-time Lyapunov spectrum: a panel per length, a line per model and moment."""
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
                panels.append(_spectrum(sheet, rows, domain, PAGE / 3 - 30, f"T = {length:,}, {moment}", length == lengths[0]))  # fmt: skip
    text = [
        "Growth of the state's directions along a sequence, nats per step, largest first (QR; mean over 4 sequences, n = 1 seed).",
        "At 0 (grey line) a direction is kept; at −1 it shrinks to 37 % each step. A finite-time figure; clipped below −6.",
    ]
    return sheet.finish(grid(panels, min(3, len(lengths))), f"{topic.title}: Lyapunov spectrum", text)


def _spectrum(sheet: Sheet, rows: list[Row], domain: list[float], width: float, title: str, leftmost: bool) -> Spec:
    axis = alt.Axis(title="exponent (nats per step)" if leftmost else None, labels=leftmost, minExtent=30 if leftmost else 0)  # fmt: skip
    y = alt.Y("value:Q", scale=alt.Scale(domain=domain, nice=False), axis=axis)
    x = alt.X("share:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title="share of the state's directions", format="%", grid=False, tickCount=4))  # fmt: skip
    zero = alt.Chart(sheet.data([{"value": 0}])).mark_rule(color=FAINT).encode(y=y)
    lines = alt.Chart(sheet.data(rows)).mark_line(strokeWidth=2, clip=True)
    return panel(
        [zero, lines.encode(x=x, y=y, color=sheet.colour(), strokeDash=sheet.dash())], width, 170, panel_title(title)
    )
