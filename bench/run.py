"""The command `python -m bench.run`: from a command line to stored results and a table.

The composition root: it knows every part, and nobody imports it.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from bench.cli import command
from bench.cli.settings import Settings, as_toml, configured, from_toml
from bench.records.errors import UsageError
from bench.records.job import Checkpointing, Surroundings
from bench.records.sweep import Sweep

if TYPE_CHECKING:
    from bench.cli.console import Console
    from bench.engines.base import Engine
    from bench.store import Store

app = App(
    name="python -m bench.run",
    help="Measure how far back sequence models remember: tasks × models × lengths × seeds.",
    version_flags=[],
)
CHECKPOINT_EVERY = 300.0  # seconds: longer than any cell of the default sweep


@app.default
def run(
    *,
    lengths: Annotated[str | None, Parameter(help="Sequence lengths, e.g. 10,100,1000 (the default).")] = None,
    tasks: Annotated[str | None, Parameter(help="Tasks, with options: copying,adding:marks=anywhere.")] = None,
    models: Annotated[str | None, Parameter(help="Models, with options, or package.module:Class.")] = None,
    seeds: Annotated[str | None, Parameter(help="Seeds, e.g. 0,1,2 (default: the budget's).")] = None,
    learning_rates: Annotated[
        str | None, Parameter(help="A grid, chosen on validation (default: the budget's).")
    ] = None,
    budget: Annotated[str | None, Parameter(help="smoke, quick (the default) or full.")] = None,
    steps: Annotated[int | None, Parameter(help="Optimisation steps; 0: initialisation only.")] = None,
    batch_size: Annotated[int | None, Parameter(help="Sequences per optimisation step.")] = None,
    parameters: Annotated[int | None, Parameter(help="Parameters of every model's body (16000).")] = None,
    hidden: Annotated[int | None, Parameter(help="Equal hidden size instead of equal parameters.")] = None,
    clip: Annotated[str | None, Parameter(help="Largest gradient norm (1.0), or none.")] = None,
    bptt: Annotated[int | None, Parameter(help="Cut the gradient every N steps of a sequence (never).")] = None,
    engine: Annotated[str | None, Parameter(help="local: this machine (the default); ray: a cluster.")] = None,
    address: Annotated[str | None, Parameter(help="The Ray cluster's HOST:PORT, or auto.")] = None,
    workers: Annotated[int | None, Parameter(help="Worker processes (default: one per core).")] = None,
    cells_per_gpu: Annotated[int | None, Parameter(help="Cells that share a GPU (1).")] = None,
    accelerator: Annotated[str | None, Parameter(help="auto, cpu or gpu.")] = None,
    shard: Annotated[str | None, Parameter(help="I/N: run only part I of N; join with python -m bench.merge.")] = None,
    store: Annotated[str | None, Parameter(help="Folder of results (results).")] = None,
    data: Annotated[str | None, Parameter(help="Folder of corpora (default: BENCH_DATA, the cache, download).")] = None,
    timeout: Annotated[float | None, Parameter(help="Seconds a cell may take.")] = None,
    checkpoint_every: Annotated[
        float | None, Parameter(help="Seconds after which a long cell can go on if it dies (300); 0: never.")
    ] = None,
    retry_failed: Annotated[bool | None, Parameter(help="Run failed cells again.", negative="")] = None,
    wandb: Annotated[str | None, Parameter(help="Mirror to W&B: auto (the default), online, offline or off.")] = None,
    config: Annotated[Path | None, Parameter(help="A TOML file with the same fields; flags win over it.")] = None,
    dry_run: Annotated[bool, Parameter(help="Show the cells and the estimated time, and stop.", negative="")] = False,
    print_config: Annotated[bool, Parameter(help="Print the configuration as TOML, and stop.", negative="")] = False,
) -> int:
    """Measure what is missing of a sweep, store it, and show the table. The same command again resumes."""
    given = {name: value for name, value in locals().items() if name not in ("config", "dry_run", "print_config")}
    flags = {name: value for name, value in given.items() if value is not None}
    sweep, settings = configured((from_toml(config) if config else {}) | flags)
    if print_config:
        print(as_toml(sweep, settings), end="")
        return 0
    return _preview(sweep, settings) if dry_run else _execute(sweep, settings)


def _resolver(settings: Settings) -> Any:
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
    """The GPUs that cells run on."""
    from bench.engines.devices import visible

    found = [] if settings.accelerator == "cpu" else visible()
    if settings.accelerator == "gpu" and not found and platform.system() == "Linux":
        raise UsageError(
            "--accelerator gpu: no NVIDIA GPU and torch with CUDA can be seen here. Use --accelerator cpu."
        )
    return found


def _workers(settings: Settings) -> int:
    if settings.workers is not None:
        return settings.workers
    devices = _devices(settings)
    if devices:
        return len(devices) * (settings.cells_per_gpu or 1)
    if platform.system() == "Linux":  # the cores this process may use, where the system tells
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _engine(settings: Settings, surroundings: Surroundings, console: Console) -> Engine:
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
        workers=_workers(settings),
        devices=_devices(settings),
        timeout=settings.timeout,
        report=console.working,
        say=console.note,
    )


def _checkpoints(settings: Settings, store: Store) -> Checkpointing | None:
    """None with --checkpoint-every 0, and on other machines, which need not share the store's disk."""
    every = CHECKPOINT_EVERY if settings.checkpoint_every is None else settings.checkpoint_every
    return Checkpointing(store.checkpoints, every) if every and settings.address is None else None


def _preview(sweep: Sweep, settings: Settings) -> int:
    from bench.cli.console import Console
    from bench.records.estimate import Estimate, duration
    from bench.runner.plan import plan, share

    cells = [planned.cell for planned in share(plan(sweep), settings.part)]
    console, estimate = Console(), Estimate()
    for cell in cells:
        recipe = cell.recipe
        console.note(f"{cell.label}: {recipe.steps} steps × {recipe.batch_size} sequences")
    left = sum(map(estimate.seconds, cells)) / _workers(settings)
    console.note(f"{len(cells)} cells, roughly {duration(left)} on {_workers(settings)} workers. Nothing was run.")
    return 0


def _execute(sweep: Sweep, settings: Settings) -> int:
    from bench.cli.console import Console
    from bench.mirror import login
    from bench.runner.runner import execute
    from bench.store import Store

    mirroring = login.mirroring(settings.wandb, settings.store, sweep=sweep.hash)
    store = Store(settings.store, create=True)
    console = Console()
    # Other machines cannot write to this one's folder of runs: what a cluster measures is mirrored from its records.
    afterwards = mirroring is not None and settings.address is not None
    surroundings = Surroundings(
        accelerator=settings.accelerator,
        mirroring=None if afterwards else mirroring,
        checkpoints=_checkpoints(settings, store),
    )
    engine = _engine(settings, surroundings, console)
    resolve = _resolver(settings)
    outcome = execute(sweep, store, engine, console, resolve, retry_failed=settings.retry_failed, part=settings.part)
    if outcome.results:
        from reports import table

        table.show(store, console.terminal, outcome.keys)
    console.note(f"Results are in {settings.store}. The same command again resumes; nothing stored is run twice.")
    if afterwards:
        console.note(
            f"A cluster's cells are mirrored to W&B from their records: python -m bench.publish {settings.store}"
        )
    elif mirroring is not None and (store.path / "wandb").exists():
        console.note(f"{login.described(mirroring, settings.store)} Leave the mirror out with --wandb off.")
    return outcome.exit_code


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; bad usage ends with one message and exit code 2."""
    return command.run(app, arguments, "bench.run")


if __name__ == "__main__":
    sys.exit(main())
