"""Figures of a study, from the file of its results alone: skill, scores, steps to solve, gradients and skill."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import altair as alt

from reports.figures import drawing, lengths
from reports.figures.drawing import Drawing, Looks, Row, Sheet, Spec
from reports.figures.effort import Solving, solving
from reports.figures.figures import Figure
from reports.summary import study
from reports.summary.study import Lines, Setting

ROOM = 6  # labels below a quarter of a page
WHEN: tuple[tuple[str, Callable[[Setting], float | None]], ...] = (
    ("before training", lambda setting: setting.fall),
    ("after training", lambda setting: setting.fall_after),
)


def figures(made: Sequence[Setting], models: Looks) -> list[Figure]:
    """List the figures that the settings of a study allow."""
    return [Figure(name, (), draw) for name, draw in _plans(study.lines(made), models)]


def _plans(tasks: Mapping[str, Lines], models: Looks) -> Iterator[tuple[str, Callable[[], Drawing]]]:
    scored = _with(tasks, lambda setting: setting.typical("skill") is not None)
    if scored:
        yield "skill", partial(skill, scored, models)
    named = _with(scored, lambda setting: setting.typical("score") is not None and _metric(setting) is not None)
    if unsolved := {task: lines for task, lines in named.items() if not any(map(study.solvable, lines.values()))}:
        yield "score", partial(score, unsolved, models)
    if solved := _with(tasks, lambda setting: setting.solved > 0):
        yield "steps-to-solve", partial(steps_to_solve, solved, models)
    if known := _with(tasks, lambda setting: setting.fall is not None and setting.typical("skill") is not None):
        yield "gradients", partial(gradients, known, models)


def _with(tasks: Mapping[str, Lines], holds: Callable[[Setting], bool]) -> dict[str, Lines]:
    """Pick the tasks of which some setting holds what is drawn."""
    return {task: lines for task, lines in tasks.items() if any(map(holds, _settings(lines)))}


def _settings(lines: Lines) -> list[Setting]:
    return [setting for line in lines.values() for setting in line]


def _sheet(tasks: Mapping[str, Lines], models: Looks) -> Sheet:
    return Sheet(models, study.models(tasks), points=True)


def _counts(tasks: Mapping[str, Lines]) -> set[int]:
    return {setting.n for lines in tasks.values() for setting in _settings(lines)}


# -- skill and steps ---------------------------------------------------------------------------------------------------


def skill(tasks: Mapping[str, Lines], models: Looks) -> Drawing:
    """Draw skill against length: a panel per task, a line per model through the medians of seeds."""
    sheet = _sheet(tasks, models)
    across = drawing.across(len(tasks))
    panels = [
        lengths.skill_panel(
            sheet, _seeds(lines, "skill"), study.lengths(lines), drawing.PAGE / max(2, across) - 70, task
        )
        for task, lines in tasks.items()
    ]
    said = [lengths.SCALE, f"{drawing.count_line(_counts(tasks))}.", lengths.AT_STOP]
    return sheet.finish(drawing.grid(panels, across, spacing=22), "Skill against length", said)


def score(tasks: Mapping[str, Lines], models: Looks) -> Drawing:
    """Draw the score of tasks that no seed solved against length, on axes cut to what was reached."""
    sheet = _sheet(tasks, models)
    across = drawing.across(len(tasks))
    width = drawing.PAGE / max(2, across) - 70
    panels = []
    for task, lines in tasks.items():
        of = next(row for row in map(_metric, _settings(lines)) if row is not None)
        metric = of["metric"].replace("_", " ")
        better = {True: ["higher is better"], False: ["lower is better"]}.get(of["higher_is_better"], [])
        title = drawing.panel_title(task, *better)
        marks = _seeds(lines, "score")
        panels.append(lengths.score_panel(sheet, marks, study.lengths(lines), width, title, metric))
    said = [
        "Test score, of tasks that no seed solved; axes are cut to what was reached, and leave out chance and skill 1.",
        f"{drawing.count_line(_counts(tasks))}.",
    ]
    return sheet.finish(drawing.grid(panels, across, spacing=22), "Score against length", said)


def _metric(setting: Setting) -> Row | None:
    """Find a row that names its metric; a stranger's file may leave it out."""
    return next((row for row in setting.rows if row["metric"] is not None), None)


def _seeds(lines: Lines, column: str) -> list[Row]:
    return [
        row
        for model, line in lines.items()
        for setting in line
        for row in drawing.seed_rows(model, setting.length, setting.values(column))
    ]


def steps_to_solve(tasks: Mapping[str, Lines], models: Looks) -> Drawing:
    """Draw steps to solve against length; runs that did not solve stand above all that did, a row per model."""
    return solving([_solving(task, lines) for task, lines in tasks.items()], models)


def _solving(task: str, lines: Lines) -> Solving:
    made = _settings(lines)
    exponents = {model: study.exponent(line) for model, line in lines.items()}
    return Solving(
        task, list(lines), study.lengths(lines),
        rows=[row for setting in made for row in _steps(setting)],
        budgets=sorted({(setting.length, setting.budget) for setting in made}),
        exponents={model: exponent for model, exponent in exponents.items() if exponent is not None},
        counts={setting.n for setting in made},
    )  # fmt: skip


def _steps(setting: Setting) -> Iterator[Row]:
    base = {"model": setting.model, "length": setting.length}
    for row in setting.answered:
        at = row["solved_at_step"]
        kind, value = ("censored", row["step_budget"]) if at is None else ("solved", at)
        yield base | {"seed": row["seed"], "kind": kind, "value": value}
    if math.isfinite(setting.solved_at):
        yield base | {"kind": "middle", "value": setting.solved_at}


# -- gradients ---------------------------------------------------------------------------------------------------------


def gradients(tasks: Mapping[str, Lines], models: Looks) -> Drawing:
    """Draw skill against how far the gradient changes over the task's reach: before training, and after it."""
    sheet = _sheet(tasks, models)
    across = min(4, len(tasks))
    width = drawing.PAGE / max(2, across) - 34
    grids = []
    for when, change in WHEN:
        rows = {task: _points(lines, change) for task, lines in tasks.items()}
        x = _change_axis([row["change"] for points in rows.values() for row in points], when)
        panels = [_scatter(sheet, points, x, width, task) for task, points in rows.items() if points]
        grids.append(drawing.grid(panels, across, spacing=12, once=("title", "labels")))
    said = [
        "Across: powers of ten by which the gradient of the answer changes from the last input to the farthest that "
        "the task needs (fitted rate times that distance); left: it vanishes, right: it explodes.",
        "A point per model and length, joined as lengths rise; medians over seeds. Skill: 0 is chance, 1 perfect.",
    ]
    return sheet.finish([grid for grid in grids if grid.panels], "Gradients and skill", said, spacing=14)


def _points(lines: Lines, change: Callable[[Setting], float | None]) -> list[Row]:
    return [
        {"model": model, "length": setting.length, "change": at, "value": value}
        for model, line in lines.items()
        for setting in line
        if (at := change(setting)) is not None and (value := setting.typical("skill")) is not None
    ]


def _change_axis(values: Sequence[float], when: str) -> alt.X:
    low, high = min([*values, -1.0]), max([*values, 1.0])
    room = 0.06 * (high - low)
    scale = alt.Scale(type="symlog", constant=1, domain=[low - room, high + room], nice=False)
    ticks = [power for power in (-300, -100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100, 300) if low <= power <= high]
    if len(ticks) > ROOM:
        ticks = [power for power in ticks if abs(power) not in (3, 30, 300)]
    axis = alt.Axis(title=f"powers of ten, {when}", values=ticks, grid=False, labelOverlap="greedy")
    return alt.X("change:Q", scale=scale, axis=axis)


def _scatter(sheet: Sheet, rows: list[Row], x: alt.X, width: float, title: str) -> Spec:
    y = lengths.skill_axis()
    line = alt.Chart(sheet.data(drawing.joined(rows, {row["length"] for row in rows})))
    path = line.mark_line(strokeWidth=1, opacity=0.5).encode(
        x=x, y=y, color=sheet.colour(), detail=alt.Detail("piece:N"), order=alt.Order("length:Q")
    )
    points: Any = alt.Chart(sheet.data(rows)).mark_point(size=50, filled=True, opacity=1)
    return drawing.panel(
        [path, points.encode(x=x, y=y, color=sheet.colour(), shape=sheet.shape())],
        width, 150, drawing.panel_title(title),
    )  # fmt: skip
