"""Figures of stored models asked at other lengths: score against tested length, and skill by trained and tested one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import altair as alt

from reports.figures import drawing
from reports.figures.drawing import Drawing, Looks, Row, Sheet, Spec
from reports.figures.lengths import point_layers, reference_layers
from reports.summary import Group
from reports.text import asked as written
from reports.text.asked import Cell
from reports.view.asked import AskedTopic
from reports.view.topic import Member

CELL = 74, 26  # pixels of a cell of the grid
HATCHES = 4  # lines across a cell whose score merely equals chance


def against_length(topic: AskedTopic, models: Looks) -> Drawing:
    """Draw score against tested length: a panel for each trained length, with a line at it; a line per model."""
    trained = dict.fromkeys(written.trained(row) for _, row in sorted(topic.rows, key=lambda pair: pair[0].length))
    sheet = Sheet(models, [label for label in topic.topic.labels if label in _labels(topic)], points=True)
    across = min(3, len(trained))
    panels = [_panel(sheet, topic, name, drawing.PAGE / max(2, across) - 50) for name in trained]
    lines = [
        "Each model was trained at the length of the vertical line (≤: at lengths up to it), and is only tested at the "
        "others.",
        "Dashed: chance. Dotted: the threshold (or skill 1, where there is none).",
        "Band: of one seed the interval of test sampling, of 2 to 4 their range, from 5 the t interval of the mean.",
    ]
    title = f"Asked at other lengths: {topic.topic.heading.full}"
    return sheet.finish(drawing.grid(panels, across, spacing=22), title, lines)


def state(topic: AskedTopic) -> str:
    """Write all that the figures show of a topic's answers, so that they are drawn again where it changes."""
    return repr([(member.place, written.trained(row), row) for member, row in topic.rows])


def _labels(topic: AskedTopic) -> set[str]:
    return {member.label for member, _ in topic.rows}


def _panel(sheet: Sheet, topic: AskedTopic, trained: str, width: float) -> Spec:
    rows = [(member, row) for member, row in topic.rows if written.trained(row) == trained]
    marks = [mark for member, row in rows for group in row.at.values() for mark in _marks(member, group)]
    fixed = _references([group for _, row in topic.rows for group in row.at.values()], topic.lengths)
    logarithmic = topic.topic.heading.logarithmic
    values = [mark[key] for mark in (*marks, *fixed) for key in ("value", "low", "high") if key in mark]
    x, y = drawing.length_axis(topic.lengths, "tested length"), _axis(values, logarithmic, topic.topic.heading.metric)
    low, high = y["scale"]["domain"]
    if logarithmic:  # an interval that reaches down to 0 ends at the edge
        marks = [mark | {"low": max(mark["low"], low)} if "low" in mark else mark for mark in marks]
    length = rows[0][1].trained
    at = sheet.data([{"length": length, "value": low, "high": high}])
    rule = alt.Chart(at).mark_rule(color=drawing.INK, strokeWidth=1.2).encode(x=x, y=y, y2=alt.Y2("high:Q"))
    layers = [
        rule,
        *reference_layers(sheet, fixed, x, y),
        *_bands(sheet, marks, x, y),
        *point_layers(sheet, marks, x, y, topic.lengths),
    ]
    return drawing.panel(layers, width, 190, drawing.panel_title(f"trained at T = {trained}"))


def _axis(values: Sequence[float], logarithmic: bool, title: str) -> alt.Y:
    if logarithmic:
        return drawing.log_axis(values, title)
    room = 0.08 * (max(values) - min(values)) or 0.1
    scale = alt.Scale(domain=[min(values) - room, max(values) + room], nice=False)
    return alt.Y("value:Q", scale=scale, axis=alt.Axis(title=title, minExtent=34, tickCount=5))


def _marks(member: Member, group: Group) -> list[Row]:
    """What is drawn of one group at one tested length."""
    base = {"model": member.label, "length": group.identity.length, "n": group.n}
    rows: list[Row] = [] if group.score is None else [base | {"kind": "middle", "value": group.score}]
    if group.interval is not None:
        rows.append(base | {"kind": "band", "low": group.interval.low, "high": group.interval.high})
    return rows + [base | {"kind": "seed", "value": value} for value in group.values if len(group.values) > 1]


def _bands(sheet: Sheet, marks: list[Row], x: alt.X, y: alt.Y) -> list[Any]:
    """Draw the intervals of a line as a band."""
    bands = [mark for mark in marks if mark["kind"] == "band"]
    low = alt.Y("low:Q", scale=y["scale"], axis=y["axis"])
    area = alt.Chart(sheet.data(bands)).mark_area(opacity=0.18, line=False)
    return [area.encode(x=x, y=low, y2=alt.Y2("high:Q"), color=sheet.colour())] if bands else []


def _references(groups: Sequence[Group], lengths: Sequence[int]) -> list[Row]:
    """Chance, and the threshold or the score of skill 1, at every tested length."""
    scores = {group.identity.length: group.reference for group in groups if group.reference}
    rows: list[Row] = []
    for length in lengths:
        score = scores.get(length)
        if score is not None:
            threshold = score.solved_threshold
            other = ("skill 1", score.best) if threshold is None else ("passes", threshold)
            named = (("chance", score.chance), other)
            rows += [{"length": length, "value": value, "reference": name} for name, value in named]
    return rows


# -- the grid ----------------------------------------------------------------------------------------------------------


def grid(topic: AskedTopic, models: Looks) -> Drawing:
    """Draw skill by trained and tested length: a row per model and trained length, its trained cell outlined, scores at
    chance hatched."""
    sheet = Sheet(models, [])
    names = [f"{member.label}{f' ({member.difference})' if member.difference else ''}, {written.trained(row)}"
             for member, row in topic.rows]  # fmt: skip
    cells = [
        _square(across, down, written.cell(row, length))
        for down, (_, row) in enumerate(topic.rows)
        for across, length in enumerate(topic.lengths)
    ]
    x = _places("x", [f"{length:,}" for length in topic.lengths], "tested length")
    y = _places("y", names, None)
    layers = _layers(sheet, [cell for cell in cells if cell["text"]], x, y)
    width, height = CELL[0] * len(topic.lengths), CELL[1] * len(topic.rows)
    body = drawing.grid([drawing.panel(layers, width, height, drawing.panel_title(topic.topic.title))], 1)
    lines = [
        "Skill (0 = chance, 1 = perfect or the best reference score), and how many of the seeds pass. Rows: model and "
        "trained length (≤: a range).",
        f"Outlined: the trained length. Hatched: merely equals chance; {written.WORSE}: worse than chance.",
    ]
    return sheet.finish(body, "Skill by trained and tested length", lines)


def _places(axis: str, names: Sequence[str], title: str | None) -> Any:
    """Make an axis of cells 0, 1, 2 …, a name below or beside the middle of each."""
    kind = {"x": alt.X, "y": alt.Y}[axis]
    scale = alt.Scale(domain=[0, len(names)], nice=False, reverse=axis == "y")
    middles = [place + 0.5 for place in range(len(names))]
    label = f"{json.dumps(list(names))}[floor(datum.value)]"
    shown = alt.Axis(title=title, values=middles, labelExpr=label, grid=False, ticks=False, labelLimit=260)
    return kind(f"{axis}:Q", scale=scale, axis=shown)


def _square(across: int, down: int, cell: Cell) -> Row:
    skill = None if cell.skill is None else min(1.0, max(0.0, cell.skill))
    return {
        "x": across, "x2": across + 1, "y": down, "y2": down + 1, "middle": across + 0.5, "centre": down + 0.5,
        "skill": skill, "text": f"{cell.mark}{cell.lines[0]}" if cell.lines else "", "own": cell.own, "mark": cell.mark,
    }  # fmt: skip


def _layers(sheet: Sheet, cells: list[Row], x: Any, y: Any) -> list[Any]:
    """Draw the cells: colour, hatches, outline, text."""
    scale = alt.Scale(domain=[0, 1], scheme="blues")
    colour = alt.Color("skill:Q", scale=scale, legend=drawing.gradient_legend(200, title="skill"))
    box = {"x": x, "y": y, "x2": alt.X2("x2:Q"), "y2": alt.Y2("y2:Q")}
    text_x, text_y = (type(axis)(f"{name}:Q", scale=axis["scale"], axis=axis["axis"])
                      for axis, name in ((x, "middle"), (y, "centre")))  # fmt: skip
    dark = alt.value(drawing.INK)
    ink = alt.condition("datum.skill > 0.6", alt.value("white"), dark)
    layers = [alt.Chart(sheet.data(cells)).mark_rect(stroke="white").encode(color=colour, **box)]
    hatches = [line for cell in cells if cell["mark"] for line in _hatches(cell)]
    if hatches:
        layers.append(alt.Chart(sheet.data(hatches)).mark_rule(color=drawing.FAINT, opacity=0.45).encode(**box))
    own = sheet.data([cell for cell in cells if cell["own"]])
    layers.append(alt.Chart(own).mark_rect(fillOpacity=0, stroke=drawing.SHADE, strokeWidth=2).encode(**box))
    words = alt.Chart(sheet.data(cells)).mark_text(fontSize=11)
    return [*layers, words.encode(x=text_x, y=text_y, text=alt.Text("text:N"), color=ink)]


def _hatches(cell: Row) -> list[Row]:
    """Slanted lines across a cell."""
    step = 1 / HATCHES
    return [
        {"x": cell["x"] + k * step, "x2": cell["x"] + (k + 1) * step, "y": cell["y2"], "y2": cell["y"]}
        for k in range(HATCHES)
    ]
