"""Figures of memory: how far back a model's score says it remembers, recall by place, and effective context."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import altair as alt

from bench.records.memory import memory
from bench.records.result import Result
from reports.figures import drawing
from reports.figures.drawing import Drawing, Looks, Row, Sheet
from reports.figures.lengths import point_layers
from reports.summary.memory import worse_with_more
from reports.view import Topic

LEAST = 0.5  # steps; where a horizon of 0 is drawn on the log axis
RECALL = "recall_"  # Score.extras of copying: the share of right answers per recalled place


def topics_with_horizon(topics: Sequence[Topic]) -> list[Topic]:
    """Pick the topics whose score tells how many steps a model remembers."""
    return [topic for topic in topics if any(memory(result).steps is not None for result in topic.seeds)]


def horizon(topics: Sequence[Topic], models: Looks) -> Drawing:
    """Draw effective memory horizon against length; on the diagonal a model remembers the whole sequence."""
    sheet = Sheet(models, drawing.shown(topics), points=True)
    across = min(3, len(topics))
    panels, counts = [], set()
    for topic in topics:
        rows: list[Row] = []
        for label, group in topic.drawn:
            said = [memory(result).steps for result in group.seeds] if group.memory.steps is not None else []
            values = [steps for steps in said if steps is not None]
            counts.add(len(values))
            rows += map(_on_axis, drawing.seed_rows(label, group.identity.length, values))
        diagonal = [{"length": n, "value": n, "reference": "remembers all T steps"} for n in topic.lengths]
        x = drawing.length_axis(topic.lengths)
        y = drawing.log_axis([LEAST, *topic.lengths], "steps remembered")
        full = alt.Chart(sheet.data(diagonal)).mark_line(color=drawing.FAINT, strokeDash=[6, 4]).encode(x=x, y=y)
        layers = [full, *point_layers(sheet, rows, x, y, topic.lengths)]
        panels.append(drawing.panel(layers, drawing.PAGE / max(2, across) - 50, 190, drawing.panel_title(topic.title)))
    lines = [
        "Last steps that the best predictor of the same score would need to see. Dashed: all T of them. "
        f"{drawing.count_line(counts)}.",
        "Tasks on text: the least context with which the same weights score within .01 nats or .01 F1 of their best; "
        "none at chance.",
        *filter(None, [worse_with_more(pair for topic in topics for pair in topic.drawn)]),
        f"A triangle: below {LEAST:g} steps.",
    ]
    return sheet.finish(drawing.grid(panels, across, spacing=22), "Memory horizon against length", lines)


def _on_axis(row: Row) -> Row:
    """A row, or a triangle at the least that the axis shows."""
    if row["value"] >= LEAST:
        return row
    return row | {"kind": "beyond", "value": LEAST, "horizon": row["value"], "mark": "▼"}


def recalled(topic: Topic) -> bool:
    """Tell whether some cell states its recall by place."""
    return any(name.startswith(RECALL) for r in topic.seeds if r.score for name in r.score.extras)


def recall_by_place(topic: Topic, models: Looks) -> Drawing:
    """Draw recall accuracy of each of the recalled symbols: a panel per length, a line per model."""
    sheet = Sheet(models, topic.labels, points=True)
    chance = next(result.score.chance for result in topic.seeds if result.score)
    panels = []
    for length, rows in _by_length(topic, _places).items():
        last = max(row["length"] for row in rows)
        axis = alt.Axis(
            title="place of the symbol", grid=False, format="d", values=list(range(last + 1)), labelOverlap="parity"
        )
        x = alt.X("length:Q", scale=alt.Scale(domain=[-0.5, last + 0.5], nice=False), axis=axis)
        y = alt.Y("value:Q", scale=alt.Scale(domain=[0, 1.06], nice=False), axis=alt.Axis(title="share recalled"))
        rule = alt.Chart(sheet.data([{"value": chance}])).mark_rule(color=drawing.FAINT, strokeDash=[6, 4]).encode(y=y)
        title = drawing.panel_title(f"T = {length:,}")
        panels.append(drawing.panel([rule, *point_layers(sheet, rows, x, y)], drawing.PAGE / 3 - 50, 170, title))
    lines = [
        "Share of test sequences in which the symbol at this place was recalled; dashed: chance. Every symbol is",
        "recalled equally late, so a slope shows how many symbols fit into the state, not how far back it reaches. "
        + _n(topic),
    ]  # fmt: skip
    return sheet.finish(drawing.grid(panels, 3), f"{topic.title}: recall by place", lines)


def _n(topic: Topic) -> str:
    return f"{drawing.count_line(len(group.seeds) for _, group in topic.drawn)}."


def _places(result: Result) -> list[tuple[int, float]]:
    """(place, recall) of a cell."""
    extras = result.score.extras if result.score else {}
    named = [(name.removeprefix(RECALL), value) for name, value in extras.items() if name.startswith(RECALL)]
    return [(int(place), value) for place, value in named if place.isdecimal()]


def _by_length(topic: Topic, read: Callable[[Result], Iterable[tuple[int, float]]]) -> dict[int, list[Row]]:
    """The rows of every line at what `read` tells of a cell, by length; lengths of which it tells nothing left out."""
    by_length: dict[int, list[Row]] = {}
    for length in topic.lengths:
        for line in topic.lines:
            values: dict[int, list[float]] = {}
            for at, value in (pair for result in line.seeds(length) for pair in read(result)):
                values.setdefault(at, []).append(value)
            for at in sorted(values):
                by_length.setdefault(length, []).extend(drawing.seed_rows(line.label, at, values[at]))
    return by_length


def contextual(topic: Topic) -> bool:
    """Tell whether some cell states its score on inputs cut short."""
    return any(result.context_use for result in topic.seeds)


def effective_context(topic: Topic, models: Looks) -> Drawing:
    """Draw the score on inputs cut to the last c tokens: a panel per length, a line per model."""
    sheet = Sheet(models, topic.labels, points=True)
    panels = []
    for length, rows in _by_length(topic, lambda result: result.context_use).items():
        x = drawing.length_axis(sorted({row["length"] for row in rows}), "tokens of context c")
        y = alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=topic.heading.metric, minExtent=34))
        title = drawing.panel_title(f"T = {length:,}")
        panels.append(drawing.panel(point_layers(sheet, rows, x, y), drawing.PAGE / 3 - 50, 170, title))
    lines = [
        "Trained weights, the same scored positions, inputs cut to the last c tokens.",
        "Where a line turns flat, more context is not used.",
        *filter(None, [worse_with_more(topic.drawn)]),
        f"Score: {topic.heading.measure}. {_n(topic)}",
    ]  # fmt: skip
    return sheet.finish(drawing.grid(panels, 3), f"{topic.title}: context use", lines)
