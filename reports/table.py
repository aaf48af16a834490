"""Tables of stored results: `python -m reports.table STORE`. Also what the runner shows at the end of a sweep."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from bench.cli import command
from bench.records import foreign
from bench.records.errors import UsageError
from bench.store import Store
from reports.text import csv, formats, layout, paper
from reports.text.layout import Table
from reports.text.notes import notes
from reports.view import Topic, View
from reports.view.command import (
    AS_THEY_ARE,
    Naming,
    NothingError,
    asked_cells,
    asked_order,
    chosen,
    corrupt,
    deliver,
    names,
    with_keys,
)

Format = Literal["text", "markdown", "csv", "latex"]
By = Literal["group", "cell", "overview", "paper"]
# For each kind of table, the kinds that its notes explain.
KINDS: dict[By, tuple[By, ...]] = {"group": ("group", "overview"), "cell": ("cell",), "overview": ("overview",)}


# -- what to show ------------------------------------------------------------------------------------------------------


def show(store: Store, console: Console, keys: Collection[str] | None = None) -> None:
    """Print the results of a sweep: the table by group, the cells that failed, and the overview.

    The overview is last, because a terminal shows the end. keys: the sweep's cells; None shows the whole store.
    """
    stored = store.results()
    results = with_keys(stored, keys)
    if results:
        print_text(View.of(results, asked_order(store), stored, asked_cells(store)), "group", console)
    lines = corrupt(store)
    if keys is not None and (missing := len(keys) - len(results)):
        lines.insert(0, f"{missing} of {len(keys)} cells have no result yet: the same command runs them.")
    for line in lines:
        console.print(Text(line, style="yellow"))


def print_text(view: View, by: By, console: Console) -> None:
    """Print the tables of a view in a terminal."""
    for table in tables(view, by, console.width):
        formats.print_table(table, console)
    if by == "group" and view.topics:
        console.print(Text("Overview\n", style="bold underline"))
        for table in overviews(view, console.width):
            formats.print_table(table, console)
    for note in notes(view.groups, KINDS[by], view.stopped):
        console.print(Text(note, style="dim"))


def tables(view: View, by: By, width: int) -> list[Table]:
    """Lay out one table per topic, then the cells that failed. width: what they should fit into."""
    if by == "overview":
        laid = overviews(view, width)
    else:
        build = {"group": layout.by_group, "cell": layout.by_cell}[by]
        laid = [_fitted(build, topic, width) for topic in view.topics]
    failed = layout.failures(view)
    return [*laid, failed] if failed else laid


def _fitted(build: Callable[[Topic, bool], Table], topic: Topic, width: int) -> Table:
    full = build(topic, False)
    return full if formats.fits(full, width) else formats.narrowed(build(topic, True), width)


def overviews(view: View, width: int) -> list[Table]:
    """Lay out one table per topic, models by lengths; split by lengths where they do not fit."""
    return [
        table
        for topic in view.topics
        for table in _split(functools.partial(layout.overview, topic), topic.lengths, width)
    ]


def _split(build: Callable[[Sequence[int], bool], Table], lengths: Sequence[int], width: int) -> list[Table]:
    for short in (False, True):
        table = build(lengths, short)
        if formats.fits(table, width) or (short and len(lengths) == 1):
            return [table]
    middle = (len(lengths) + 1) // 2
    return [*_split(build, lengths[:middle], width), *_split(build, lengths[middle:], width)]


def write(view: View, by: By, form: Format) -> str:
    """Write the tables of a view as text for a file."""
    if form == "csv":
        return csv.cells(view.results) if by == "cell" else csv.by_group(view.groups)
    if form == "text":
        return formats.plain(functools.partial(print_text, view, by))
    return {"markdown": formats.markdown, "latex": formats.latex}[form](
        tables(view, by, width=10_000), notes(view.groups, KINDS[by], view.stopped)
    )


def for_paper(view: View, form: Format, columns: str) -> str:
    """Write one table of all tasks of a view, as LaTeX or Markdown.

    Raises:
        UsageError: another format, or a column that is unknown.
    """
    if form == "csv":
        raise UsageError("--by paper is written as --format latex or markdown, got csv; --by group has every number")
    wanted = [chosen("column", name, paper.COLUMNS) for name in names(columns or "score")]
    made = paper.lay_out(view, wanted)
    return paper.latex(made) if form == "latex" else paper.markdown(made)


# -- the command -------------------------------------------------------------------------------------------------------

app = App(name="python -m reports.table", help="Tables of stored results; trains nothing.", version_flags=[])


@app.default
def table(
    store: Path,
    /,
    *,
    by: By = "group",
    format: Annotated[Format, Parameter(name="--format")] = "text",
    columns: str = "",
    choice: Naming = AS_THEY_ARE,
    output: Path | None = None,
) -> None:
    """Show the results of a store.

    Parameters
    ----------
    store
        A folder of results, as `python -m bench.run --store` writes it.
    by
        `group`: one row per task, model and length, over seeds; `cell`: one row per seed and learning rate;
        `overview`: models by lengths; `paper`: one table of all tasks, models by lengths, as latex or markdown.
    format
        csv is unrounded; its columns by cell are those of `bench.load(STORE)`.
    columns
        Of a paper's table, at every length: score (the default), skill, solved, solved_at, n, body, seconds.
    output
        A file to write instead of the terminal.
    """
    if columns and by != "paper":
        raise UsageError(f"--columns chooses what a paper's table shows: add --by paper, got --by {by}")
    try:
        view = choice.of(Store(store))
    except NothingError as nothing:
        if by == "paper":
            raise
        print(foreign.message(nothing), file=sys.stderr)
        view = View.of(())
    if by == "paper":
        deliver(for_paper(view, format, columns), output)
    elif format == "text" and output is None:
        print_text(view, by, formats.terminal())
    else:
        deliver(write(view, by, format), output)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 fine, 2 bad usage or no store, with one message."""
    return command.run(app, arguments, app.name[0])


if __name__ == "__main__":
    sys.exit(main())
