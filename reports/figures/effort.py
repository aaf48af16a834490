"""Figures of effort over length: steps to solve, seconds per step, memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from bench.records.result import Result
from reports.figures import drawing
from reports.figures.drawing import Drawing, Grid, Looks, Row, Sheet, Spec
from reports.figures.layout import LEAST_TEXT
from reports.figures.lengths import point_layers
from reports.summary.group import seconds_per_step
from reports.summary.grouping import steps_exponent
from reports.view.topic import Line, Topic

APART = 2.5  # units between the points of different models at one length: none hides another, all stay at their length
KINDS = ("middle", "solved")  # of a run that solved: the median of its group, itself
STRIP = 11  # units of height for each model above the plot, where its unsolved runs stand
HEIGHT = 190


@dataclass(frozen=True)
class Solving:
    """Steps to solve of one task. rows: model, length, value and kind: `solved` and `censored` per seed, `middle` per
    setting. budgets: (length, steps). exponents: of models, where most seeds solve three lengths."""

    title: str
    labels: Sequence[str]
    lengths: Sequence[int]
    rows: Sequence[Row]
    budgets: Sequence[tuple[int, int]]
    exponents: Mapping[str, float]
    counts: Collection[int]  # seeds of a setting

    @classmethod
    def of(cls, topic: Topic) -> Solving:
        """Collect what a view says of one task."""
        groups = [group for _, group in topic.drawn]
        fitted = {line.label: steps_exponent(line.groups) for line in topic.lines}
        return cls(
            topic.title, topic.labels, topic.lengths,
            rows=[row for line in topic.lines for row in _solve_rows(line)],
            budgets=sorted({(group.identity.length, group.step_budget) for group in groups if group.step_budget}),
            exponents={label: exponent for label, exponent in fitted.items() if exponent is not None},
            counts={group.n for group in groups},
        )  # fmt: skip


def steps_to_solve(topics: Sequence[Topic], models: Looks) -> Drawing:
    """Draw steps to solve against length; runs that did not solve stand above all that did, a row per model."""
    solvable = [topic for topic in topics if any(group.solved is not None for _, group in topic.drawn)]
    return solving([Solving.of(topic) for topic in solvable], models)


def solving(tasks: Sequence[Solving], models: Looks) -> Drawing:
    """Draw steps to solve against length, a panel per task."""
    sheet = Sheet(models, list(dict.fromkeys(label for task in tasks for label in task.labels)), points=True)
    across = drawing.across(len(tasks))
    panels = [_solve_panel(sheet, task, drawing.PAGE / max(2, across) - 50) for task in tasks]
    n = drawing.span(count for task in tasks for count in task.counts)
    lines = [
        f"Optimisation steps until validation passed twice running; a point per seed, the line joins medians; n = {n}.",
        "Grey bar: the budget. Open shapes above the plot, with the number of such seeds: not solved within it.",
        "b: exponent fitted to steps = a T^b, unsolved runs as bounds, where most seeds solve at least three lengths.",
    ]
    return sheet.finish(drawing.grid(panels, across, spacing=22), "Steps to solve against length", lines)


def _solve_panel(sheet: Sheet, task: Solving, width: float) -> Spec:
    named = [f"{label} {f'{exponent:z.2f}'.replace('-', '−')}" for label, exponent in task.exponents.items()]
    below = f"b: {', '.join(named) or 'too few lengths solved'}"
    x = drawing.length_axis(task.lengths, room=1.6)
    shown = [row["value"] for row in task.rows if row["kind"] != "censored"] + [steps for _, steps in task.budgets]
    y = drawing.log_axis(shown, "steps to solve", minExtent=40)
    unsolved = [
        label for label in task.labels if any(r["model"] == label and r["kind"] == "censored" for r in task.rows)
    ]
    limits = [{"length": length, "value": steps, "kind": "budget"} for length, steps in task.budgets]
    bar = alt.Chart(sheet.data(limits)).mark_tick(orient="horizontal", size=14, thickness=2, color=drawing.FAINT)
    layers = [bar.encode(x=x, y=y), *_solved_layers(sheet, task, x, y)]
    if unsolved:
        layers += _unsolved_layers(sheet, task.rows, unsolved, x)
    return drawing.panel(layers, width, HEIGHT, drawing.panel_title(task.title, below))


def _solved_layers(sheet: Sheet, task: Solving, x: alt.X, y: alt.Y) -> list[Any]:
    """The runs that solved, a point each, their medians joined; models stand aside of one another."""
    colour = sheet.colour()
    lines: list[Any] = []
    points: list[Any] = []
    for index, label in enumerate(task.labels):
        aside = round(APART * (index - (len(task.labels) - 1) / 2), 2)
        middle, own = ([r for r in task.rows if r["kind"] == kind and r["model"] == label] for kind in KINDS)
        line = alt.Chart(sheet.data(drawing.joined(middle, task.lengths))).mark_line(strokeWidth=1.6, xOffset=aside)
        lines.append(line.encode(x=x, y=y, color=colour, strokeDash=sheet.dash(), detail=alt.Detail("piece:N")))
        point = alt.Chart(sheet.data(own)).mark_point(size=65, filled=True, opacity=1, xOffset=aside)
        points.append(point.encode(x=x, y=y, color=colour, shape=sheet.shape()))
    return [*lines, *points]


def _unsolved_layers(sheet: Sheet, rows: Sequence[Row], labels: Sequence[str], x: alt.X) -> list[Any]:
    """The runs that did not solve: above the panel's frame, a row per model, whatever their budgets."""
    at = Counter((row["model"], row["length"], row["value"]) for row in rows if row["kind"] == "censored")
    layers: list[Any] = []
    for place, label in enumerate(labels):
        above = -STRIP * (place + 0.7)
        own = [
            {"model": model, "length": length, "value": value, "kind": "censored", "unsolved": count}
            for (model, length, value), count in at.items()
            if model == label
        ]
        data = alt.Chart(sheet.data(own)).encode(x=x, y=alt.value(above), color=sheet.colour())
        points = data.mark_point(size=45, filled=False, strokeWidth=1.6, opacity=1)
        layers.append(points.encode(shape=sheet.shape()))
        several = alt.Chart(sheet.data([row for row in own if row["unsolved"] > 1]))
        count = several.mark_text(align="left", dx=7, fontSize=LEAST_TEXT)
        layers.append(count.encode(x=x, y=alt.value(above), color=sheet.colour(), text=alt.Text("unsolved:Q")))
    said = alt.Chart(sheet.data([{"said": "not solved"}])).mark_text(align="left", color="#666666", fontSize=LEAST_TEXT)
    name = said.encode(x=alt.value(0), y=alt.value(-STRIP * (len(labels) + 0.6)), text=alt.Text("said:N"))
    return [*layers, name]


def _solve_rows(line: Line) -> list[Row]:
    """One row per seed that answered, and one per group whose median seed solved."""
    rows: list[Row] = []
    for group in line.groups:
        if group.solved is None:
            continue
        base = {"model": line.label, "length": group.identity.length}
        for result in group.answered:
            at, budget = result.solved_at_step, result.cell.recipe.steps
            seed = base | {"seed": result.cell.seed}
            rows.append(
                seed | ({"kind": "censored", "value": budget} if at is None else {"kind": "solved", "value": at})
            )
        step = group.solved_at_step
        if step is not None and step < float("inf"):
            rows.append(base | {"kind": "middle", "value": step})
    return [row for row in rows if row["value"] > 0]


# -- cost --------------------------------------------------------------------------------------------------------------


COSTS: tuple[tuple[str, Callable[[Result], float | None]], ...] = (
    ("seconds per step", seconds_per_step),
    ("peak memory (MiB)", lambda result: result.peak_memory_mb),
)


def cost(topics: Sequence[Topic], models: Looks) -> Drawing:
    """Draw seconds per training step and peak memory against length: a column per task."""
    sheet = Sheet(models, drawing.shown(topics), points=True)
    counts: set[int] = set()
    grids: list[Grid] = []
    columns = min(5, len(topics))
    width = (drawing.PAGE - 40) / max(2, columns) - 18
    for start in range(0, len(topics), columns):
        part = topics[start : start + columns]
        for name, measure in COSTS:
            tables = [_cost_rows(topic, measure) for topic in part]
            values = [row["value"] for rows in tables for row in rows]
            if not values:
                continue
            counts |= {row["n"] for rows in tables for row in rows if row["kind"] == "middle"}
            y = drawing.log_axis(values, name, minExtent=40)
            charts = [
                drawing.panel(
                    point_layers(sheet, rows, drawing.length_axis(topic.lengths), y, topic.lengths),
                    width, 150, drawing.panel_title(topic.title),
                )
                for topic, rows in zip(part, tables, strict=True)
            ]  # fmt: skip
            grids.append(drawing.grid(charts, columns, spacing=12, once=("title", "labels")))
    lines = [
        "Seconds of training alone: no data, evaluation or probes. Memory: of the GPU, or else of the whole process.",
        f"Batches differ with length: {_batches(topics)} sequences or windows a step. {drawing.count_line(counts)}.",
    ]  # fmt: skip
    return sheet.finish(grids, "Cost against length", lines, spacing=12)


def _cost_rows(topic: Topic, measure: Callable[[Result], float | None]) -> list[Row]:
    return [
        row
        for label, group in topic.drawn
        for row in drawing.seed_rows(label, group.identity.length, list(filter(None, map(measure, group.seeds))))
    ]


def _batches(topics: Sequence[Topic]) -> str:
    sizes = sorted({group.batch_size for topic in topics for _, group in topic.drawn}, reverse=True)
    return ", ".join(map(str, sizes[:6])) + (", …" if len(sizes) > 6 else "")


def priced(topics: Sequence[Topic]) -> list[Topic]:
    """Pick the topics in which some cell states what it cost."""
    return [topic for topic in topics if any(_cost_rows(topic, measure) for _, measure in COSTS)]
