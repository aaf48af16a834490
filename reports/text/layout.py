"""What a table says, in any format: title, columns, rows of text and the notes below. Statistics come from summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from reports.summary.group import Group
from reports.summary.grouping import alone_of, steps_exponent
from reports.text import words
from reports.text.notes import references
from reports.view import Topic, View


class Column(NamedTuple):
    """A heading, how its cells are set (`point`: decimal points below each other), whether they are outcome words."""

    name: str
    align: Literal["left", "right", "point"] = "right"
    outcome: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of text; a cell may hold several lines. gaps: indices of rows that begin a new part."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    gaps: frozenset[int] = field(default_factory=frozenset)


# Columns that tables by group and by cell share: of a group of seeds, or of one seed alone.
_SCORED = (
    Column("score", "point"), Column("", "left"), Column("spread", "left"), Column("chance", "point"), Column("skill"),
    Column("outcome", "left", True), Column("solved at"),
)  # fmt: skip


def _scored(group: Group, chance: float | None, short: bool) -> tuple[str, ...]:
    return (
        words.number(group.score),
        words.EQUALS_CHANCE if group.equals_chance else "",
        words.spread(group, per_line=2 if short else 5),
        words.number(chance),
        words.skill(group.skill),
        words.outcome(group, short),
        words.solved_at(group),
    )


def by_group(topic: Topic, short: bool = False) -> Table:
    """Lay out one row per length and model of a topic."""
    columns = (Column("T"), Column("model", "left"), Column("n"), *_SCORED, Column("rate"), Column("body"), Column("s"))
    chance = {group.identity.length: group.reference.chance for group in topic.groups if group.reference}
    rows = tuple(
        (
            str(member.length),
            "\n".join(filter(None, (_broken(member.label, short), member.difference))),
            str(member.group.n),
            *_scored(member.group, chance.get(member.length), short),
            words.rate(member.group.learning_rate) + (words.ON_EDGE if member.group.on_edge else ""),
            words.whole(member.group.parameters_body),
            words.number(member.group.seconds, 1),
        )
        for member in topic.members
    )
    gaps = frozenset(index for index in range(1, len(rows)) if rows[index][0] != rows[index - 1][0])
    return _without_empty(Table(topic.heading.full, columns, rows, references(topic), gaps))


def _without_empty(table: Table) -> Table:
    """The table without its blank columns, and without a learning rate that was never chosen among several."""
    several = any(words.ON_EDGE in row[10] for row in table.rows) or len({row[10] for row in table.rows}) > 1
    keep = [
        index
        for index, column in enumerate(table.columns)
        if any(row[index] for row in table.rows) and (column.name != "rate" or several)
    ]
    columns = tuple(table.columns[index] for index in keep)
    rows = tuple(tuple(row[index] for index in keep) for row in table.rows)
    return Table(table.title, columns, rows, table.notes, table.gaps)


def overview(topic: Topic, lengths: Sequence[int], short: bool = False) -> Table:
    """Lay out models as rows, lengths as columns: score, mark, outcome; T* beside a task that can be solved."""
    columns = [Column("model", "left")]
    for length in lengths:
        columns += [Column(f"T={length}", "point"), Column("", "left"), Column("", "left", True)]
    rows: dict[str, list[str]] = {}
    for label in dict.fromkeys(member.label for member in topic.members):
        rows[label] = cells = [_broken(label, short)]
        for length in lengths:
            stack = [member for member in topic.members if (member.label, member.length) == (label, length)]
            cells.append("\n".join(words.number(member.group.score) for member in stack))
            cells.append("\n".join(words.EQUALS_CHANCE if member.group.equals_chance else "" for member in stack))
            cells.append("\n".join(_verdict(member.group, member.difference, short) for member in stack))
    far = {line.label: words.solved_length(line.solved) for line in topic.lines}
    if any(far.values()):
        columns.append(Column("T*"))
        for label, cells in rows.items():
            cells.append(far[label])
    notes = (*references(topic), *_exponents(topic))
    return Table(topic.heading.full, tuple(columns), tuple(map(tuple, rows.values())), notes)


def _broken(name: str, short: bool) -> str:
    """An entry with options, one option per line where columns must be narrow."""
    return name.replace(":", "\n:") if short else name


def _verdict(group: Group, difference: str, short: bool) -> str:
    word = words.outcome(group, short).partition("\n")[0]
    if not short and word == "solved":
        word = f"solved at {words.solved_at(group)}"
    return f"{word} ({difference})" if difference else word


def _exponents(topic: Topic) -> tuple[str, ...]:
    exponents = [(line.label, steps_exponent(line.groups)) for line in topic.lines]
    texts = [f"{label} {value:z.2f}" for label, value in exponents if value is not None]
    return (f"exponent b of steps to solve ∝ T^b, unsolved runs censored: {', '.join(texts)}",) if texts else ()


def by_cell(topic: Topic, short: bool = False) -> Table:
    """Lay out one row per cell of a topic."""
    head = (Column("T"), Column("model", "left"), Column("seed"), Column("rate"))
    rows = []
    for result in (result for group in topic.groups for result in group.results):
        alone = alone_of(result)
        rows.append((
            str(result.cell.length),
            _broken(result.cell.model, short),
            str(result.cell.seed),
            words.rate(result.cell.recipe.learning_rate),
            *_scored(alone, alone.reference.chance if alone.reference else None, short),
            words.whole(result.steps),
            words.number(alone.seconds, 1),
        ))  # fmt: skip
    return Table(topic.heading.full, (*head, *_SCORED, Column("steps"), Column("s")), tuple(rows), references(topic))


def failures(view: View) -> Table | None:
    """Lay out every cell without a score, with its status and the first line of its error; None where all went well.

    Equal ones of several seeds share a row.
    """
    seeds: dict[tuple[str, str, int, float, str, str], list[int]] = {}
    for result in view.results:
        if result.status != "ok":
            cell, status = result.cell, result.status.replace("_", " ")
            key = (cell.task, cell.model, cell.length, cell.recipe.learning_rate, status, words.first_line(result))
            seeds.setdefault(key, []).append(cell.seed)
    if not seeds:
        return None
    columns = (
        Column("task", "left"), Column("T"), Column("model", "left"), Column("rate"), Column("seeds", "left"),
        Column("status", "left", True), Column("error", "left"),
    )  # fmt: skip
    rows = []
    for key in sorted(seeds, key=lambda key: (view.order.task(key[0]), key[2], view.order.model(key[1]), *key[3:])):
        task, model, length, learning_rate, status, error = key
        shared = ",".join(map(str, sorted(seeds[key])))
        rows.append((task, str(length), model, words.rate(learning_rate), shared, status, error))
    title = f"Cells that diverged or failed: {sum(map(len, seeds.values()))}"
    return Table(title, columns, tuple(rows))
