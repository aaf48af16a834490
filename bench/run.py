"""The command `python -m bench.run`: from a command line to stored results and a table.

The composition root: this file imports every part, and no part imports it.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from bench import catalog
from bench.cli import command
from bench.cli.flags import flagged
from bench.cli.settings import Settings, as_toml, configured, from_toml
from bench.records.errors import UsageError
from bench.records.job import Checkpointing, Surroundings
from bench.records.sweep import Sweep

if TYPE_CHECKING:
    from bench.cli.console import Console
    from bench.engines.base import Engine
    from bench.records.estimate import Estimate
    from bench.records.result import Result
    from bench.runner.runner import Outcome
    from bench.store import Store

app = App(
    name="python -m bench.run",
    help="Measure how far back sequence models remember: tasks × models × lengths × seeds.",
    version_flags=[],
)
CHECKPOINT_EVERY = 300.0  # seconds: longer than any cell of the default sweep


def _all() -> dict[str, str]:
    """Return what the help of --tasks and --models says besides; nothing where a folder hides ours, said by `run`."""
    try:
        return {f"{kind}s": f"All: {', '.join(catalog.names(kind))}." for kind in catalog.PACKAGES}
    except catalog.CatalogError:
        return {}


@app.default
@partial(flagged, more=_all())
def run(
    *,
    config: Annotated[Path | None, Parameter(help="A TOML file with the same fields; flags win over it.")] = None,
    dry_run: Annotated[bool, Parameter(help="Show the cells and the estimated time, and stop.", negative="")] = False,
    every: Annotated[bool, Parameter("--list", help="Show tasks, models and their options.", negative="")] = False,
    print_config: Annotated[bool, Parameter(help="Print the configuration as TOML, and stop.", negative="")] = False,
    **given: Any,
) -> int:
    """Measure what is missing of a sweep, store it, and show the table. The same command again resumes."""
    flags = {name: value for name, value in given.items() if value is not None}
    sweep, settings = configured((from_toml(config) if config else {}) | flags)
    catalog.unshadowed()
    if every:
        return _list()
    if print_config:
        print(as_toml(sweep, settings), end="")
        return 0
    return _preview(sweep, settings) if dry_run else measure([sweep], settings)


def _list() -> int:
    from bench.cli.listing import listing

    for line in listing(shutil.get_terminal_size().columns):
        print(line)
    return 0


def resolver(settings: Settings) -> Any:
    """Return what finds the corpora that settings name."""
    from bench.records.cell import DataIdentity
    from bench.records.job import Source
    from bench.runner.plan import Request, Resolved
    from tasks.corpora import resolving

    given = settings.data or os.environ.get("BENCH_DATA")
    folder = Path(given) if given else None

    def resolve(request: Request, download: bool) -> Resolved | None:
        try:
            corpus = resolving.resolve(request.corpus, fallback=request.fallback, folder=folder, download=download)
        except resolving.CorpusError as error:
            raise UsageError(str(error)) from None
        fell_back = corpus.source == request.fallback != request.corpus
        if fell_back and not download:
            return None
        note = f"{corpus.note}: using the embedded corpus {corpus.name!r} instead." if fell_back else None
        data = DataIdentity(name=corpus.name, sha256=corpus.sha256)
        return Resolved(data, Source(corpus.source, corpus.folder), note)

    return resolve


def _devices(settings: Settings) -> list[str]:
    """Return the GPUs that cells run on."""
    from bench.engines.devices import visible

    devices = [] if settings.accelerator == "cpu" else visible()
    if settings.accelerator == "gpu" and not devices and platform.system() == "Linux":
        raise UsageError(
            "--accelerator gpu: no NVIDIA GPU and torch with CUDA can be seen here. Use --accelerator cpu."
        )
    return devices


def workers_of(settings: Settings) -> int:
    """Return how many worker processes run."""
    if settings.workers is not None:
        return settings.workers
    devices = _devices(settings)
    if devices:
        return len(devices) * (settings.cells_per_gpu or 1)
    if platform.system() == "Linux":  # the cores this process may use, where the system tells
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def engine_of(settings: Settings, surroundings: Surroundings, console: Console) -> Engine:
    """Return the engine that settings name; it says on the console what it does."""
    if settings.engine == "ray":
        from bench.engines.cluster.corpora import Corpora
        from bench.engines.cluster.engine import ClusterEngine
        from tasks.corpora import resolving

        return ClusterEngine(
            surroundings,
            address=settings.address,
            workers=settings.workers,
            cells_per_gpu=settings.cells_per_gpu or 1,
            timeout=settings.timeout,
            report=console.working,
            say=console.note,
            corpora=Corpora(resolving.pack, resolving.cache),
        )
    from bench.engines.local import LocalEngine

    return LocalEngine(
        surroundings,
        workers=workers_of(settings),
        devices=_devices(settings),
        timeout=settings.timeout,
        report=console.working,
        say=console.note,
    )


def _checkpoints(settings: Settings, store: Store) -> Checkpointing | None:
    """Return how checkpoints are kept; None with --checkpoint-every 0, and on machines that need not share the disk."""
    every = CHECKPOINT_EVERY if settings.checkpoint_every is None else settings.checkpoint_every
    return Checkpointing(store.checkpoints, every) if every and settings.address is None else None


def estimate_from(store: str) -> Estimate:
    """Return an estimate that has learned from a store, where there is one."""
    from bench.records.estimate import Estimate
    from bench.store import Store

    estimate = Estimate()
    if Path(store).is_dir():
        estimate.learn_from(Store(store).answers())
    return estimate


def _preview(sweep: Sweep, settings: Settings) -> int:
    from bench.cli.console import Console
    from bench.records.estimate import duration
    from bench.runner.plan import plan, share

    cells = [planned.cell for planned in share(plan(sweep), settings.part)]
    console, estimate = Console(), estimate_from(settings.store)
    for cell in cells:
        recipe = cell.recipe
        console.note(f"{cell.label}: {recipe.steps} steps × {recipe.batch_size} sequences")
    left = sum(map(estimate.seconds, cells)) / workers_of(settings)
    console.note(f"{len(cells)} cells, roughly {duration(left)} on {workers_of(settings)} workers. Nothing was run.")
    return 0


def measure(sweeps: Sequence[Sweep], settings: Settings, *, table: bool = True) -> int:
    """Measure and store what is missing of sweeps; return the exit code. table: whether to show their results.

    Raises:
        BenchError: what cannot be measured, as one message.
    """
    from bench.cli.console import Console
    from bench.mirror import login
    from bench.runner.runner import execute
    from bench.store import Store

    try:
        os.getcwd()  # workers begin in it
    except FileNotFoundError:
        raise UsageError(
            "the folder that this command runs in was removed. Go to another one (cd) and run it there."
        ) from None
    mirroring = login.mirroring(settings.wandb, settings.store, sweep=",".join(sweep.hash for sweep in sweeps))
    store = Store(settings.store, create=True)
    console = Console()
    # Other machines cannot write to this one's folder of runs: what a cluster measures is mirrored from its records.
    afterwards = mirroring is not None and settings.address is not None
    surroundings = Surroundings(
        accelerator=settings.accelerator,
        mirroring=None if afterwards else mirroring,
        checkpoints=_checkpoints(settings, store),
    )
    engine = engine_of(settings, surroundings, console)
    resolve = resolver(settings)
    outcome = execute(sweeps, store, engine, console, resolve, retry_failed=settings.retry_failed, part=settings.part)
    if outcome.results and table:
        _show(store, console, outcome)
    _close(console, settings, outcome.results)
    if afterwards:
        console.note(
            f"A cluster's cells are mirrored to W&B from their records: python -m bench.publish {settings.store}"
        )
    elif mirroring is not None and (store.path / "wandb").exists():
        console.note(f"{login.described(mirroring, settings.store)} Leave the mirror out with --wandb off.")
    return outcome.exit_code


def _show(store: Store, console: Console, outcome: Outcome) -> None:
    """Show the results of sweeps: a table of scores, or the verdicts on gradients where nothing was trained."""
    trained = any(result.steps for result in outcome.results)
    if trained or not any(result.gradient_flow for result in outcome.results):
        from reports.table import show
    else:
        from reports.gradients import show
    show(store, console.terminal, outcome.keys)


def _close(console: Console, settings: Settings, results: Sequence[Result]) -> None:
    """Say what failed and where, where the results are, and how to look at them."""
    from bench.records.result import ANSWERS

    failed = [result for result in results if result.status not in ANSWERS]
    console.failed(failed)
    if failed:
        count = f"{len(failed)} {'cell' if len(failed) == 1 else 'cells'} failed"
        console.note(f"{count}: --retry-failed runs failed cells again.")
    console.note(f"Results are in {settings.store}. The same command again resumes; nothing stored is run twice.")
    if results:
        console.note(f"For figures and a page to open in a browser: python -m reports {shlex.quote(settings.store)}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; bad usage ends with one message and exit code 2."""
    return command.run(app, arguments, "bench.run")


if __name__ == "__main__":
    sys.exit(main())
