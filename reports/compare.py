"""A study's published results, and a store's models beside them: `python -m reports.compare remedies mine/`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console

from bench.cli import command
from bench.records import foreign, paper
from bench.records.errors import UsageError
from bench.store import Store
from reports.summary import groups
from reports.summary.cells import ALIKE, shown, told_apart
from reports.summary.grouping import identity
from reports.summary.study import settings
from reports.text import formats, studies
from reports.text.layout import Table
from reports.text.studies import Row
from reports.text.study import tables
from reports.view.command import ALL, Choice, NothingError, deliver

YOURS = " (yours)"  # behind the names of a store's models
MINE = "mine"  # of a row: it is a store's
TUNED = "tuned"  # of a store's row: its rate was chosen by seeds that are shown

app = App(name="python -m reports.compare", help="A study's results, and yours beside them.", version_flags=[])


@app.default
def compare(
    results: str,
    store: Path | None = None,
    /,
    *,
    format: Annotated[Literal["text", "markdown"], Parameter(name="--format")] = "text",
    choice: Choice = ALL,
    output: Path | None = None,
) -> None:
    """Show the results of a study, and beside them what a store holds of its tasks and lengths.

    Parameters
    ----------
    results
        A study's name, as in studies/results, or a file NAME.csv.gz.
    store
        A folder of results, as `python -m bench.run --store` writes it; without it, the study alone.
    format
        text or markdown.
    choice
        Of the study and of a store; --models that only one of them has leave the other whole. Pairs named in advance
        are compared over the whole study only.
    output
        A file to write instead of the terminal.
    """
    path = studies.find(results)
    held = studies.read(path)
    published, mine = (choice.rows(held), []) if store is None else beside(choice, held, own(Store(store), held))
    if taken := sorted({row["model"] for row in published} & {row["model"] for row in mine}):
        raise UsageError(f"{path} itself has a model {taken[0]!r}, as one of {store} would be called: rename it there")
    pairs = () if mine or choice != ALL else _pairs(path)  # of a choice, Holm would correct for fewer
    made = tables(published, pairs, mine)
    said = differences(published, mine)
    if tuned := [row for row in mine if row[TUNED]]:
        where = dict.fromkeys(f"{row['task']} {row['model']} T={row['length']}" for row in tuned)
        said.append(f"RATE CHOSEN BY THE SEEDS THAT ARE SHOWN, theirs by others: {', '.join(where)}")
    if format == "text" and output is None:
        _print(made, said, formats.terminal())
    else:
        text = formats.markdown(made, said) if format == "markdown" else formats.plain(partial(_print, made, said))
        deliver(text, output)


def _print(made: Sequence[Table], said: Sequence[str], console: Console) -> None:
    for table in made:
        formats.print_table(table, console)
    for line in said:
        console.print(foreign.line(line), markup=False, highlight=False)


def _pairs(path: Path) -> tuple[tuple[str, str], ...]:
    """Return the pairs that a study of ours compares, as records name their models; none for anybody else's."""
    file = studies.FOLDER.parent / f"{studies.title(path)}.toml"
    if path.parent != studies.FOLDER or not file.is_file():
        return ()
    return paper.read(file).pairs


def tuning(held: Sequence[Row]) -> set[int]:
    """Return the seeds by which a study chose rates, and which it does not report."""
    return {row["seed"] for row in held} - {row["seed"] for row in held if row["chosen"]}


def own(store: Store, held: Sequence[Row]) -> list[Row]:
    """Return the rows of a store, at the rates that validation chose, of the tasks and lengths that a study reports.

    Seeds by which the study chose rates do so here too, where a store has them, and are not shown. TUNED: whether a
    row's rate was chosen by the seeds that are shown, where the study's were not.

    Raises:
        UsageError: the store has none.
    """
    asked = {(row["task"], row["length"]) for row in held if row["chosen"]}
    apart = tuning(held)
    found = [group for group in ALL.of(store).groups if (group.identity.task, group.identity.length) in asked]
    results = [result for group in found for result in group.results]
    tried = groups(result for result in results if result.cell.seed in apart)
    rates = {identity(result): group.learning_rate for group in tried if group.n for result in group.results}
    reported = groups(
        result
        for result in results
        if result.cell.seed not in apart
        and result.cell.recipe.learning_rate == rates.get(identity(result), result.cell.recipe.learning_rate)
    )
    if not reported:
        there = ", ".join(f"{task} T={length:g}" for task, length in sorted(asked))
        seeds = f", but for seeds that choose rates ({', '.join(map(str, sorted(apart)))})" if apart else ""
        raise UsageError(f"{store.path} holds nothing that the study has{seeds}. The study has {there}")
    several = {group.identity for group in reported if len({r.cell.recipe.learning_rate for r in group.results}) > 1}
    out = studies.rows((result for group in tried for result in group.results), ())
    for group in reported:
        rows = studies.rows(group.results, {result.cell.key for result in group.seeds})
        out += [row | {TUNED: bool(apart) and group.identity in several} for row in rows]
    return [row for row in told_apart(out) if row["chosen"]]


def beside(choice: Choice, held: Sequence[Row], mine: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Pick the chosen rows of a study and of a store, whose models are called yours.

    Raises:
        NothingError: none is left on a side.
        UsageError: a name, a length or a seed that neither has.
    """
    both = replace(choice, models="").rows([*held, *(row | {MINE: True} for row in mine)])
    published, ours = [row for row in both if MINE not in row], [row for row in both if MINE in row]
    if choice.models:
        named = {row["model"] for row in choice.rows(both)}
        published, ours = ([row for row in side if row["model"] in named] or side for side in (published, ours))
    published = ALL.rows(published)
    asked = {(row["task"], row["length"]) for row in published if row["chosen"]}
    ours = [row | {"model": row["model"] + YOURS} for row in ours if (row["task"], row["length"]) in asked]
    if not ours:
        raise NothingError("nothing to show of the store: it has none of these tasks, lengths and seeds")
    return published, ours


def differences(published: Sequence[Row], mine: Sequence[Row]) -> list[str]:
    """Say in which columns of the recipe a store's rows differ from a study's, or that none does."""
    if not mine:
        return []
    theirs: dict[tuple[str, int], list[Row]] = {}
    for row in published:
        theirs.setdefault((row["task"], row["length"]), []).append(row)
    said: dict[str, list[str]] = {}
    for setting in settings(mine):
        ours, other = setting.rows[0], theirs[setting.task, setting.length]
        values = {name: dict.fromkeys(shown(row[name]) for row in other) for name in ALIKE}
        changed = [
            f"{name} {shown(ours[name])}, theirs {' or '.join(held)}"
            for name, held in values.items()
            if [*held] != [shown(ours[name])]
        ]
        said.setdefault("; ".join(changed), []).append(f"{setting.task} {setting.model} T={setting.length}")
    return [
        f"{'NOT THE SAME RECIPE: ' + what if what else 'the same recipe'}: {', '.join(where)}"
        for what, where in said.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; bad usage ends with one message and exit code 2."""
    return command.run(app, arguments, app.name[0])


if __name__ == "__main__":
    sys.exit(main())
