"""Pictures of what happens inside a trained model on one sequence: gates, attention, an impulse, tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from bench.lectures.shown import GREY, Shown, look
from bench.probes import unrolled
from reports.figures.layout import Drawing
from reports.figures.slides import Axis, Cell, Line, Panel, Table, lines, tables
from tasks.base import Batch, Task, first_sequences
from tasks.base.written import Row, words, written
from tasks.corpora.conll import read_conll

OPEN, CLOSED = "o", "–"
SENTENCES = 3
TAGGED, WRONG = 0.35, 1.0  # shades of a tag other than O, and of a wrong one
SEEN = 0.005  # the least attention weight of a step that is shown


def gates(cells: Sequence[Shown], title: str) -> Drawing:
    """Mark the gates of one unit as open or closed over the steps of one sequence, a table per model."""
    shown = []
    for cell in cells:
        task, model = cell.built()
        batch = task.probe_batch(1)
        with torch.no_grad():
            every = model.pictures(model.embedding(batch.inputs), batch.reads)
        unit = busiest(every)
        rows = [(row.name, [Cell(str(word)) for word in row.cells]) for row in _read(task, batch)]
        for name, values in every.items():
            marked = [Cell(OPEN if value >= 0.5 else CLOSED, value) for value in values[0, :, unit].tolist()]
            rows.append((f"{name} gate", marked))
        shown.append(Table("", [str(t) for t in range(1, batch.steps + 1)], rows, "step t"))
    return tables(title, [f"One unit, the one whose gates move most. {OPEN}: above 1/2, {CLOSED}: below."], shown)


def busiest(every: Mapping[str, Tensor]) -> int:
    """Return the unit whose gates (1, time, units) move most along the sequence."""
    return int(sum(values[0].std(0) for values in every.values()).argmax())  # type: ignore[union-attr]


def _read(task: Task, batch: Batch) -> list[Row]:
    """Rows of what the first sequence of a batch reads, in the task's own symbols."""
    rows = written(task.spec.inputs, task.notation, batch).steps
    return [row for row in rows if row.name not in ("step", "target")]


def impulse(cells: Sequence[Shown], title: str) -> Drawing:
    """Draw how the answers move when the first input is 1 in the place of 0, and how those of the exact solution do."""
    drawn = []
    for number, cell in enumerate(cells):
        task, model = cell.built()
        colour, dash, _ = look(cell, number)
        drawn.append(Line(cell.label, _response(partial(unrolled.answers, model), task.length), colour, dash))
    predict = task.spec.predict
    assert predict is not None, "expected a task with an exact solution"
    drawn.append(Line("exact: α^k", _response(lambda x: predict(x, None), task.length), GREY, (6, 5)))
    values = [value for line in drawn for _, value in line.points]
    x = Axis("steps after the impulse, k", 0, task.length - 1)
    y = Axis("change of the answer", min(0.0, *values), 1.08 * max(values))
    said = "Answers at every step after a single input of 1 among zeros, less those to zeros alone."
    return lines(title, [said], [Panel("", drawn, x, y)])


def _response(answers: Callable[[Tensor], Tensor], steps: int) -> list[tuple[float, float]]:
    return list(enumerate(unrolled.impulse(answers, steps)[:, 0].tolist()))


def attention(cells: Sequence[Shown], title: str) -> Drawing:
    """Shade attention weights, mean over heads, over what was read: a row for each answer of one sequence."""
    shown = []
    for cell in cells:
        task, model = cell.built()
        batch = task.probe_batch(1)
        with torch.no_grad():
            weights = model.pictures(model.embedding(batch.inputs), batch.reads)["attention"][0].mean(0)
        weights = weights[batch.reads.mask[0, batch.reads.span]]
        last = int((weights > SEEN).any(0).nonzero().max()) + 1
        said = words(batch.targets, task.notation.targets)
        rows = [(name, [Cell("", v) for v in row[:last].tolist()]) for name, row in zip(said, weights, strict=True)]
        shown.append(Table("", [str(word) for word in _read(task, batch)[0].cells[:last]], rows, "what was read"))
    return tables(title, ["A row for each answer: the darker, the larger the weight on the word above."], shown)


def tags(cells: Sequence[Shown], title: str) -> Drawing:
    """Write the first test sentences, and below each word the tag that each model gives it; wrong ones are dark."""
    source = cells[0].source
    assert source is not None, "expected a task with a corpus in one file"
    documents = read_conll([Path(source.corpus)])["test"][:SENTENCES]
    models = [(cell.label, *cell.built()) for cell in cells]
    shown = []
    for number, document in enumerate(documents):
        rows = []
        for label, task, model in models:
            batch = first_sequences(task.test_dataloader(), SENTENCES)
            own = batch.select(torch.arange(len(batch)) == number)
            with torch.no_grad():
                said = words(model(own).argmax(1), task.notation.targets)
            rows.append((label, [_tag(*pair) for pair in zip(said, document.tags, strict=True)]))
        shown.append(Table("", document.tokens, rows))
    caption = "Sentences that no model was trained on. PER: a person, ORG: an organisation, LOC: a place; dark: wrong."
    return tables(title, [caption], shown)


def _tag(said: str, right: str) -> Cell:
    word = "–" if said == "O" else said.removeprefix("B-").removeprefix("I-")
    return Cell(word, WRONG if said != right else 0.0 if said == "O" else TAGGED)
