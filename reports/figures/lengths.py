"""Figures over length: score and skill with their chance lines, and the marks that figures over length share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt

from reports.figures import drawing
from reports.figures.drawing import Drawing, Looks, Row, Sheet, Spec
from reports.figures.layout import LEAST_TEXT
from reports.summary import Group
from reports.view import Topic

Quantity = Literal["score", "skill"]
BESIDE = 4  # units between triangles of several models at one edge
SKILL = (-0.25, 1.15)  # what the axis of skill shows; beyond it, a triangle at the edge
INTERVALS = {
    "test sampling": "n = 1 seed: its value, and as a bar the interval of test sampling",
    "range": "2 to 4 seeds, or seeds of two kinds: their median, every value as a dot, their range as a bar",
    "t": "5 seeds or more, of one kind: their mean, every value as a dot, the 95 % t interval as a bar",
}

SCALE = "0 = chance, the trivial baseline (dashed); 1 = perfect, or the best known reference score (dotted)."
AT_STOP = "A cell that solves its task stops there: compare those by steps to solve, not by score."


def against_length(topics: Sequence[Topic], quantity: Quantity, models: Looks) -> Drawing:
    """Draw score or skill against length: a panel per task, a line per model, chance as a dashed line."""
    scored = [topic for topic in topics if topic.heading.score]
    sheet = Sheet(models, drawing.shown(scored), points=True)
    across = drawing.across(len(scored))
    draw = {"score": _score_panel, "skill": _skill_panel}[quantity]
    panels = [draw(sheet, topic, drawing.PAGE / max(2, across) - 70) for topic in scored]
    kinds = {g.interval.kind for topic in scored for _, g in topic.drawn if g.interval}
    what = {
        "score": "Test score. Dashed: chance, the trivial baseline. Dotted: solved (or skill 1, where nothing solves).",
        "skill": SCALE,
    }[quantity]
    lines = [what, *(INTERVALS[kind] for kind in INTERVALS if kind in kinds), AT_STOP]
    return sheet.finish(drawing.grid(panels, across, spacing=22), f"{quantity.capitalize()} against length", lines)


def _score_panel(sheet: Sheet, topic: Topic, width: float) -> Spec:
    score = topic.heading.score
    assert score is not None, "only topics with a score are drawn"
    # An error whose best is 0 is read by its power of ten; bits, F1 and shares are not.
    logarithmic = topic.heading.logarithmic
    marks = [row for label, group in topic.drawn for row in _rows(label, group)]
    fixed = _references(topic, logarithmic)
    values = [row[name] for row in (*marks, *fixed) for name in ("value", "low", "high") if name in row]
    name = score.metric.replace("_", " ")
    y = drawing.log_axis(values, name) if logarithmic else _linear_axis(values, name)
    if logarithmic:  # an interval that reaches down to 0 ends at the edge
        edge = y["scale"]["domain"][0]
        marks = [row | {"low": max(row["low"], edge)} if "low" in row else row for row in marks]
    better = "higher is better" if score.higher_is_better else "lower is better"
    below = f"{score.unit}, {better}" if score.unit and score.unit not in name else better
    return _panel(sheet, marks, fixed, topic.lengths, y, width, drawing.panel_title(topic.title, below))


def score_panel(sheet: Sheet, marks: list[Row], lengths: Sequence[int], width: float, title: Any, metric: str) -> Spec:
    """Draw a score against length, on an axis cut to the scores that were reached."""
    return _panel(sheet, marks, [], lengths, _linear_axis([row["value"] for row in marks], metric), width, title)


def _linear_axis(values: Sequence[float], title: str) -> alt.Y:
    room = 0.08 * (max(values) - min(values)) or 0.1
    scale = alt.Scale(domain=[min(values) - room, max(values) + room], nice=False)
    return alt.Y("value:Q", scale=scale, axis=alt.Axis(title=title, minExtent=34, tickCount=5))


def _skill_panel(sheet: Sheet, topic: Topic, width: float) -> Spec:
    marks: list[Row] = []
    for label, group in topic.drawn:
        for row in _rows(label, group):
            scores = group.scores[0]
            for name in ("value", "low", "high"):
                if row.get(name) is not None:
                    row[name] = scores.skill_of(row[name])
            marks.append(row)
    return skill_panel(sheet, marks, topic.lengths, width, topic.title)


def skill_panel(sheet: Sheet, marks: list[Row], lengths: Sequence[int], width: float, title: str) -> Spec:
    """Draw skill against length: what lies beyond the axis as a triangle at its edge."""
    low, high = SKILL
    y = skill_axis()
    beyond = [row | {"kind": "beyond", "mark": "▼" if row["value"] < low else "▲"} for row in marks
              if row["kind"] == "middle" and not low <= row["value"] <= high]  # fmt: skip
    fixed = [
        {"length": length, "value": value, "reference": name}
        for name, value in (("chance", 0.0), ("skill 1", 1.0))
        for length in lengths
    ]
    return _panel(sheet, [*marks, *beyond], fixed, lengths, y, width, drawing.panel_title(title))


def skill_axis() -> alt.Y:
    """Set the field `value` on the axis of skill."""
    scale = alt.Scale(domain=SKILL, nice=False, clamp=True)
    return alt.Y("value:Q", scale=scale, axis=alt.Axis(title="skill", tickCount=5))


def _rows(label: str, group: Group) -> list[Row]:
    """What is drawn of one group: its middle, its interval and, where n > 1, every value."""
    base = {"model": label, "length": group.identity.length, "n": group.n}
    rows: list[Row] = []
    if group.score is not None:
        rows.append(base | {"kind": "middle", "value": group.score})
    if group.interval is not None:
        rows.append(base | {"kind": "interval", "low": group.interval.low, "high": group.interval.high})
    if len(group.values) > 1:
        rows += [base | {"kind": "seed", "value": value} for value in group.values]
    return rows


def _references(topic: Topic, logarithmic: bool) -> list[Row]:
    """Chance, and the threshold of solving or the score of skill 1, at every length."""
    scores = {group.identity.length: group.reference for _, group in topic.drawn if group.reference}
    rows = []
    for length, score in sorted(scores.items(), key=lambda item: item[0]):
        rows.append({"length": length, "value": score.chance, "reference": "chance"})
        if score.solved_threshold is not None:
            rows.append({"length": length, "value": score.solved_threshold, "reference": "solved"})
        elif not logarithmic:
            rows.append({"length": length, "value": score.best, "reference": "skill 1"})
    return rows


def _panel(
    sheet: Sheet, rows: list[Row], fixed: list[Row], lengths: Sequence[int], y: alt.Y, width: float, title: Any
) -> Spec:
    x = drawing.length_axis(lengths)
    layers = [*reference_layers(sheet, fixed, x, y), *point_layers(sheet, rows, x, y, lengths)]
    return drawing.panel(layers, width, 190, title)


def reference_layers(sheet: Sheet, rows: list[Row], x: alt.X, y: alt.Y) -> list[Any]:
    """Draw grey lines, chance dashed, everything else dotted; their names stand outside, at the right end."""
    lengths = sorted({row["length"] for row in rows})
    if len(lengths) == 1:
        rows = [row | {"length": lengths[0] * factor} for row in rows for factor in (0.6, 1.6)]
    chance, others = ([row for row in rows if (row["reference"] == "chance") == asked] for asked in (True, False))
    layers: list[Any] = []
    for part, dash in ((chance, [6, 4]), (others, [1, 3])):
        if part:
            last = max(row["length"] for row in part)
            line = alt.Chart(sheet.data(part)).mark_line(color=drawing.FAINT, strokeWidth=1.3, strokeDash=dash)
            named = alt.Chart(sheet.data([row for row in part if row["length"] == last]))
            name = named.mark_text(align="left", dx=4, color="#666666", fontSize=LEAST_TEXT)
            layers += [
                line.encode(x=x, y=y, detail=alt.Detail("reference:N")),
                name.encode(x=alt.value("width"), y=y, text=alt.Text("reference:N")),
            ]
    return layers


def point_layers(sheet: Sheet, rows: list[Row], x: alt.X, y: alt.Y, lengths: Sequence[int] = ()) -> list[Any]:
    """Draw a line with shapes through the middles, bars for intervals, dots for seeds, triangles beyond an edge.

    lengths: those on the axis; a model without a value at one of them has no line through it.
    """

    def of(kind: str) -> list[Row]:
        return [row for row in rows if row["kind"] == kind]

    colour, dash, shape = sheet.colour(), sheet.dash(), sheet.shape()
    lines = alt.Chart(sheet.data(drawing.joined(of("middle"), [*lengths, *(row["length"] for row in rows)])))
    # x, y and colour are the same in every layer; only the interval runs between two values.
    middle = alt.Chart(sheet.data(of("middle"))).encode(x=x, y=y, color=colour)
    layers: list[Any] = []
    if of("interval"):
        low = alt.Y("low:Q", scale=y["scale"], axis=y["axis"])
        bars = alt.Chart(sheet.data(of("interval"))).mark_rule(strokeWidth=5, opacity=0.3)
        layers.append(bars.encode(x=x, y=low, y2=alt.Y2("high:Q"), color=colour))
    if of("seed"):
        dots = alt.Chart(sheet.data(of("seed"))).mark_point(shape="circle", size=14, filled=True, opacity=0.8)
        layers.append(dots.encode(x=x, y=y, color=colour))
    line = lines.mark_line(strokeWidth=1.8)
    layers.append(line.encode(x=x, y=y, color=colour, strokeDash=dash, detail=alt.Detail("piece:N")))
    layers.append(
        middle.mark_point(size=65, filled=True, opacity=1, stroke="white", strokeWidth=0.7).encode(shape=shape)
    )
    for place, label in enumerate(sheet.shown):
        if own := [row for row in of("beyond") if row["model"] == label]:
            aside = BESIDE * (place - (len(sheet.shown) - 1) / 2)
            edge = alt.Chart(sheet.data(own)).mark_text(fontSize=13, dx=aside)
            layers.append(edge.encode(x=x, y=y, text=alt.Text("mark:N"), color=colour))
    return layers
