"""Stored models asked at other lengths than they were trained at: `python -m reports.lengths STORE`.

`python -m bench.evaluate STORE --lengths 10,100` asks them. As text and Markdown: a grid for each task, and how the
gradient flows there where that was asked; as comma-separated values: a row for every trained and tested length.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from bench.cli import command
from bench.records.errors import UsageError
from bench.store import Store
from reports.text import asked, csv, formats
from reports.text.layout import Table
from reports.view.asked import AskedTopic, asked_topics, readings
from reports.view.command import ALL, Choice, deliver

Format = Literal["text", "markdown", "csv"]

app = App(name="python -m reports.lengths", help="Stored models at other lengths; trains nothing.", version_flags=[])


@app.default
def lengths(
    store: Path,
    /,
    *,
    format: Annotated[Format, Parameter(name="--format")] = "text",
    choice: Choice = ALL,
    output: Path | None = None,
) -> None:
    """Show what the store's models answered at other lengths.

    Parameters
    ----------
    store
        A folder of results, with readings of `python -m bench.evaluate`.
    format
        text and markdown: grids; csv: a row for every trained and tested length, unrounded.
    output
        A file to write instead of the terminal.
    """
    topics = held(Store(store), choice)
    if not topics:
        raise UsageError(
            f"no model in this view of {store} was asked at other lengths: `python -m bench.evaluate {store} --lengths "
            f"10,30,100` asks them"
        )
    if format == "text" and output is None:
        show(topics, formats.terminal())
    else:
        deliver(write(topics, format), output)


def held(store: Store, choice: Choice = ALL) -> list[AskedTopic]:
    """Find the models of a store that were asked, and their answers. choice: of the trained cells."""
    return asked_topics(choice.of(store), readings(store))


def show(topics: Sequence[AskedTopic], console: Console) -> None:
    """Print the grids, and how gradients flow at other lengths where that was asked."""
    for table in tables(topics, console.width):
        formats.print_table(table, console)
    for note in asked.NOTES:
        console.print(Text(note, style="dim"))


def tables(topics: Sequence[AskedTopic], width: int) -> list[Table]:
    """Lay out the grids and the gradient flow of every topic. width: what they should fit into; grids are cut."""
    made: list[Table] = []
    for topic in topics:
        made += _split(topic, topic.lengths, width)
        flow = asked.flows(topic)
        made += [flow] if flow else []
    return made


def _split(topic: AskedTopic, shown: Sequence[int], width: int) -> list[Table]:
    table = asked.grid(topic, shown)
    if formats.fits(table, width) or len(shown) == 1:
        return [table]
    middle = (len(shown) + 1) // 2
    return [*_split(topic, shown[:middle], width), *_split(topic, shown[middle:], width)]


def write(topics: Sequence[AskedTopic], form: Format) -> str:
    """Write the grids in one format."""
    if form == "csv":
        return csv.table(asked.COLUMNS, (row for topic in topics for row in asked.values(topic)))
    if form == "markdown":
        return formats.markdown(tables(topics, width=10_000), asked.NOTES)
    return formats.plain(functools.partial(show, topics))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 fine, 2 bad usage or nothing to show, with one message."""
    return command.run(app, arguments, app.name[0])


if __name__ == "__main__":
    sys.exit(main())
