"""Tables of stored results: `python -m reports.table STORE`. Also what the runner shows at the end of a sweep."""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from bench.cli import command
from bench.records.result import Result
from bench.store import Store
from reports.summary import grouping as summary
from reports.summary.grouping import Group
from reports.text import csv, formats, layout
from reports.text.layout import Table
from reports.view import blocks
from reports.view.blocks import Rank
from reports.view.command import corrupt, names, numbers, save
from reports.view.view import asked_order, select

Format = Literal["text", "markdown", "csv", "latex"]
By = Literal["group", "cell", "overview"]
WIDTH = 100  # of text that goes to a file or a pipe


# -- what to show ------------------------------------------------------------------------------------------------------


def show(store: Store, console: Console, keys: Collection[str] | None = None) -> None:
    """Print what a sweep gave: the table by group, the cells that failed, and the overview last, where the eye is.

    keys: the sweep's cells; None shows the whole store.
    """
    results = select(store.results(), keys=keys)
    if results:
        print_text(results, asked_order(store), "group", console)
    missing = len(keys) - len(results) if keys is not None else 0
    for line in (*_missing(missing, len(keys or ())), *corrupt(store)):
        console.print(Text(line, style="yellow"))


def _missing(missing: int, asked: int) -> list[str]:
    return [f"{missing} of {asked} cells have no result yet: the same command runs them."] if missing else []


def print_text(results: Sequence[Result], rank: Rank, by: By, console: Console) -> None:
    """The tables of some results in a terminal."""
    groups = summary.groups(results)
    for table in tables(results, groups, rank, by, console.width):
        formats.print_table(table, console)
    if by == "group" and groups:
        console.print(Text("Overview\n", style="bold underline"))
        for table in overviews(groups, rank, console.width):
            formats.print_table(table, console)
    for note in notes(groups, by):
        console.print(Text(note, style="dim"))


def tables(results: Sequence[Result], groups: Sequence[Group], rank: Rank, by: By, width: int) -> list[Table]:
    """One table per task and setting, then the cells that failed. width: what they should fit into."""
    found: list[Table] = overviews(groups, rank, width) if by == "overview" else []
    by_setting = blocks.blocks(groups, rank)
    for key, members in by_setting.items() if by != "overview" else ():
        title = blocks.heading(key, members, by_setting)
        build = {"group": layout.by_group, "cell": layout.by_cell}[by]
        full = build(title, members)
        found.append(full if formats.fits(full, width) else formats.narrowed(build(title, members, short=True), width))
    failed = layout.failures(results, rank)
    return [*found, failed] if failed else found


def overviews(groups: Sequence[Group], rank: Rank, width: int) -> list[Table]:
    """One table per task and setting, models by lengths; split by lengths where they do not fit."""
    by_setting = blocks.blocks(groups, rank)
    found = []
    for key, members in by_setting.items():
        title = blocks.heading(key, members, by_setting)
        lengths = sorted({group.identity.length for group in members})
        found += _split(functools.partial(layout.overview, title, members), lengths, width)
    return found


def _split(build: Callable[[Sequence[int], bool], Table], lengths: Sequence[int], width: int) -> list[Table]:
    for short in (False, True):
        table = build(lengths, short)
        if formats.fits(table, width) or (short and len(lengths) == 1):
            return [table]
    middle = (len(lengths) + 1) // 2
    return [*_split(build, lengths[:middle], width), *_split(build, lengths[middle:], width)]


def notes(groups: Sequence[Group], by: By) -> list[str]:
    """Caption and legend."""
    if not groups:
        return []
    kinds = {"group": ("group", "overview"), "cell": ("cell",), "overview": ("overview",)}[by]
    lines = [line for kind in kinds for line in blocks.legend(groups, kind)]
    return [*blocks.caption(groups), *dict.fromkeys(lines)]


def write(results: Sequence[Result], rank: Rank, by: By, form: Format) -> str:
    """The tables of some results as text for a file."""
    groups = summary.groups(results)
    ordered = [group for members in blocks.blocks(groups, rank).values() for group in members]
    if form == "csv":
        return csv.by_group(ordered) if by != "cell" else csv.cells(layout.in_order(ordered))
    if form == "text":
        file = io.StringIO()
        print_text(results, rank, by, Console(file=file, width=WIDTH, no_color=True))
        return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())
    found = tables(results, groups, rank, by, width=10_000)
    return {"markdown": formats.markdown, "latex": formats.latex}[form](found, notes(groups, by))


# -- the command -------------------------------------------------------------------------------------------------------

app = App(name="python -m reports.table", help="Tables of stored results; trains nothing.", version_flags=[])


@app.default
def table(
    store: Path,
    /,
    *,
    by: By = "group",
    format: Annotated[Format, Parameter(name="--format")] = "text",
    tasks: str = "",
    models: str = "",
    lengths: str = "",
    output: Path | None = None,
) -> None:
    """Show the results of a store.

    Parameters
    ----------
    store
        A folder of results, as `python -m bench.run --store` writes it.
    by
        `group`: one row per task, model and length, over seeds; `cell`: one row per seed and learning rate;
        `overview`: models by lengths.
    format
        csv is unrounded; its columns by cell are those of `bench.load(STORE)`.
    tasks
        Only these, separated by commas; a unique beginning is enough.
    models
        Only these, separated by commas; a unique beginning is enough.
    lengths
        Only these, separated by commas.
    output
        A file to write instead of the terminal.
    """
    source = Store(store)
    stored = source.results()
    results = select(stored, keys=None, tasks=names(tasks), models=names(models), lengths=numbers(lengths))
    for line in corrupt(source):
        print(line, file=sys.stderr)
    if not results:
        why = "no stored result has these tasks, models and lengths together" if stored else "it holds no results yet"
        print(f"nothing to show from {store}: {why}", file=sys.stderr)
    rank = asked_order(source)
    if output is None and format == "text":
        console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
        print_text(results, rank, by, console)
    elif output is None:
        sys.stdout.write(write(results, rank, by, format))
    else:
        save(output, write(results, rank, by, format))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 fine, 2 bad usage or no store; one message, never a traceback."""
    return command.run(app, arguments, app.name[0])


if __name__ == "__main__":
    sys.exit(main())
