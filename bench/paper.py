"""The command `python -m bench.paper NAME`: measure a published table again, and hold what comes out against it.

A paper is a TOML file (`bench.records.paper`): a path, or the name of a file in `papers/` or `studies/`, here or beside
the suite. A study is one without claims. Exit code: that of the sweeps (0: every cell has a scientific answer).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from bench.cli import command
from bench.cli.settings import Settings, configured
from bench.records import foreign
from bench.records.asked import Asked, AskedCell
from bench.records.cell import Cell
from bench.records.entry import Entry
from bench.records.errors import UsageError
from bench.records.estimate import Estimate, duration
from bench.records.paper import Paper, read
from bench.records.reading import Reading
from bench.records.result import ANSWERS, Result
from bench.records.sweep import Sweep
from bench.run import measure
from bench.runner import papers
from bench.runner.known import NOTHING, Known
from bench.runner.plan import plan
from bench.store import Store
from reports.summary import groups

if TYPE_CHECKING:
    from rich.console import Console

FOLDERS = ("papers", "studies")

app = App(name="python -m bench.paper", help="Measure a published table again, beside it.", version_flags=[])


@app.default
def paper(
    name: Annotated[str | None, Parameter(help="A file, or its name in papers/ or studies/.")] = None,
    *,
    quick: Annotated[bool, Parameter(help="One seed and a tenth of the steps: does it run?", negative="")] = False,
    every: Annotated[
        bool, Parameter("--list", help="Show every paper: cells, stored, hours, verdicts.", negative="")
    ] = False,
    form: Annotated[Literal["text", "csv"], Parameter("--format", help="Of --list.")] = "text",
    dry_run: Annotated[bool, Parameter(help="Show the verdicts on what is stored, and stop.", negative="")] = False,
    store: Annotated[str, Parameter(help="Folder of results (results).")] = "results",
    workers: Annotated[int | None, Parameter(help="Worker processes (default: one per core).")] = None,
    data: Annotated[str | None, Parameter(help="Folder of corpora, as for bench.run.")] = None,
    accelerator: Annotated[Literal["auto", "cpu", "gpu"], Parameter(help="auto, cpu or gpu.")] = "auto",
    wandb: Annotated[Literal["auto", "online", "offline", "off"], Parameter(help="Mirror to W&B.")] = "off",
    retry_failed: Annotated[bool, Parameter(help="Run failed cells again.", negative="")] = False,
    known: Annotated[
        str | None, Parameter(help="A study's file of results, or its name: its cells are not measured again.")
    ] = None,
) -> int:
    """Measure what is missing of a paper's sweeps, and show its claims beside ours. The same command again resumes."""
    if every:
        return _list(store, form)
    if name is None:
        known = ", ".join(papers.known(FOLDERS)) or "none"
        raise UsageError(f"expected the name of a paper. Known: {known}; or the path of a file")
    content = _read(name)
    if quick:
        content = papers.shortened(content)
    _, settings = configured(
        {
            "store": store, "workers": workers, "data": data, "accelerator": accelerator, "wandb": wandb,
            "retry_failed": retry_failed,
        }
    )  # fmt: skip
    held = NOTHING if known is None else _known(known, content)
    code = 0
    for sweep in () if dry_run else content.sweeps:
        untried = held.untried(papers.tuning(sweep, content)) if content.tuning else []
        if untried:
            code = max(code, measure(untried, settings, table=False))
        parts = reported(sweep, content, Kept.of(settings.store, held)) if code <= 1 else []
        if parts:
            code = max(code, measure(parts, settings, table=False))
        if code > 1:  # interrupted
            return code
    page = None if quick else Path(settings.store) / "report" / f"{Path(name).stem}.md"
    _show(content, Kept.of(settings.store, held), settings, page)
    return code


@dataclass(frozen=True)
class Kept:
    """What a store holds, read once; nothing, where there is no store yet. known: what a file holds besides."""

    results: Sequence[Result] = ()
    sweeps: Sequence[Asked] = ()
    known: Known = NOTHING

    @classmethod
    def of(cls, path: str, known: Known = NOTHING) -> Kept:
        """Read a store."""
        if not Path(path).is_dir():
            return cls(known=known)
        store = Store(path)
        return cls(store.results(), store.sweeps(), known)

    @cached_property
    def estimate(self) -> Estimate:
        """An estimate of seconds that has learned from the answers."""
        estimate = Estimate()
        estimate.learn_from(result for result in self.results if result.status in ANSWERS)
        return estimate

    def asked(self, sweeps: Sequence[Sweep]) -> list[AskedCell]:
        """Return the cells of some sweeps, as the store says of them."""
        hashes = {sweep.hash for sweep in sweeps}
        return [item for sweep in self.sweeps if sweep.hash in hashes for item in sweep.cells]

    def measured(self, sweeps: Sequence[Sweep]) -> list[Result]:
        """Return the results of some sweeps, whichever sweep measured them."""
        keys = {item.key for item in self.asked(sweeps)}
        keys |= {item.cell.key for sweep in sweeps for item in plan(sweep)}  # all but cells that read a text
        return [result for result in self.results if result.cell.key in keys]

    def tried(self, content: Paper) -> list[Result]:
        """Return the results that a paper's learning rates are chosen by, of seeds of their own."""
        return self.measured(self._tuning(content))

    def stopped(self, content: Paper) -> list[Cell]:
        """Return the cells of them that were stopped on the way with their rates: they need no result."""
        asked = self.asked(self._tuning(content))
        return [*{item.key: item.cell for item in asked if item.stopped is not None}.values(), *self.known.aside]

    def reported(self, content: Paper) -> list[Result]:
        """Return the results that a paper reports."""
        return self.measured([part for sweep in content.sweeps for part in reported(sweep, content, self)])

    def _tuning(self, content: Paper) -> list[Sweep]:
        sweeps = content.sweeps if content.tuning else ()
        return [part for sweep in sweeps for part in self.known.untried(papers.tuning(sweep, content))]


def reported(sweep: Sweep, content: Paper, kept: Kept) -> list[Sweep]:
    """Return the sweeps whose results are reported: the sweep itself, or where rates are tried on other seeds, one for
    every task, length, rate and seeds, of the models that chose it there. A model without a result there is left out,
    and so is a cell that is known."""
    if not content.tuning:
        return [sweep]
    tuning = papers.tuning(sweep, content)
    made = groups(kept.measured(kept.known.untried(tuning)))
    rates = {(g.identity.task, g.identity.model, g.identity.length): g.learning_rate for g in made if g.n}
    alone = sweep.model_copy(update={"halving": False})  # one rate has no rival
    parts: dict[Sweep, list[Entry]] = {}  # without its models: those
    for task in sweep.tasks:
        for model in sweep.models:
            for length in sweep.lengths:
                rate = kept.known.rate(tuning, task, model, length)
                rate = rates.get((*papers.named(task, model, length), length)) if rate is None else rate
                if rate is not None:
                    only = {"tasks": (task,), "lengths": (length,), "learning_rates": (rate,)}
                    seeds = kept.known.unmeasured(alone.model_copy(update=only | {"models": (model,)}))
                    if seeds != ():
                        part = alone.model_copy(update=only | {"models": (), "seeds": seeds})
                        parts.setdefault(part, []).append(model)
    return [part.model_copy(update={"models": tuple(models)}) for part, models in parts.items()]


def _read(name: str) -> Paper:
    path = papers.found("paper", name, FOLDERS)
    return papers.checked(read(path), str(path))


def _known(name: str, content: Paper) -> Known:
    """Find the cells of a study in a file of results.

    Raises:
        UsageError: no such file, or it holds none of these cells; or the paper is no study with seeds that tune.
    """
    from reports.text import studies

    if not content.tuning:
        raise UsageError(
            "--known expects a study whose rates are chosen on seeds of their own; this file names none. Add, as "
            "in studies/memory.toml: tuning = [100, 101]"
        )
    path = studies.find(name)
    known = Known.of(studies.cells(path), content)
    if not known.rows:
        raise UsageError(
            f"--known: {foreign.line(str(path))} holds no cell of this study: other tasks, models, lengths, seeds or "
            "recipes, or tasks that read a text. Leave --known out."
        )
    return known


def _show(content: Paper, kept: Kept, settings: Settings, page: Path | None) -> None:
    """Print what came out; where there are claims, write it as Markdown to `page` too, None: not."""
    from reports import claims, remedies
    from reports.summary.verdicts import counted, verdicts
    from reports.text import formats
    from reports.view import View

    console = formats.terminal()
    results = kept.reported(content)
    if content.claims:
        made = verdicts(content, results, papers.label, _readings(settings.store))
        table = claims.table(content, made)
        formats.print_table(table, console)
        said = f"{len(made)} claims: {counted(made)}. {_progress(content, kept, results, settings.store)}"
        console.print(said, highlight=False)
        if results and page is not None:
            _write(page, formats.markdown([table], [said]))
            console.print(foreign.line(str(page)), highlight=False)
        return
    variants = [] if content.pairs or kept.known.rows else remedies.tables(View.of(results))
    for table in variants:
        formats.print_table(table, console)
    if page is not None:
        _as_study(content, kept, results, settings.store, page.with_suffix(".csv.gz"), console, not variants)


def _as_study(
    content: Paper, kept: Kept, results: Sequence[Result], store: str, path: Path, console: Console, show: bool
) -> None:
    """Write every cell of a study, those that chose a rate too, as one file. show: print its tables."""
    from reports.summary.cells import told_apart
    from reports.text import formats, studies, study

    chosen = {result.cell.key for group in groups(results) for result in group.seeds}  # at one rate
    measured = {row["key"]: row for row in studies.rows((*results, *kept.tried(content)), chosen)}
    rows = sorted({**kept.known.rows, **measured}.values(), key=papers.place(content))
    for table in study.tables(told_apart(rows), content.pairs) if show and any(row["chosen"] for row in rows) else ():
        formats.print_table(table, console)
    console.print(_progress(content, kept, results, store), highlight=False)
    if rows and Path(store).is_dir():
        _write(path, studies.packed(rows))
        console.print(f"What is stored of it is in {foreign.line(str(path))}", highlight=False)


def _write(path: Path, content: str | bytes) -> None:
    """Write a file of a report into its folder, which is made where there is none.

    Raises:
        UsageError: it cannot be written.
    """
    from reports.view import delivery

    try:
        path.parent.mkdir(exist_ok=True)
        delivery.write(path, content)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror}. Expected {path.parent} to be a folder that can be written; what "
            "was measured is stored, and the same command again writes it."
        ) from None


def _readings(store: str) -> list[Reading]:
    kept = Store(store).kept("readings") if Path(store).is_dir() else ()
    return [record for record in kept if isinstance(record, Reading)]


def _progress(content: Paper, kept: Kept, results: Sequence[Result], store: str) -> str:
    """Say how much of a paper is stored, and how long the rest takes."""
    cells, done, seconds = _left(content, kept, results)
    stopped = len(kept.stopped(content))
    aside = f", but for {stopped} whose rates were stopped" if stopped else ""
    if done == cells:
        return f"All {cells} cells are stored{aside}."
    rest = "" if done else " (the folder holds none of its results)"
    known = " or known" if kept.known.rows else ""
    return (
        f"{done} of {cells} cells are stored in {store}{known}{aside}{rest}; the others take about {duration(seconds)} "
        "on one core."
    )


def _left(content: Paper, kept: Kept, results: Sequence[Result]) -> tuple[int, int, float]:
    """Return the cells of a paper, how many are stored or stopped, and the seconds of the rest."""

    def planned(cell: Cell) -> str:
        """The key of a cell as a plan knows it: without its corpus, and at any rate where others choose its rate."""
        chosen = content.tuning and cell.seed not in content.tuning
        recipe = cell.recipe.model_copy(update={"learning_rate": papers.ANY_RATE} if chosen else {})
        return cell.model_copy(update={"data": None, "recipe": recipe}).key

    cells = papers.cells(content)
    answered = [result.cell for result in (*results, *kept.tried(content)) if result.status in ANSWERS]
    done = {planned(cell) for cell in (*answered, *kept.stopped(content), *kept.known.cells)}
    missing = [cell for cell in cells if planned(cell) not in done]
    return len(cells), len(cells) - len(missing), sum(map(kept.estimate.seconds, missing))


def _rows(store: str) -> Iterator[tuple[str, int, int, float, str]]:
    """Yield the name of every paper, its cells, how many are stored, the seconds of the rest, and its verdicts."""
    from reports.summary.verdicts import counted, verdicts

    kept, readings = Kept.of(store), _readings(store)
    for name, path in sorted(papers.known(FOLDERS).items()):
        content = _read(str(path))
        results = kept.reported(content)
        made = verdicts(content, results, papers.label, readings)
        yield name, *_left(content, kept, results), counted(made) or "a study: no claims"


def _list(store: str, form: Literal["text", "csv"]) -> int:
    from reports.text import csv, formats
    from reports.text.layout import Column, Table

    rows = [*_rows(store)]
    if form == "csv":
        names = ("name", "cells", "stored", "hours", "verdicts")
        hours = ((n, c, s, round(t / 3600, 2), v) for n, c, s, t, v in rows)
        print(csv.table(names, (dict(zip(names, row, strict=True)) for row in hours)), end="")
        return 0
    columns = (Column("name", "left"), Column("cells"), Column("stored"), Column("left"), Column("verdicts", "left"))
    shown = tuple((n, str(c), str(s), duration(t) if t else "", v) for n, c, s, t, v in rows)
    formats.print_table(Table(f"Papers and studies, as {store} holds them", columns, shown), formats.terminal())
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; bad usage ends with one message and exit code 2."""
    return command.run(app, arguments, "bench.paper")


if __name__ == "__main__":
    sys.exit(main())
