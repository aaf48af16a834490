"""Which option cures what: every variant of a model beside the model as it is, and what it does to gradients and cost.

`python -m reports.remedies STORE`. A variant is the same model with options. Rows are sorted by what they cured: seeds
that solved, over all lengths, then skill.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console

from bench.cli import command
from bench.records.row import row
from bench.store import Store
from reports.summary import Group
from reports.summary.grouping import ALPHA, compare, compared_by
from reports.summary.statistics import typical
from reports.text import formats, words
from reports.text.layout import Column, Table
from reports.view import Topic, View
from reports.view.command import ALL, Choice, deliver
from reports.view.view import name_of

ENOUGH = 4  # seeds on either side, from which a difference can be told: of three, the smallest exact p is .10
LONGER = 2.0  # a half-life so many times that of the model as it is, or more, has changed

app = App(name="python -m reports.remedies", help="Variants of a model beside it.", version_flags=[])


@app.default
def remedies(
    store: Path,
    /,
    *,
    format: Annotated[Literal["text", "markdown"], Parameter(name="--format")] = "text",
    choice: Choice = ALL,
    output: Path | None = None,
) -> None:
    """Show every variant of a model beside it: solved, skill, half-life and cost, and what may be said of them.

    Parameters
    ----------
    store
        A folder of results.
    format
        text or markdown.
    output
        A file to write instead of the terminal.
    """
    made = tables(choice.of(Store(store)))
    if format == "text" and output is None:
        _print(made, formats.terminal())
    else:
        text = formats.markdown(made, ()) if format == "markdown" else formats.plain(partial(_print, made))
        deliver(text, output)


def _print(made: Sequence[Table], console: Console) -> None:
    for table in made:
        formats.print_table(table, console)


def tables(view: View) -> list[Table]:
    """Lay out one table for every task and base model that has variants."""
    made = []
    for topic in view.topics:
        lines: dict[str, dict[str, dict[int, Group]]] = {}
        for member in topic.members:
            lines.setdefault(name_of(member.label), {}).setdefault(member.label, {})[member.length] = member.group
        made += [_table(topic, base, variants) for base, variants in lines.items() if len(variants) > 1]
    return made


def _table(topic: Topic, base: str, variants: dict[str, dict[int, Group]]) -> Table:
    plain = variants.get(base, {})
    columns = [Column("remedy", "left")]
    for length in topic.lengths:
        columns += [Column(f"T={length}"), Column("solved at"), Column("skill"), Column("beside it", "left")]
        columns += [Column("half-life"), Column("flow", "left"), Column("s")]
    ordered = sorted(variants, key=lambda label: (label != base, *_cured(variants[label].values())))
    rows = []
    for label in ordered:
        cells = [label.removeprefix(f"{base}:") if label != base else f"{base}, as it is"]
        for length in topic.lengths:
            cells += _cells(variants[label].get(length), plain.get(length) if label != base else None)
        rows.append(tuple(cells))
    notes = [*_sentences(base, variants), *NOTES]
    return Table(
        f"remedies of {base} · {topic.heading.full}", tuple(columns), tuple(rows), tuple(notes), frozenset({1})
    )


NOTES = (
    "T: seeds that solved, of those that answered · solved at: median step, > the budget where the median seed did not",
    f"beside it: better or worse than the model as it is, exact two-sided p < {ALPHA:g} on steps to solve or score; "
    f"never with fewer than {ENOUGH} seeds a side, nor where both are at chance",
    "half-life: steps over which the gradient halves, median, at the end of training · s: seconds per cell",
)


def _cured(groups: Iterable[Group]) -> tuple[float, float]:
    """Sort by seeds that solved, most first, then by skill."""
    held = list(groups)
    return -sum(group.solved or 0 for group in held), -sum(group.skill or 0.0 for group in held)


def _cells(group: Group | None, plain: Group | None) -> tuple[str, ...]:
    if group is None:
        return ("",) * 7
    flows = [row(result)["gradient_verdict"] for result in group.answered]
    return (
        f"{group.solved}/{group.n}" if group.solved is not None else str(group.n),
        words.solved_at(group),
        words.skill(group.skill),
        _beside(group, plain),
        words.number(_half_life(group)),
        max(set(flows), key=flows.count) or "" if flows else "",
        words.number(group.seconds, 1),
    )


def _half_life(group: Group) -> float | None:
    return typical(row(result)["gradient_half_life"] for result in group.answered)


def _beside(group: Group, plain: Group | None) -> str:
    """Say how a variant differs from the model as it is; nothing where too few seeds allow it."""
    if plain is None or min(group.n, plain.n) < ENOUGH:
        return ""
    if group.equals_chance and plain.equals_chance:
        return "both at chance"  # their last digits may differ by a rule, and nobody has learned anything
    p = compare(group, plain)
    if p >= ALPHA:
        return f"p {p:.2f}"
    return f"{'better' if _better(group, plain) else 'worse'}, p {p:.3f}"


def _better(group: Group, plain: Group) -> bool:
    if compared_by(group, plain) == "steps to solve":
        return (group.solved_at_step or 0.0) < (plain.solved_at_step or 0.0)
    return (group.skill or 0.0) > (plain.skill or 0.0)


def _sentences(base: str, variants: dict[str, dict[int, Group]]) -> list[str]:
    """Say where the half-life changed and the outcome did not, and where the outcome changed but not the half-life."""
    flow_only, score_only = [], []
    for label, lengths in variants.items():
        for length, group in lengths.items():
            plain = variants.get(base, {}).get(length)
            if plain is None or label == base:
                continue
            ours, theirs = _half_life(group), _half_life(plain)
            if ours is None or theirs is None or min(ours, theirs) <= 0:
                continue
            flow = not 1 / LONGER < ours / theirs < LONGER
            score = group.outcome != plain.outcome
            where = f"{label.removeprefix(f'{base}:')} at T={length}"
            if flow and not score:
                flow_only.append(f"{where} ({words.number(theirs)} to {words.number(ours)} steps)")
            if score and not flow:
                score_only.append(f"{where} ({plain.outcome} to {group.outcome})")
    said = (("half-life changed, outcome did not", flow_only), ("outcome changed, half-life did not", score_only))
    return [f"{what}: {', '.join(cells)}" for what, cells in said if cells]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; bad usage ends with one message and exit code 2."""
    return command.run(app, arguments, app.name[0])


if __name__ == "__main__":
    sys.exit(main())
