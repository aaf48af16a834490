"""The command `python -m bench.publish STORE`: show a store on another dashboard after the fact, training nothing.

W&B: results that are mirrored already are skipped: online, what the project holds as finished or failed; offline, what
lies whole in the store's folder `wandb`. `--workspace` saves a dashboard for the project instead. `--to tensorboard`
writes event files into the store's folder `tensorboard`.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import App, Parameter

from bench.cli import command
from bench.mirror import events, tracking
from bench.mirror.login import Wish, described, mirroring, resolve
from bench.records import foreign
from bench.records.asked import possible_keys
from bench.records.cell import Cell
from bench.records.errors import BenchError
from bench.records.job import Mirroring
from bench.records.result import ANSWERS, Result
from bench.records.sweep import TASKS
from bench.store import Store

app = App(
    name="python -m bench.publish",
    help="Mirror stored results, training nothing.",
    version_flags=[],
)
EXIT_FAILED = 1
PATIENCE = 3600.0  # seconds: long, because somebody waits for the command, and each run has its own limits

Runs = Callable[[Mirroring], Iterable[Any]]
Word = TypeVar("Word", bound=str)


class PublishError(BenchError):
    """What was asked for cannot be done."""


@dataclass(frozen=True)
class Outcome:
    """The numbers of results sent, and of those mirrored before (there). notes: what went wrong, in lines."""

    sent: int
    there: int
    notes: list[str]


def publish(store: Store, plan: Mirroring, runs: Runs | None = None) -> Outcome:
    """Mirror what a store holds and W&B does not. runs: lists the project's runs (`online` only).

    Raises:
        StoreError: a record is of a newer schema.
        PublishError: W&B does not say what it holds.
    """
    results = store.results()
    mirrored = _there(plan, results, runs or _runs)
    missing = [result for result in results if result.cell.key not in mirrored]
    asked = _asked(store)
    notes: list[str] = []
    for sweep in sorted({asked(result.cell) for result in missing}):
        mirror = tracking.Mirror(replace(plan, sweep=sweep, patience=PATIENCE))
        for result in missing:
            if asked(result.cell) == sweep:
                tracking.replay(mirror, result)
        notes += mirror.close()
    return Outcome(len(missing), len(results) - len(missing), notes)


def _there(plan: Mirroring, results: list[Result], runs: Runs) -> set[str]:
    """Return the keys of the results that are mirrored already."""
    if plan.mode == "offline":
        return {result.cell.key for result in results if tracking.is_mirrored(plan, result)}
    states = {(run.id.rpartition("-")[0], run.state) for run in runs(plan)}
    ends = {result.cell.key: "finished" if result.status in ANSWERS else "failed" for result in results}
    return {key for key, state in ends.items() if (key, state) in states}


def _runs(plan: Mirroring) -> Iterator[Any]:
    wandb = tracking.imported()
    try:
        api = wandb.Api(timeout=20)
        path = f"{plan.entity or api.default_entity}/{plan.project}"
        yield from api.runs(path, per_page=500)
    except ValueError:  # no such project yet
        return
    except Exception as error:
        raise PublishError(
            f"W&B does not say what project {plan.project} holds: {foreign.message(error)}. Try --wandb offline."
        ) from None


def _asked(store: Store) -> Callable[[Cell], str]:
    """Return a function from a cell to the hash of the first sweep that asked for it, empty where none did."""
    hashes: dict[str, str] = {}
    for asked in store.sweeps():
        for item in asked.cells:
            hashes.setdefault(item.key, asked.hash)
    return lambda cell: next((hashes[key] for key in possible_keys(cell) if key in hashes), "")


# -- the command ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """The flags that only W&B has; None: not given."""

    project: str | None
    entity: str | None
    wandb: str | None
    workspace: bool


@app.default
def run(
    store: Annotated[Path | None, Parameter(help="Folder of results (results).")] = None,
    /,
    *,
    to: Annotated[str, Parameter(help="wandb (the default) or tensorboard.")] = "wandb",
    project: Annotated[str | None, Parameter(help="W&B project (default: WANDB_PROJECT, long-range-bench).")] = None,
    entity: Annotated[str | None, Parameter(help="W&B user or team (default: WANDB_ENTITY, your own).")] = None,
    wandb: Annotated[str | None, Parameter(help="auto (the default), online or offline.")] = None,
    workspace: Annotated[bool, Parameter(help="Save a dashboard for the project instead.", negative="")] = False,
) -> int:
    """Mirror stored results to W&B or TensorBoard, training nothing; what is there is skipped."""
    return DESTINATIONS[_known("--to", to, tuple(DESTINATIONS))](store, Asked(project, entity, wandb, workspace))


def _to_tensorboard(store: Path | None, asked: Asked) -> int:
    if asked != Asked(None, None, None, False):
        raise PublishError(
            "--to tensorboard: expected none of --project, --entity, --wandb, --workspace, which are W&B's."
        )
    folder = store or Path("results")
    opened = Store(folder)
    place = folder / "tensorboard"
    try:
        written = events.write(opened.results(), place)
    except ImportError as error:
        raise PublishError(f"--to tensorboard needs one package more ({error}): pip install '.[tensorboard]'") from None
    except OSError as error:
        raise PublishError(f"cannot write {place}: {error.strerror or error}. Give a writable store.") from None
    print(foreign.block(f"{written.sent} runs written, {written.there} were there. Open: tensorboard --logdir {place}"))
    _say_left_out(opened)
    return 0


def _to_wandb(store: Path | None, asked: Asked) -> int:
    wish = _known("--wandb", asked.wandb or "auto", WISHES)
    project, entity = asked.project, asked.entity
    if asked.workspace:
        return _save_workspace(store, project, entity)
    folder = store or Path("results")
    opened = Store(folder)
    plan = mirroring(wish, folder, project=project, entity=entity)
    if plan is None:
        raise PublishError("WANDB_MODE=disabled: nothing is published. Unset it, or take --wandb online or offline.")
    _check_writable(folder / "wandb")
    outcome = publish(opened, plan)
    print(foreign.block(f"{outcome.sent} results sent, {outcome.there} were there. {described(plan, folder)}"))
    _say_left_out(opened, *outcome.notes)
    return EXIT_FAILED if outcome.notes else 0


DESTINATIONS: dict[str, Callable[[Path | None, Asked], int]] = {"wandb": _to_wandb, "tensorboard": _to_tensorboard}
WISHES: tuple[Wish, ...] = ("auto", "online", "offline")


def _say_left_out(opened: Store, *notes: str) -> None:
    left_out = [f"corrupt record left out: {foreign.line(str(path))}" for path in opened.corrupt]
    left_out += [f"sweep of another version left out, its runs name none: {path}" for path in opened.foreign]
    for note in (*left_out, *notes):
        print(foreign.block(note), file=sys.stderr)


def _known(flag: str, text: str, words: tuple[Word, ...]) -> Word:
    """Return the word that a flag was given, if it is one of `words`."""
    for word in words:
        if word == text:
            return word
    near = difflib.get_close_matches(text, words, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    known = f"{', '.join(words[:-1])} or {words[-1]}"
    raise PublishError(f"{flag}: expected {known}, got {text!r}.{hint}")


def _check_writable(folder: Path) -> None:
    # Without this W&B would write below the system's temporary folder, where nobody looks.
    try:
        folder.mkdir(exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise PublishError(f"cannot write {folder}: {error.strerror or error}. Give a writable store.") from None


def _save_workspace(store: Path | None, project: str | None, entity: str | None) -> int:
    if not (project and entity):
        raise PublishError("--workspace needs to know for whom: give --entity and --project.")
    resolve("online")
    tasks = list(dict.fromkeys(result.cell.task for result in Store(store).results())) if store else list(TASKS)
    try:
        from bench.mirror.workspace import save
    except ImportError as error:
        raise PublishError(f"--workspace needs one package more ({error}): pip install '.[workspace]'") from None
    try:
        print(foreign.block(save(entity, project, tasks)))
    except Exception as error:
        raise PublishError(f"W&B did not save the workspace of {entity}/{project}: {foreign.message(error)}") from None
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; bad usage ends with one message and exit code 2."""
    return command.run(app, arguments, "bench.publish")


if __name__ == "__main__":
    sys.exit(main())
