"""Learning curves: loss, validation score and gradient norm against the training step, seeds as a band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from reports.figures import drawing
from reports.figures.drawing import Drawing, Grid, Looks, Row, Sheet, Spec
from reports.figures.layout import LEAST_TEXT
from reports.summary import learning
from reports.view import Topic


def learned(topic: Topic) -> bool:
    """Tell whether some cell of a topic holds a curve of training."""
    return any(result.curves.train_loss or result.curves.validation for result in topic.seeds)


def curves(topic: Topic, models: Looks) -> Drawing:
    """Draw a row of panels per quantity, a column per length, a line per model."""
    sheet = Sheet(models, topic.labels)
    score = topic.heading.score
    grids = [
        _grid(sheet, topic, "loss", "training loss", True),
        _grid(sheet, topic, "score", f"validation {topic.heading.metric}", topic.heading.logarithmic),
        _grid(sheet, topic, "norm", "gradient norm", True),
    ]
    drawn = [grid for grid in grids if grid.panels]
    lines = [
        "Training loss, validation score and gradient norm before clipping; of loss and norm the median over at most "
        f"{learning.POINTS} stretches of steps.",
        *(["Dashed: chance. Dotted: the threshold of solving."] if score else []),
        _seeds(topic) + ". A line ends where training did: solved, or at the end of the budget.",
    ]
    return sheet.finish(drawn, f"{topic.title}: learning curves", lines, spacing=10)


def _seeds(topic: Topic) -> str:
    counts = {len(line.seeds(length)) for line in topic.lines for length in topic.lengths} - {0}
    if counts <= {1}:
        return "n = 1 seed: no spread can be shown"
    seeds = drawing.span(counts)
    return f"n = {seeds} seeds: median as a line, least to largest as a band, as long as half of the seeds still train"


def _grid(sheet: Sheet, topic: Topic, quantity: str, name: str, logarithmic: bool) -> Grid:
    """Make the panels of one quantity, one for each length that holds it."""
    held = {length: _rows(topic, length, quantity, logarithmic) for length in topic.lengths}
    held = {length: rows for length, rows in held.items() if rows}
    fixed = _references(topic, quantity, logarithmic)
    values = [row[key] for rows in held.values() for row in rows for key in ("low", "high")]
    y = _axis([*values, *(row["value"] for row in fixed)], name, logarithmic)
    width = drawing.PAGE / max(2, len(held)) - 28
    panels = [_panel(sheet, rows, fixed, y, width, f"T = {length:,}") for length, rows in held.items()]
    return drawing.grid(panels, len(held), spacing=10, once=("title", "labels"))


def _rows(topic: Topic, length: int, quantity: str, logarithmic: bool) -> list[Row]:
    """Collect the points of every model; on a logarithmic axis 0 has no place."""
    return [
        {"model": line.label, "step": point.step, "value": point.middle, "low": point.low, "high": point.high}
        for line in topic.lines
        for point in learning.curve(line.seeds(length), quantity)
        if point.low > 0 or not logarithmic
    ]


def _references(topic: Topic, quantity: str, logarithmic: bool) -> list[Row]:
    score = topic.heading.score
    if quantity != "score" or score is None:
        return []
    named = (("chance", score.chance, [6, 4]), ("solved", score.solved_threshold, [1, 3]))
    return [
        {"value": value, "reference": name, "dash": dash}
        for name, value, dash in named
        if value is not None and (value > 0 or not logarithmic)
    ]


def _axis(values: Sequence[float], title: str, logarithmic: bool) -> alt.Y:
    if logarithmic:
        return drawing.log_axis(values, title, minExtent=40)
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.1
    axis = alt.Axis(title=title, minExtent=40, tickCount=5)
    return alt.Y("value:Q", scale=alt.Scale(domain=[low - room, high + room], nice=False), axis=axis)


def _panel(sheet: Sheet, rows: list[Row], fixed: list[Row], y: alt.Y, width: float, title: str) -> Spec:
    scale = alt.Scale(domain=[0, max(row["step"] for row in rows)], nice=False)
    x = alt.X("step:Q", scale=scale, axis=drawing.step_axis("training step"))
    low = alt.Y("low:Q", scale=y["scale"], axis=y["axis"])
    layers: list[Any] = [
        alt.Chart(sheet.data([row])).mark_rule(color=drawing.FAINT, strokeDash=row["dash"]).encode(y=y) for row in fixed
    ]
    if bands := [row for row in rows if row["low"] < row["high"]]:
        area = alt.Chart(sheet.data(bands)).mark_area(opacity=0.18)
        layers.append(area.encode(x=x, y=low, y2=alt.Y2("high:Q"), color=sheet.colour()))
    line = alt.Chart(sheet.data(rows)).mark_line(strokeWidth=1.7, clip=True)
    layers.append(line.encode(x=x, y=y, color=sheet.colour(), strokeDash=sheet.dash()))
    if fixed:  # white around the names, because lines may cross them
        text = alt.Chart(sheet.data(fixed)).encode(x=alt.value("width"), y=y, text=alt.Text("reference:N"))
        place: dict[str, Any] = {"align": "right", "dx": -3, "dy": -6, "fontSize": LEAST_TEXT, "color": "#666666"}
        layers += [text.mark_text(**place, stroke="white", strokeWidth=3), text.mark_text(**place)]
    return drawing.panel(layers, width, 130, drawing.panel_title(title))
