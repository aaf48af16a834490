"""A close look at the inside of a trained model: chosen steps of one sequence, each with what stands there."""

from __future__ import annotations

from bench.probes.as_record import QUERIES, UNITS, in_parts, inside, named
from bench.records import foreign
from bench.records.result import Closeup
from models.base import SequenceModel
from tasks.base import Batch, Task

FIRST, LAST, CREDITED = 10, 16, 6  # steps shown: of the start, of the end, and of those that the last answer depends on
LETTERS = 16  # of a symbol, at most
SPACES = {ord(" "): "␣", ord("\n"): "⏎", ord("\t"): "⇥"}  # would not be seen
PARTS = 10_000  # the unit of a weight


def closeup(model: SequenceModel, task: Task, batch: Batch) -> Closeup | None:
    """Look at the first sequence of a batch; None where a model has neither gates nor attention."""
    first = batch.select(slice(1))
    shown = inside(model, first)
    if not shown:
        return None
    steps = chosen(task, first)
    last = first.reads.span.stop
    answered = range(max(first.reads.span.start, last - QUERIES), last)
    return Closeup(
        steps=tuple(steps),
        symbols=symbols(task, first, steps),
        answered=tuple(answered),
        gates={
            name: in_parts(PARTS, values[0, steps, :UNITS].T) for name, values in shown.items() if values.dim() == 3
        },
        attention={
            each: in_parts(PARTS, rows[:, steps])
            for name, values in shown.items()
            if values.dim() == 4
            for each, rows in named(name, values[0, :, -QUERIES:])
        },
    )


def chosen(task: Task, batch: Batch) -> list[int]:
    """Choose the first and the last steps of a sequence, and those between that count most for its last answer."""
    time = batch.steps
    steps = {*range(min(time, FIRST)), *range(max(0, time - LAST), time)}
    credit = task.credit(batch)
    if credit is not None:
        order = credit[0].argsort(descending=True).tolist()
        steps |= {step for step in order[:CREDITED] if credit[0, step] > 0}
    return sorted(steps)


def symbols(task: Task, batch: Batch, steps: list[int]) -> dict[str, tuple[str, ...]]:
    """Write what stands at some steps, and what is asked for there, row by row as the task writes an example.

    Rows of shades, as those of an image, are left out, because a word cannot show them.
    """
    rows = task.written(batch).steps[1:]  # the first one counts the steps
    cells = {row.name: [row.cells[step] for step in steps] for row in rows}
    return {
        name: tuple(foreign.line(cell.translate(SPACES), LETTERS) for cell in words)
        for name, row in cells.items()
        if len(words := [cell for cell in row if isinstance(cell, str)]) == len(row)
    }
