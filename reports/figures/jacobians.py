"""Figures of the Jacobian of a recurrent state: singular values along a sequence, Lyapunov spectrum."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from bench.records.result import Jacobian
from reports.figures import drawing
from reports.figures.drawing import Drawing, Looks, Row, Sheet, Spec
from reports.view.topic import Line, Topic

MOMENTS = ("at initialisation", "after training")
MOMENT_COLOURS = ("#b2182b", "#2166ac")  # told apart by colour-blind readers, and neither is a grey of the axes


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
