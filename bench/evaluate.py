"""The command `python -m bench.evaluate STORE --lengths 10,100`: ask every stored model at other lengths.

Readings are kept beside the results, which never change. The same command again resumes. Exit code: 0 where every
question has its answer ("not defined" is one), 1 where an attempt failed, 130 interrupted, 2 bad usage.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from bench import catalog
from bench.cli import command
from bench.cli.settings import Settings, checked
from bench.records.asking import Asking
from bench.records.errors import UsageError
from bench.records.job import Surroundings
from bench.run import engine_of, resolver, workers_of

if TYPE_CHECKING:
    from bench.cli.console import Console
    from bench.runner.questions import Planned
    from bench.store import Store

app = App(name="python -m bench.evaluate", help="Ask stored models at other lengths.", version_flags=[])
ASKED = {name: field.description for name, field in Asking.model_fields.items()}
SET = {name: field.description for name, field in Settings.model_fields.items()}


@app.default
def evaluate(
    store: Annotated[Path, Parameter(help="Folder of results, with weights.")],
    /,
    *,
    lengths: Annotated[str, Parameter(help=ASKED["lengths"])],
    tasks: Annotated[str, Parameter(help=ASKED["tasks"])] = "",
    models: Annotated[str, Parameter(help=ASKED["models"])] = "",
    trained: Annotated[str, Parameter(help=ASKED["trained"])] = "",
    probe: Annotated[bool, Parameter(help=ASKED["probe"], negative="")] = False,
    corpus: Annotated[str, Parameter(help="Files of your own that the models were trained on.")] = "",
    data: Annotated[str | None, Parameter(help=SET["data"])] = None,
    workers: Annotated[int | None, Parameter(help=SET["workers"])] = None,
    engine: Annotated[Literal["local", "ray"], Parameter(help=SET["engine"])] = "local",
    address: Annotated[str | None, Parameter(help=SET["address"])] = None,
    accelerator: Annotated[Literal["auto", "cpu", "gpu"], Parameter(help=SET["accelerator"])] = "auto",
    shard: Annotated[str | None, Parameter(help="I/N: ask only part I of N; join with python -m bench.merge.")] = None,
    timeout: Annotated[float | None, Parameter(help="Seconds a question may take.")] = None,
    retry_failed: Annotated[bool, Parameter(help="Ask again what failed.", negative="")] = False,
    dry_run: Annotated[
        bool, Parameter(help="Show the questions and the estimated time, and stop.", negative="")
    ] = False,
) -> int:
    """Ask every stored model at every length, keep the readings, and show them. Nothing is trained."""
    from bench.runner.questions import plan
    from bench.store import Store

    asking = checked(Asking, {"lengths": lengths, "tasks": tasks, "models": models, "trained": trained, "probe": probe})
    settings = checked(
        Settings,
        {
            "store": str(store), "data": data, "workers": workers, "engine": engine, "address": address,
            "accelerator": accelerator, "shard": shard, "timeout": timeout, "retry_failed": retry_failed,
        },
    )  # fmt: skip
    catalog.unshadowed()
    opened = Store(store)
    planned = plan(asking, opened, _own(corpus.split(","), settings))
    return _preview(planned, settings) if dry_run else _ask(planned, asking, settings)


def _own(paths: Iterable[str], settings: Settings) -> dict[str, str]:
    """Return the user's own corpora as absolute paths, by the sha256 of their content."""
    from bench.runner.plan import Request

    resolve, own = resolver(settings), {}
    for path in filter(None, (path.strip() for path in paths)):
        if not Path(path).exists():
            raise UsageError(f"--corpus: there is no file {path}. Give the files that the models were trained on")
        resolved = resolve(Request(path, "digits" if Path(path).is_dir() else "python"), False)  # of images, or a file
        own[resolved.data.sha256] = resolved.source.corpus
    return own


def _preview(planned: Planned, settings: Settings) -> int:
    from bench.cli.console import Console
    from bench.records.estimate import duration
    from bench.runner.questions import estimate, share

    console, posed = Console(), share(planned.posed, settings.part)
    for line in [*planned.left_out, *(item.name for item in posed)]:
        console.note(line)
    guess, workers = estimate(posed), workers_of(settings)
    left = sum(guess.seconds(item.question) for item in posed) / workers
    console.note(f"{len(posed)} questions, roughly {duration(left)} on {workers} workers. Nothing was asked.")
    return 0


def _ask(planned: Planned, asking: Asking, settings: Settings) -> int:
    from bench.cli.console import Console
    from bench.records.reading import ANSWERED
    from bench.runner.questions import ask, estimate, names
    from bench.store import Store

    store = Store(settings.store, create=True)
    posed = planned.posed
    console = Console(noun="question", estimate=estimate(posed), names=dict(names(posed)))
    for line in planned.left_out:
        console.note(line)
    engine = engine_of(settings, Surroundings(accelerator=settings.accelerator), console)
    outcome = ask(
        posed, store, engine, console, resolver(settings), retry_failed=settings.retry_failed, part=settings.part
    )
    _show(store, console, asking)
    failed = sum(reading.status not in ANSWERED for reading in outcome.readings)
    if failed:
        console.note(f"{failed} {'question' if failed == 1 else 'questions'} failed: --retry-failed asks again.")
    console.note(f"Readings are in {store.path / 'readings'}. The same command again resumes; nothing is asked twice.")
    return outcome.exit_code


def _show(store: Store, console: Console, asking: Asking) -> None:
    """Print the grids of the models that were asked."""
    from reports import lengths
    from reports.view import View
    from reports.view.asked import asked_topics, readings
    from reports.view.command import asked_cells, asked_order

    stored = store.results()
    view = View.of(asking.selected(stored), asked_order(store), stored, asked_cells(store))
    lengths.show(asked_topics(view, readings(store)), console.terminal)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; bad usage ends with one message and exit code 2."""
    return command.run(app, arguments, "bench.evaluate")


if __name__ == "__main__":
    sys.exit(main())
