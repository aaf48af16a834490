"""Pictures of training: lengths, clipping, learning rates, and what a language model writes as it learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from math import ceil, floor, log10

from bench.lectures.shown import Shown, look, powers
from reports.figures.layout import Drawing
from reports.figures.lengths import against_length
from reports.figures.slides import Axis, Cell, Line, Panel, Table, lines, tables
from reports.view import View

LETTERS = 44  # of a sample: as many as a slide shows in a row
BREAK = "¶"  # a line break in a sample
ROOM = 0.1  # powers of ten that are left free at the ends of an axis


def lengths(cells: Sequence[Shown], title: str) -> Drawing:
    """Draw skill against length, as a report does."""
    view = View.of([cell.result for cell in cells])
    return replace(against_length(view.topics, "skill", view.looks), title=title)


def clipping(cells: Sequence[Shown], title: str) -> Drawing:
    """Draw gradient norm before clipping, and loss, at every training step: a line for each way of clipping."""
    panels: list[Panel] = []
    for name, held in (("gradient norm", "gradient_norm"), ("training loss", "train_loss")):
        drawn = []
        for number, cell in enumerate(cells):
            known = [(step, v) for step, v in enumerate(getattr(cell.result.curves, held), start=1) if v]
            points = list(zip([step for step, _ in known], powers([v for _, v in known]), strict=True))
            colour, dash, _ = look(cell, number)
            drawn.append(Line(_clipped(cell) if panels else "", points, colour, dash))
        steps = max(cell.result.cell.recipe.steps for cell in cells)
        values = [value for line in drawn for _, value in line.points]
        y = Axis("", floor(min(values)), ceil(max(values)), power=True)
        panels.append(Panel(name, drawn, Axis("training step", 0, steps), y))
    said = "Gradient norm before clipping, and loss, at every training step. A line that ends: the training diverged."
    return lines(title, [said], panels)


def _clipped(cell: Shown) -> str:
    recipe = cell.result.cell.recipe
    name = "not clipped" if recipe.clip is None else f"clipped at {recipe.values['clip']}"
    return f"{name}: diverged" if cell.result.status == "diverged" else name


def rates(cells: Sequence[Shown], title: str) -> Drawing:
    """Draw the score against the learning rate, a line per model, and what knowing nothing scores."""
    drawn = []
    for number, (label, several) in enumerate(groupby(sorted(cells, key=_by_rate), key=lambda cell: cell.label)):
        own = [cell for cell in several if cell.result.score]
        at = powers([cell.result.cell.recipe.learning_rate for cell in own])
        values = powers([cell.result.score.score for cell in own if cell.result.score])
        colour, dash, _ = look(own[0], number)
        drawn.append(Line(label, list(zip(at, values, strict=True)), colour, dash, dots=True))
    scores = [cell.result.score for cell in cells if cell.result.score]
    across, up = zip(*(point for line in drawn for point in line.points), strict=True)
    ticks = range(ceil(min(across)), floor(max(across)) + 1)
    x = Axis("learning rate", min(across) - ROOM, max(across) + ROOM, power=True, ticks=ticks)
    y = Axis(scores[0].metric.replace("_", " "), floor(min(up)), ceil(max(up)) + ROOM, power=True)
    rule = log10(scores[0].chance), "chance"
    said = f"Test score after {cells[0].result.cell.recipe.steps} training steps. A rate without a point: diverged."
    return lines(title, [said], [Panel("", drawn, x, y, rule=rule)])


def _by_rate(cell: Shown) -> tuple[str, float]:
    return cell.label, cell.result.cell.recipe.learning_rate


def writing(cells: Sequence[Shown], title: str) -> Drawing:
    """Write the beginning of what each model samples after its training steps, a table for each text that was read."""
    shown = []
    for name, several in groupby(cells, key=lambda cell: cell.result.cell.data.name if cell.result.cell.data else ""):
        rows = []
        for cell in several:
            letters = (cell.result.sample or "").replace("\n", BREAK)[:LETTERS].ljust(LETTERS)
            rows.append((f"step {cell.result.steps}", [Cell(letter) for letter in letters]))
        shown.append(Table(f"reads {name}", [], rows, font="monospace"))
    return tables(title, [f"The first {LETTERS} characters of a sample, temperature 1; {BREAK}: a line break."], shown)
