"""The whole report of a store: `python -m reports STORE`. It trains nothing and never loads torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cyclopts import App

from bench.cli import command
from bench.records import foreign
from bench.records.errors import UsageError
from bench.store import Store
from reports import gradients, lengths, table
from reports.view import View
from reports.view.asked import asked_topics, readings
from reports.view.command import ALL, Choice, save

app = App(name="python -m reports", help="Tables and figures of stored results; trains nothing.", version_flags=[])


@app.default
def report(store: Path, /, *, choice: Choice = ALL, output: Path | None = None) -> None:
    """Write a page to open in a browser (index.html), tables and figures of a store's results, one line per file.

    Figures are written as SVG, PNG and Vega-Lite JSON into the folder `figures`; tables as Markdown and CSV beside it.

    Parameters
    ----------
    store
        A folder of results, as `python -m bench.run --store` writes it.
    output
        A folder to write into, instead of `STORE/report`.
    """
    source = Store(store)
    view = choice.of(source)
    folder = output or store / "report"
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for path in _written(source, view, folder):
            print(foreign.block(str(path)), flush=True)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}. Give a writable folder with --output.") from None


def _written(source: Store, view: View, folder: Path) -> Iterator[Path]:
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
    answered = asked_topics(view, readings(source))
    if answered:
        texts["lengths.md"] = lengths.write(answered, "markdown")
        texts["lengths.csv"] = lengths.write(answered, "csv")
    for name, text in texts.items():
        save(folder / name, text)
        yield folder / name
    # Loaded late, because drawing takes half a second to load, and help and bad usage need none of it.
    from reports.figures import figures
    from reports.page import page as dashboard

    dashboard.write(view, source, folder / "index.html", answered)
    yield folder / "index.html"
    for figure in figures.figures(view, answered):
        yield from figures.write(figure, folder / "figures")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 fine, 2 bad usage, no store or nothing to show, with one message."""
    return command.run(app, arguments, app.name[0])


if __name__ == "__main__":
    sys.exit(main())
