"""The whole report of a store: `python -m reports STORE`. It trains nothing and never loads torch."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from bench.cli import command
from bench.cli.terminal import Terminal
from bench.records import foreign
from bench.records.errors import UsageError
from bench.store import Store
from reports import gradients, lengths, table
from reports.view import View
from reports.view.asked import AskedTopic, asked_topics, readings
from reports.view.command import AS_THEY_ARE, Naming, save

if TYPE_CHECKING:
    from reports.figures.figures import Figure

app = App(name="python -m reports", help="Tables and figures of stored results; trains nothing.", version_flags=[])


@app.default
def report(store: Path, /, *, choice: Naming = AS_THEY_ARE, output: Path | None = None) -> None:
    """Write a page to open in a browser (index.html), tables and figures of a store's results.

    Figures are written as SVG, PNG and Vega-Lite JSON into the folder `figures`; tables as Markdown and CSV beside it.
    Figures are drawn again only where their results have changed.

    Parameters
    ----------
    store
        A folder of results, as `python -m bench.run --store` writes it.
    output
        A folder to write into, instead of `STORE/report`.
    """
    began = time.monotonic()
    source = Store(store)
    view = choice.of(source)
    folder = output or store / "report"
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        answered = asked_topics(view, readings(source))
        every = _figures(view, answered)
        _write_tables(source, view, answered, folder, every)
        drawn, kept = _draw(every, view, folder / "figures")
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}. Give a writable folder with --output.") from None
    figures = f"{drawn + kept} figures ({drawn} drawn, {kept} unchanged)"
    took = f"{time.monotonic() - began:.1f} s"
    first = folder / "index.html"
    print(foreign.block(f"{figures} and tables in {took}. Open {first} first; files to paste are beside it."))


def _figures(view: View, answered: Sequence[AskedTopic]) -> list[Figure]:
    # Loaded late, because drawing takes half a second to load, and help and bad usage need none of it.
    from reports.figures.figures import figures

    return figures(view, answered)


def _write_tables(
    source: Store, view: View, answered: Sequence[AskedTopic], folder: Path, figures: Sequence[Figure]
) -> None:
    from reports.page import page as dashboard

    texts = {
        "table.md": table.write(view, "group", "markdown"),
        "groups.csv": table.write(view, "group", "csv"),
        "cells.csv": table.write(view, "cell", "csv"),
    }
    if any(result.gradient_flow for result in view.results):
        ordered = gradients.in_order(view)
        texts["gradients.md"] = gradients.write(ordered, "markdown")
        texts["gradients.csv"] = gradients.write(ordered, "csv")
    else:
        print(
            "no result in this view holds a gradient record, so there are no figures of gradient flow "
            "(`python -m bench.run --steps 0` probes at initialisation without training)",
            file=sys.stderr,
        )
    if answered:
        texts["lengths.md"] = lengths.write(answered, "markdown")
        texts["lengths.csv"] = lengths.write(answered, "csv")
    for name, text in texts.items():
        save(folder / name, text)
    drawn: dict[str, list[str]] = {}
    for figure in figures:
        if len(figure.topics) == 1:
            drawn.setdefault(figure.topics[0].name, []).append(figure.name)
    dashboard.write(view, source, folder / "index.html", answered, drawn)


def _draw(every: Sequence[Figure], view: View, folder: Path) -> tuple[int, int]:
    """Bring all figures up to date, with a bar in a terminal; return how many were drawn, and how many unchanged."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from reports.figures import kept

    done = {True: 0, False: 0}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    terminal = Terminal(stderr=True)
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        work = bar.add_task("drawing figures", total=len(every))
        for _, anew in kept.current(every, view, folder):
            done[anew] += 1
            bar.advance(work)
    return done[True], done[False]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 fine, 2 bad usage, no store or nothing to show, with one message."""
    return command.run(app, arguments, app.name[0])


if __name__ == "__main__":
    sys.exit(main())
