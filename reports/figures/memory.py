"""Figures of memory: how far back a model's score says it remembers, recall by place, and effective context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import altair as alt

from bench.records.result import Result
from reports.figures.drawing import FAINT, PAGE, Look, Row, Sheet, Spec, grid, length_axis, log_axis, panel, panel_title
from reports.figures.lengths import point_layers
from reports.view.topics import Topic

LEAST = 0.5  # steps; where a horizon of 0 is drawn on the log axis
RECALL = "recall_"  # Score.extras of copying: the share of right answers per recalled place


def topics_with_horizon(topics: Sequence[Topic]) -> list[Topic]:
    """Those whose score tells how many steps a model remembers."""
    return [topic for topic in topics if any(r.memory_horizon is not None for r in _cells(topic))]


def _cells(topic: Topic) -> list[Result]:
    return [result for line in topic.lines for group in line.groups for result in group.seeds]


def horizon(topics: Sequence[Topic], models: Mapping[str, Look]) -> Spec:
    """Effective memory horizon against length; on the diagonal a model remembers the whole sequence."""
    sheet = Sheet(models, list(dict.fromkeys(label for topic in topics for label in topic.labels)), points=True)
    across = min(3, len(topics))
    panels, counts = [], set()
    for topic in topics:
        rows: list[Row] = []
        for line in topic.lines:
            for group in line.groups:
                values = [r.memory_horizon for r in group.seeds if r.memory_horizon is not None]
                base = {"model": line.label, "length": group.identity.length, "n": len(values)}
                counts.add(len(values))
                if values:
                    rows.append(base | _held("middle", median(values)))
                if len(values) > 1:
                    rows += [base | _held("seed", value) for value in values]
        diagonal = [{"length": n, "value": n, "reference": "remembers all T steps"} for n in topic.lengths]
        x = length_axis(topic.lengths)
        y = log_axis([LEAST, *topic.lengths], "steps remembered")
        full = alt.Chart(sheet.data(diagonal)).mark_line(color=FAINT, strokeDash=[6, 4]).encode(x=x, y=y)
        layers = [full, *point_layers(sheet, rows, x, y)]
        panels.append(panel(layers, PAGE / max(2, across) - 50, 190, panel_title(topic.title)))
    counts -= {0}
    n = "n = 1 seed" if counts == {1} else f"n = {min(counts)} to {max(counts)} seeds: median, every value as a dot"
    lines = [
        f"Last steps that the best predictor of the same score would need to see. Dashed: all T of them. {n}.",
        "Tasks on text: the least context with which the same weights score within .01 nats or .01 F1 of the whole.",
        f"A triangle: below {LEAST:g} steps.",
    ]
    return sheet.finish(grid(panels, across, spacing=22), "Memory horizon against length", lines)


def _held(kind: str, value: float) -> Row:
    if value >= LEAST:
        return {"kind": kind, "value": value}
    return {"kind": "beyond", "value": LEAST, "horizon": value, "mark": "▼"}


def recalled(topic: Topic) -> bool:
    """Whether some cell tells its recall by place."""
    return any(name.startswith(RECALL) for r in _cells(topic) if r.score for name in r.score.extras)


def recall_by_place(topic: Topic, models: Mapping[str, Look]) -> Spec:
    """Recall accuracy of each of the recalled symbols: a panel per length, a line per model."""
    sheet = Sheet(models, topic.labels, points=True)
    lengths = [n for n in topic.lengths if any(_places(line.seeds(n)) for line in topic.lines)]
    chance = next(result.score.chance for result in _cells(topic) if result.score)
    panels = []
    for length in lengths:
        rows: list[Row] = []
        for line in topic.lines:
            for place, values in _places(line.seeds(length)).items():
                base = {"model": line.label, "length": place, "n": len(values)}
                rows.append(base | {"kind": "middle", "value": median(values)})
                if len(values) > 1:
                    rows += [base | {"kind": "seed", "value": value} for value in values]
        last = max(row["length"] for row in rows)
        axis = alt.Axis(title="place of the symbol", grid=False, format="d", values=list(range(last + 1)))
        x = alt.X("length:Q", scale=alt.Scale(domain=[-0.5, last + 0.5], nice=False), axis=axis)
        y = alt.Y("value:Q", scale=alt.Scale(domain=[0, 1.06], nice=False), axis=alt.Axis(title="share recalled"))
        rule = alt.Chart(sheet.data([{"value": chance}])).mark_rule(color=FAINT, strokeDash=[6, 4]).encode(y=y)
        title = panel_title(f"T = {length:,}")
        panels.append(panel([rule, *point_layers(sheet, rows, x, y)], PAGE / 3 - 50, 170, title))
    lines = [
        "Share of test sequences in which the symbol at this place was recalled; dashed: chance. Every symbol is",
        "recalled equally late, so a slope shows how many symbols fit into the state, not how far back it reaches. "
        + _n(topic),
    ]  # fmt: skip
    return sheet.finish(grid(panels, 3), f"{topic.title}: recall by place", lines)


def _n(topic: Topic) -> str:
    counts = {len(group.seeds) for line in topic.lines for group in line.groups}
    return (
        "n = 1 seed." if counts == {1} else f"n = {min(counts)} to {max(counts)} seeds: median, every value as a dot."
    )


def _places(results: Sequence[Result]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for result in results:
        for name, value in result.score.extras.items() if result.score else ():
            place = name.removeprefix(RECALL)
            if place != name and place.isdecimal():
                found.setdefault(int(place), []).append(value)
    return dict(sorted(found.items()))


def contextual(topic: Topic) -> bool:
    """Whether some cell tells its score on inputs cut short."""
    return any(result.context_use for result in _cells(topic))


def effective_context(topic: Topic, models: Mapping[str, Look]) -> Spec:
    """Score on the same positions with inputs cut to the last c tokens: a panel per length, a line per model."""
    sheet = Sheet(models, topic.labels, points=True)
    lengths = [n for n in topic.lengths if any(r.context_use for line in topic.lines for r in line.seeds(n))]
    panels = []
    for length in lengths:
        rows: list[Row] = []
        for line in topic.lines:
            cut: dict[int, list[float]] = {}
            for result in line.seeds(length):
                for tokens, value in result.context_use:
                    cut.setdefault(tokens, []).append(value)
            for tokens, values in sorted(cut.items()):
                base = {"model": line.label, "length": tokens, "n": len(values)}
                rows.append(base | {"kind": "middle", "value": median(values)})
                if len(values) > 1:
                    rows += [base | {"kind": "seed", "value": value} for value in values]
        ticks = sorted({row["length"] for row in rows})
        x = length_axis(ticks, "tokens of context c")
        y = alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="score", minExtent=34))
        title = panel_title(f"T = {length:,}")
        panels.append(panel(point_layers(sheet, rows, x, y), PAGE / 3 - 50, 170, title))
    lines = [
        "Trained weights, the same scored positions, inputs cut to the last c tokens.",
        "Where a line turns flat, more context is not used.",
        f"Score: {topic.score}. {_n(topic)}",
    ]  # fmt: skip
    return sheet.finish(grid(panels, 3), f"{topic.title}: context use", lines)
