"""The numbers of gradient flow: `python -m reports.gradients STORE --format csv`.

As text and Markdown: a verdict per cell, at initialisation and at the end of training. As comma-separated values: every
stored distance of every snapshot.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.console import Console

from bench.cli import command
from bench.records.errors import UsageError
from bench.records.result import GradientFlow, GradientProfile, Result
from bench.records.row import GRADIENT_COLUMNS, gradient_rows
from bench.store import Store
from reports.text import csv, formats
from reports.text.layout import Column, Table, failures
from reports.text.words import number
from reports.view import View
from reports.view.command import ALL, Choice, asked_order, deliver, names, nearest_name, with_keys

Format = Literal["text", "markdown", "csv"]
COLUMNS = ("task", "model", "length", "seed", "step", "quantity", "distance", "log10_norm")


def rows(results: Sequence[Result], quantities: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield a row per stored distance; log10_norm is None where the norm is 0 or not finite. quantities: () is all."""
    for result in results:
        for values in gradient_rows(result):
            row = dict(zip(GRADIENT_COLUMNS, values, strict=True))
            if not quantities or row["quantity"] in quantities:
                yield {name: row[name] for name in COLUMNS}


def _profiles(flow: GradientFlow, quantities: Sequence[str]) -> list[tuple[str, GradientProfile]]:
    """The wanted profiles (() is all) by name, the input first."""
    wanted = [item for item in flow.profiles.items() if not quantities or item[0] in quantities]
    return sorted(wanted, key=lambda item: (item[0] != "input", item[0]))


def in_order(view: View) -> list[Result]:
    """Pick a view's results with gradient records, by task, length, model, seed and learning rate.

    Raises:
        UsageError: no result has a gradient record.
    """
    probed = [result for result in view.results if result.gradient_flow]
    if not probed:
        raise UsageError(
            f"none of these {len(view.results)} results holds a gradient record: they were run with `probes` 0, or "
            "failed before the first probe. `python -m bench.run --steps 0` probes at initialisation without training."
        )
    return sorted(
        probed,
        key=lambda r: (view.order.task(r.cell.task), r.cell.length, view.order.model(r.cell.model), r.cell.seed,
                       r.cell.recipe.learning_rate, r.cell.key),
    )  # fmt: skip


# -- verdicts ----------------------------------------------------------------------------------------------------------

VERDICT_COLUMNS = (
    Column("T"), Column("model", "left"), Column("seed"), Column("step"), Column("quantity", "left"),
    Column("rate"), Column("half-life"), Column("ratio"), Column("verdict", "left"), Column("credit"),
)  # fmt: skip
NOTES = (
    "rate: slope of log10 of the gradient norm, per step of distance. half-life: steps over which the norm halves. "
    "ratio: norm at the largest distance over norm at distance 1.",
    "verdict: the rate times the task's reach, below -6 vanishing, above 3 exploding. credit: overlap with the task's "
    "true credit, 1 = all of it. Empty: does not apply.",
)


def verdicts(results: Sequence[Result], quantities: Sequence[str] = ("input",)) -> list[Table]:
    """Lay out one table per task: each cell at initialisation and at the end of its training. quantities: () is all."""
    tables = []
    for task in dict.fromkeys(result.cell.task for result in results):
        lines: list[tuple[str, ...]] = []
        gaps = set()
        for result in (result for result in results if result.cell.task == task):
            if lines and lines[-1][0] != str(result.cell.length):
                gaps.add(len(lines))
            for flow in (result.gradient_flow[0], *result.gradient_flow[1:][-1:]):
                lines += _verdict_rows(result, flow, quantities)
        tables.append(
            Table(f"{task} · gradient flow of the answer", VERDICT_COLUMNS, tuple(lines), (), frozenset(gaps))
        )
    return tables


def _verdict_rows(result: Result, flow: GradientFlow, quantities: Sequence[str]) -> Iterator[tuple[str, ...]]:
    cell = result.cell
    for name, profile in _profiles(flow, quantities):
        yield (
            str(cell.length), cell.model, str(cell.seed), f"{flow.step:,}", name,
            "" if profile.rate is None else f"{profile.rate:.3g}",
            "" if profile.half_life is None else f"{profile.half_life:,.3g}",
            "" if profile.ratio is None else f"{profile.ratio:.1e}",
            profile.verdict,
            "" if flow.credit_alignment is None or name != "input" else number(flow.credit_alignment, 2),
        )  # fmt: skip


def write(results: Sequence[Result], form: Format, quantities: Sequence[str] = ()) -> str:
    """Write the report in one format. quantities: () is every one in csv, the input in the tables."""
    if form == "csv":
        return csv.table(COLUMNS, rows(results, quantities))
    tables = verdicts(results, quantities or ("input",))
    if form == "markdown":
        return formats.markdown(tables, list(NOTES))
    return formats.plain(functools.partial(_print, tables))


def _print(tables: Sequence[Table], console: Console) -> None:
    for table in tables:
        formats.print_table(table, console)
    for note in NOTES:
        console.print(note, style="dim", highlight=False)


def show(store: Store, console: Console, keys: Collection[str] | None = None) -> None:
    """Print the verdicts on the gradients of a sweep, and its cells that failed. keys: its cells; None: the store's."""
    view = View.of(with_keys(store.results(), keys), asked_order(store))
    failed = failures(view)
    _print([*verdicts(in_order(view)), *([failed] if failed else [])], console)


# -- the command -------------------------------------------------------------------------------------------------------

app = App(name="python -m reports.gradients", help="Gradient flow of stored results; trains nothing.", version_flags=[])


@app.default
def gradients(
    store: Path,
    /,
    *,
    format: Annotated[Format, Parameter(name="--format")] = "text",
    choice: Choice = ALL,
    quantities: str = "",
    output: Path | None = None,
) -> None:
    """Show the gradient flow of a store's results.

    Parameters
    ----------
    store
        A folder of results, as `python -m bench.run --store` writes it.
    format
        text and markdown: verdicts; csv: every distance, columns task, model, length, seed, step, quantity, distance,
        log10_norm (empty where the norm is 0 or not finite).
    quantities
        Only these (input, hidden, cell, context, residual.0, …), separated by commas. Without it: all of them in csv,
        the input elsewhere.
    output
        A file to write instead of the terminal.
    """
    ordered = in_order(choice.of(Store(store)))
    wanted = _quantities(ordered, quantities)
    if format == "text" and output is None:
        _print(verdicts(ordered, wanted or ("input",)), formats.terminal())
    else:
        deliver(write(ordered, format, wanted), output)


def _quantities(results: Sequence[Result], text: str) -> list[str]:
    held = sorted({name for result in results for flow in result.gradient_flow for name in flow.profiles})
    wanted = names(text)
    for name in wanted:
        if name not in held:
            near = nearest_name(name, held)
            raise UsageError(f"no quantity {name!r} in these results: {near}(stored: {', '.join(held)})")
    return wanted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 fine, 2 bad usage, no store or nothing to show, with one message."""
    return command.run(app, arguments, app.name[0])


if __name__ == "__main__":
    sys.exit(main())
