"""What a table says, in any format: title, columns, rows of text and the notes below. Statistics come from summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from bench.records.result import Result
from reports.summary import grouping as summary
from reports.summary.grouping import Group
from reports.text.words import (
    EQUALS_CHANCE,
    ON_EDGE,
    first_line,
    number,
    outcome,
    rate,
    skill,
    solved_at,
    spread,
    whole,
)
from reports.view.blocks import Rank, labels, references


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


def by_group(title: str, members: Sequence[Group], short: bool = False) -> Table:
    """One row per length and model of a block."""
    columns = [
        Column("T"), Column("model", "left"), Column("n"), Column("score", "point"), Column("", "left"),
        Column("spread", "left"), Column("chance", "point"), Column("skill"), Column("outcome", "left", True),
        Column("solved at"), Column("rate"), Column("body"), Column("s"),
    ]  # fmt: skip
    names, rows, gaps, last = labels(members), [], set(), None
    chance = {group.identity.length: group.reference.chance for group in members if group.reference}
    for group in members:
        if last not in (None, group.identity.length):
            gaps.add(len(rows))
        last = group.identity.length
        rows.append((
            str(group.identity.length),
            "\n".join(filter(None, (_broken(names[id(group)][0], short), names[id(group)][1]))),
            str(group.n),
            number(group.score),
            EQUALS_CHANCE if group.equals_chance else "",
            spread(group, per_line=2 if short else 5),
            number(chance.get(group.identity.length)),
            skill(group.skill),
            outcome(group, short),
            solved_at(group),
            rate(group.learning_rate) + (ON_EDGE if group.on_edge else ""),
            whole(group.parameters_body),
            number(group.seconds, 1),
        ))  # fmt: skip
    notes = references(members)
    return _without_empty(Table(title, tuple(columns), tuple(rows), notes, frozenset(gaps)))


def _without_empty(table: Table) -> Table:
    """The table without columns that say nothing: all blank, or a learning rate that was never chosen among several."""
    several = any(ON_EDGE in text for row in table.rows for text in row) or len({row[10] for row in table.rows}) > 1
    keep = [
        index
        for index, column in enumerate(table.columns)
        if any(row[index] for row in table.rows) and (column.name != "rate" or several)
    ]
    columns = tuple(table.columns[index] for index in keep)
    rows = tuple(tuple(row[index] for index in keep) for row in table.rows)
    return Table(table.title, columns, rows, table.notes, table.gaps)


def overview(title: str, members: Sequence[Group], lengths: Sequence[int], short: bool = False) -> Table:
    """Models as rows, lengths as columns: score, mark, outcome; T* beside a task that can be solved."""
    names, columns = labels(members), [Column("model", "left")]
    for length in lengths:
        columns += [Column(f"T={length}", "point"), Column("", "left"), Column("", "left", True)]
    rows: dict[str, list[str]] = {}
    for group in members:
        rows.setdefault(names[id(group)][0], [])
    for name, cells in rows.items():
        cells.append(_broken(name, short))
        for length in lengths:
            stack = [g for g in members if names[id(g)][0] == name and g.identity.length == length]
            cells.append("\n".join(number(group.score) for group in stack))
            cells.append("\n".join(EQUALS_CHANCE if group.equals_chance else "" for group in stack))
            cells.append("\n".join(_verdict(group, names[id(group)][1], short) for group in stack))
    far = {name: _solved_length([g for g in members if names[id(g)][0] == name]) for name in rows}
    if any(far.values()):
        columns.append(Column("T*"))
        for name, cells in rows.items():
            cells.append(far[name])
    return Table(title, tuple(columns), tuple(map(tuple, rows.values())), (*references(members), *_exponents(members)))


def _broken(name: str, short: bool) -> str:
    """An entry with options, one option per line where columns must be narrow."""
    return name.replace(":", "\n:") if short else name


def _verdict(group: Group, difference: str, short: bool) -> str:
    word = outcome(group, short).partition("\n")[0]
    if not short and word == "solved":
        word = f"solved at {solved_at(group)}"
    return f"{word} ({difference})" if difference else word


def _solved_length(members: Sequence[Group]) -> str:
    found = {summary.solved_length(line) for line in summary.series(members).values()} - {None}
    if len(found) != 1:  # none; or model versions or look-alikes that a single figure would mix
        return ""
    length = found.pop()
    return str(length) if length else f"<{min(group.identity.length for group in members)}"


def _exponents(members: Sequence[Group]) -> tuple[str, ...]:
    found = [(key.model, summary.steps_exponent(line)) for key, line in summary.series(members).items()]
    texts = [f"{model} {value:.2f}" for model, value in found if value is not None]
    return (f"exponent b of steps to solve ∝ T^b, unsolved runs censored: {', '.join(texts)}",) if texts else ()


def in_order(members: Sequence[Group]) -> list[Result]:
    """The cells of groups, by learning rate and seed within a group."""
    return [
        result
        for group in members
        for result in sorted(group.results, key=lambda r: (r.cell.recipe.learning_rate, r.cell.seed))
    ]


def by_cell(title: str, members: Sequence[Group], short: bool = False) -> Table:
    """One row per cell."""
    columns = (
        Column("T"), Column("model", "left"), Column("seed"), Column("rate"), Column("score", "point"),
        Column("", "left"), Column("spread", "left"), Column("chance", "point"), Column("skill"),
        Column("outcome", "left", True), Column("solved at"), Column("steps"), Column("s"),
    )  # fmt: skip
    rows = []
    for result in in_order(members):
        alone = Group(summary.identity(result), (result,))
        rows.append((
            str(result.cell.length),
            _broken(result.cell.model, short),
            str(result.cell.seed),
            rate(result.cell.recipe.learning_rate),
            number(alone.score),
            EQUALS_CHANCE if alone.equals_chance else "",
            spread(alone),
            number(alone.reference.chance if alone.reference else None),
            skill(alone.skill),
            outcome(alone, short),
            solved_at(alone),
            whole(result.steps),
            number(alone.seconds, 1),
        ))  # fmt: skip
    return Table(title, columns, tuple(rows), references(members))


def failures(results: Iterable[Result], rank: Rank) -> Table | None:
    """Every cell without a score, with its status and the first line of its error; equal ones of several seeds share
    a row. None where all went well."""
    found: dict[tuple[str, str, int, float, str, str], list[int]] = {}
    for result in results:
        if result.status != "ok":
            cell, status = result.cell, result.status.replace("_", " ")
            key = (cell.task, cell.model, cell.length, cell.recipe.learning_rate, status, first_line(result))
            found.setdefault(key, []).append(cell.seed)
    if not found:
        return None
    columns = (
        Column("task", "left"), Column("T"), Column("model", "left"), Column("rate"), Column("seeds", "left"),
        Column("status", "left", True), Column("error", "left"),
    )  # fmt: skip
    rows = []
    for key in sorted(found, key=lambda key: (rank("task", key[0]), key[2], rank("model", key[1]), *key[3:])):
        task, model, length, learning_rate, status, error = key
        seeds = ",".join(map(str, sorted(found[key])))
        rows.append((task, str(length), model, rate(learning_rate), seeds, status, error))
    title = f"Cells that diverged or failed: {sum(map(len, found.values()))}"
    return Table(title, columns, tuple(rows))
