"""The W&B mirror: one run per cell, filled while the cell trains.

W&B can neither break a cell nor hold it up. Training only puts rows into a queue; a thread of its own talks to W&B,
under time limits, and a failure there is said once and ends the mirror, not the cell. Where the
server cannot be reached the mirror goes on offline, on disk. wandb is imported only where a mirror is opened.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from bench.mirror import mirrored
from bench.mirror.mirrored import Numbers, Row
from bench.records import foreign
from bench.records.cell import Cell
from bench.records.job import Mirroring
from bench.records.result import ANSWERS, GradientFlow, Result

Parameters = Mapping[int, Mapping[str, float | None]]  # gradient norms by step, then by parameter

MOST_WAITING = 5000  # commands a silent W&B may leave in the queue: a few megabytes
ROOM = 1 << 20  # free bytes without which a run on disk is not trusted to be whole
MARK = "mirrored.json"  # beside a run's data, once all of it is there
# Nothing of the machine, the command line or the code goes along: arguments and paths may hold secrets.
SETTINGS: dict[str, Any] = {
    "console": "off",
    "silent": True,
    "save_code": False,
    "disable_git": True,
    "disable_job_creation": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
    "init_timeout": 10.0,  # a server that has not answered by then is not waited for
    "login_timeout": 10.0,
    "finish_timeout": 10.0,
    "finish_timeout_raises": True,
    "x_graphql_timeout_seconds": 5.0,
    "x_transaction_log_flush_interval": 2.0,  # so much of a killed run may be missing on disk
}


# -- on disk ----------------------------------------------------------------------------------------------------------


def mirrors(plan: Mirroring, cell: Cell) -> list[Path]:
    """Return the folders of a cell's runs on disk, whole or not."""
    return [path for path in (plan.directory / "wandb").glob(f"*run-*-{cell.key}-*") if path.is_dir()]


def is_mirrored(plan: Mirroring, result: Result) -> bool:
    """Return whether a run on disk holds all of a result."""
    return any(_mark(path / MARK).get("status") == result.status for path in mirrors(plan, result.cell))


def _mark(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):  # the run was killed before the mark, or while the mark was written
        return {}


# -- the observer -----------------------------------------------------------------------------------------------------


class Observer(Protocol):
    """An observer is told what happens to a cell while it is measured. No method raises, and only `close` waits."""

    def begins(self, cell: Cell) -> None:
        """Take in that a cell is about to be measured."""

    def trained(self, first: int, losses: Numbers, norms: Numbers, parameter_norms: Parameters) -> None:
        """Take in losses and gradient norms of the optimisation steps from `first` on."""

    def validated(self, step: int, score: float | None) -> None:
        """Take in the score of the validation after `step` optimisation steps."""

    def probed(self, flow: GradientFlow) -> None:
        """Take in a snapshot of gradient flow."""

    def ends(self, result: Result) -> None:
        """Take in the result of the cell, which has ended."""

    def notes(self) -> list[str]:
        """Return the lines for people since the last call."""

    def close(self) -> list[str]:
        """Finish all that is queued, within the mirror's patience; return the last lines for people."""


def opened(plan: Mirroring | None) -> Observer | None:
    """Return the observer that a process hands to each of its cells; None without a plan."""
    return None if plan is None else Mirror(plan)


def imported() -> Any:
    """Import wandb, told to keep quiet, and return it. It would report its own errors, the server's silence among them,
    over the network and on the terminal, and hold up the process's end for that. The environment is set, because
    wandb reads nothing else so early."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    return wandb


# -- the mirror -------------------------------------------------------------------------------------------------------


class Mirror:
    """The observer that mirrors one cell after another to W&B."""

    def __init__(self, plan: Mirroring) -> None:
        self.plan = plan
        self._mode: Literal["online", "offline", "off"] = plan.mode
        self._task = ""
        self._held: GradientFlow | None = None
        self._run: Any = None
        self._notes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._commands: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="W&B mirror", daemon=True)
        try:
            self._wandb = imported()
            (plan.directory / "wandb").mkdir(parents=True, exist_ok=True)
        except Exception as error:
            self._ends_here(error)
        self._thread.start()

    # Called by training: work is queued, nothing more.

    def begins(self, cell: Cell) -> None:
        self._task, self._held = cell.task, None
        self._put(lambda: self._begin(cell))

    def trained(self, first: int, losses: Numbers, norms: Numbers, parameter_norms: Parameters) -> None:
        self._release()
        self._log(mirrored.training_rows(self._task, first, losses, norms, parameter_norms))

    def validated(self, step: int, score: float | None) -> None:
        self._log(mirrored.validation_rows(self._task, step, score))

    def probed(self, flow: GradientFlow) -> None:
        self._release()
        if flow.step == 0:
            self._log(mirrored.profile_rows(self._task, "initial", flow))
        else:
            self._held = flow  # whether it is the last one shows later

    def _release(self, when: str | None = None) -> None:
        flow, self._held = self._held, None
        if flow is not None:
            self._log(mirrored.profile_rows(self._task, when or f"step_{flow.step}", flow))

    def ends(self, result: Result) -> None:
        at_the_end = self._held is not None and self._held.step == result.steps
        self._release("end" if at_the_end else None)
        self._put(lambda: self._end(result))

    def notes(self) -> list[str]:
        lines = []
        while not self._notes.empty():
            lines.append(self._notes.get())
        return lines

    def close(self) -> list[str]:
        self._commands.put(None)
        self._thread.join(self.plan.patience)
        if self._thread.is_alive():
            self._say(f"W&B did not take everything within {self.plan.patience:g} s.")
        return self.notes()

    def _log(self, rows: Iterable[Row]) -> None:
        self._put(lambda: self._write(rows))

    def _put(self, command: Callable[[], None]) -> None:
        if self._mode == "off":
            return
        if self._commands.qsize() >= MOST_WAITING:
            self._mode = "off"
            self._say("W&B does not answer.")
        else:
            self._commands.put(command)

    # Called by the mirror's own thread.

    def _work(self) -> None:
        for command in iter(self._commands.get, None):
            try:
                if self._mode != "off":
                    command()
            except Exception as error:
                self._fails(error)
                self._abandon()

    def _abandon(self) -> None:
        run, self._run = self._run, None
        with contextlib.suppress(Exception):  # an earlier failure was said already
            if run is not None:
                run.finish(exit_code=1)

    def _begin(self, cell: Cell) -> None:
        attempt = 1 + len(mirrors(self.plan, cell))
        try:
            self._run = self._open(cell, attempt)
        except Exception as error:
            if self._mode != "online":
                raise
            self._fails(error)
            self._run = self._open(cell, attempt + 1)  # W&B's own process keeps the failed run's id
        for prefix, axis in mirrored.AXES.items():
            self._run.define_metric(axis, hidden=True, summary="none")
            self._run.define_metric(prefix, step_metric=axis, summary="none")

    def _open(self, cell: Cell, attempt: int) -> Any:
        return self._wandb.init(
            mode=self._mode,
            project=self.plan.project,
            entity=self.plan.entity,
            dir=str(self.plan.directory),
            id=mirrored.run_id(cell, attempt),
            name=mirrored.name(cell),
            group=mirrored.group(cell),
            job_type="cell",
            tags=mirrored.tags(cell),
            config=mirrored.config(cell, self.plan.sweep, attempt),
            reinit="create_new",
            settings=self._wandb.Settings(**SETTINGS),
        )

    def _write(self, rows: Iterable[Row]) -> None:
        if self._run is not None:
            for row in rows:
                self._run.log(row)

    def _end(self, result: Result) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        folder = Path(run.dir).parent
        try:
            run.log(mirrored.result_row(result))
            run.config.update(mirrored.origin(result))
            run.summary.update(mirrored.summary(result))
        finally:
            run.finish(exit_code=0 if result.status in ANSWERS else 1)
        if shutil.disk_usage(folder).free < ROOM:  # W&B's own process does not say that it could not write
            raise OSError(errno.ENOSPC, "No space left on device")
        (folder / MARK).write_text(json.dumps({"cell": result.cell.key, "status": result.status}))

    def _fails(self, error: Exception) -> None:
        """Go on offline after a failure online; end the mirror after a failure offline."""
        if self._mode == "online":
            self._mode = "offline"
            where = f"the mirror goes on in {self.plan.directory / 'wandb'}, for `wandb sync`"
            self._say(f"W&B cannot be reached ({_first_line(error)}): {where}.")
        else:
            self._ends_here(error)

    def _ends_here(self, error: Exception) -> None:
        self._mode = "off"
        self._say(f"The W&B mirror ends here ({type(error).__name__}: {_first_line(error)}).")

    def _say(self, line: str) -> None:
        self._notes.put(f"{line} Cells go on; `python -m bench.publish {self.plan.directory}` mirrors what is missing.")


def replay(mirror: Mirror, result: Result) -> None:
    """Tell a mirror what a record says, as the cell did while it was measured."""
    curves = result.curves
    mirror.begins(result.cell)
    columns = curves.parameter_norms.items()
    parameters = {
        step: {name: norms[index] for name, norms in columns} for index, step in enumerate(curves.parameter_steps)
    }
    mirror.trained(0, curves.train_loss, curves.gradient_norm, parameters)
    for step, score in curves.validation:
        mirror.validated(step, score)
    for flow in result.gradient_flow:
        mirror.probed(flow)
    mirror.ends(result)


def _first_line(error: Exception) -> str:
    return foreign.first_line(foreign.message(error), 200)
