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
from reports.summary.cells import ALIKE, shown, told_apart
from reports.summary.study import settings
from reports.text import formats, studies
from reports.text.layout import Table
from reports.text.studies import Row
from reports.text.study import tables
from reports.view.command import ALL, Choice, deliver

YOURS = " (yours)"  # behind the names of a store's models

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
        Of a store, --models are its own; tasks, lengths and seeds are chosen of both. Pairs named in advance are
        compared over the whole study only.
    output
        A file to write instead of the terminal.
    """
    path = studies.find(results)
    published = (choice if store is None else replace(choice, models="")).rows(studies.read(path))
    mine = [] if store is None else own(choice, Store(store), published)
    if taken := sorted({row["model"] for row in published} & {row["model"] for row in mine}):
        raise UsageError(f"{path} itself has a model {taken[0]!r}, as one of {store} would be called: rename it there")
    pairs = () if mine or choice != ALL else _pairs(path)  # of a choice, Holm would correct for fewer
    made = tables(published, pairs, mine)
    said = differences(published, mine)
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


def own(choice: Choice, store: Store, published: Sequence[Row]) -> list[Row]:
    """Return the rows of a store, at the rates that validation chose, of the tasks and lengths of a study.

    Raises:
        UsageError: the store has none.
    """
    groups = choice.of(store).groups
    asked = {(row["task"], row["length"]) for row in published}
    held = [group for group in groups if (group.identity.task, group.identity.length) in asked]
    if not held:
        there = ", ".join(f"{task} T={length:g}" for task, length in sorted(asked))
        raise UsageError(f"{store.path} holds nothing that the study has. The study has {there}")
    chosen = {result.cell.key for group in held for result in group.seeds}
    rows = told_apart(studies.rows((result for group in held for result in group.results), chosen))
    return [row | {"model": row["model"] + YOURS} for row in rows if row["chosen"]]


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
