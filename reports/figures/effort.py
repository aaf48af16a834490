"""Figures of effort over length: steps to solve, seconds per step, memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import altair as alt

from bench.records.result import Result
from reports.figures import drawing
from reports.figures.drawing import Drawing, Grid, Looks, Row, Sheet, Spec
from reports.figures.lengths import point_layers
from reports.summary.group import seconds_per_step
from reports.summary.grouping import steps_exponent
from reports.view.topic import Line, Topic

APART = 8  # pixels between the points of different models at one length


def steps_to_solve(topics: Sequence[Topic], models: Looks) -> Drawing:
    """Draw steps to solve against length; runs that did not solve stand at their budget as open triangles."""
    solvable = [topic for topic in topics if any(group.solved is not None for _, group in topic.drawn)]
    sheet = Sheet(models, drawing.shown(solvable), points=True)
    across = min(3, len(solvable))
    panels = [_solve_panel(sheet, topic, drawing.PAGE / max(2, across) - 50) for topic in solvable]
    counts = sorted({group.n for topic in solvable for _, group in topic.drawn})
    n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    lines = [
        "Optimisation steps until validation passed twice running; a point per seed, the line joins medians; "
        f"n = {n}.",
        "Open triangle, with the number of such seeds: not solved within the budget. Points are set apart sideways.",
        "b: exponent fitted to steps = a T^b, unsolved runs as bounds, where most seeds solve at least three lengths.",
    ]  # fmt: skip
    return sheet.finish(drawing.grid(panels, across, spacing=22), "Steps to solve against length", lines)


def _solve_panel(sheet: Sheet, topic: Topic, width: float) -> Spec:
    margin = APART * (len(topic.lines) + 1) / 2 + 4  # pixels that the outermost points need
    per_pixel = (max(topic.lengths) / min(topic.lengths)) ** (1 / (width - 2 * margin))
    x = drawing.length_axis(topic.lengths, field="place", room=per_pixel**margin)
    low, high = x["scale"]["domain"]
    apart = (high / low) ** (APART / width)
    rows: list[Row] = []
    fitted = []
    for index, line in enumerate(topic.lines):
        rows += _solve_rows(line, apart ** (index - (len(topic.lines) - 1) / 2))
        exponent = steps_exponent(line.groups)
        fitted += [] if exponent is None else [f"{line.label} {exponent:.2f}"]
    y = drawing.log_axis((row["value"] for row in rows), "steps to solve", minExtent=40)
    colour, shape = sheet.colour(), sheet.shape()
    kinds = ("solved", "censored", "middle")
    solved, censored, middle = (sheet.data([row for row in rows if row["kind"] == kind]) for kind in kinds)
    layers: list[Any] = [
        alt.Chart(middle).mark_line(strokeWidth=1.6).encode(x=x, y=y, color=colour, strokeDash=sheet.dash()),
        alt.Chart(solved).mark_point(size=65, filled=True, opacity=1).encode(x=x, y=y, color=colour, shape=shape),
        alt.Chart(censored).mark_point(shape="triangle-up", size=75, filled=False, strokeWidth=1.8, opacity=1)
        .encode(x=x, y=y, color=colour),
    ]  # fmt: skip
    at_budget = Counter((row["model"], row["place"], row["value"]) for row in rows if row["kind"] == "censored")
    several = [
        {"model": model, "place": place, "value": value, "unsolved": str(count)}
        for (model, place, value), count in at_budget.items()
        if count > 1
    ]
    if several:
        counted = alt.Chart(sheet.data(several)).mark_text(fontSize=10, dy=-12).encode(x=x, y=y, text="unsolved:N")
        layers.append(counted.encode(color=colour))
    heading = drawing.panel_title(topic.title, f"b: {', '.join(fitted)}" if fitted else "b: too few lengths solved")
    return drawing.panel(layers, width, 190, heading)


def _solve_rows(line: Line, factor: float) -> list[Row]:
    """One row per seed that answered, and one per group whose median seed solved."""
    rows: list[Row] = []
    for group in line.groups:
        if group.solved is None:
            continue
        base = {"model": line.label, "length": group.identity.length, "place": group.identity.length * factor}
        for result in group.answered:
            at, seed = result.solved_at_step, {"seed": result.cell.seed}
            budget = base | seed | {"kind": "censored", "value": result.cell.recipe.steps}
            rows.append(budget if at is None else base | seed | {"kind": "solved", "value": at})
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
