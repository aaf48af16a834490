"""One worker process: the parent's end of it, and what the process itself does."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, NoReturn

from bench.engines import offspring
from bench.engines.placement import Slot
from bench.engines.starting import environment, only, without_interrupts, without_main
from bench.records import foreign
from bench.records.job import Job, Surroundings

if TYPE_CHECKING:
    from bench.engines.guard import Guard
    from bench.records.job import Work
    from bench.records.reading import Standing

CELLS_PER_WORKER = 100  # then the process is replaced: whatever a cell left behind is gone
REPORT_SECONDS = 0.5
CLOSE_SECONDS = 2.0
# glibc gives memory back to the system between steps and faults it in again; keeping it makes long sequences up to
# 1.9 times as fast. Arrays above 128 MB, which only sequences far beyond 10,000 steps have, do go back: kept, they are
# not reused (an aligned array needs a little more than one of its size that was freed), and an evaluation at 100,000
# steps grew to 17 GB. glibc reads these variables once, when a process starts.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(128 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


class Worker:
    """The parent's end of one worker process.

    mark: of the runner's processes. ready: whether its imports are done. failed_starts: failed starts in a row.
    since: when it began to start, and then when it began with its cell (`time.monotonic`). entries: the only entries of
    other people that the process serves; None: it has served nothing. spoilt: a cell changed it.
    """

    def __init__(self, slot: Slot, surroundings: Surroundings, mark: str) -> None:
        self.slot = slot
        self.mark = f"{mark}-{slot.index}."
        self.index = slot.index
        self.surroundings = surroundings
        self.job: Job | None = None
        self.attempt = 0
        self.alone = False
        self.failed_starts = 0
        self._launch()

    def _launch(self) -> None:
        self.ready, self.served, self.since = False, 0, time.monotonic()
        self.entries: tuple[str, ...] | None = None
        self.spoilt = False
        self._unable: str | None = None
        self._silent = False
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, self.surroundings), daemon=True)
        defaults = ALLOCATOR | {"OMP_NUM_THREADS": str(self.surroundings.threads)}
        marked = {offspring.VARIABLE: self.mark}
        with (
            without_interrupts(),
            without_main(),
            environment(defaults),
            environment(marked, win=True),
            only(self.slot.device),
        ):
            self.process.start()
        theirs.close()

    def send(self, kind: str, content: Any) -> None:
        """Send a message to the process."""
        with contextlib.suppress(OSError):  # a dead worker shows when its messages are read
            self.pipe.send((kind, content))

    def messages(self, seconds: float = 0.0) -> Iterator[tuple[str, Any]]:
        """Yield the process's messages, of which the first is waited for; those about its start are handled here."""
        try:
            while self.pipe.poll(seconds):
                kind, content = self.pipe.recv()
                seconds = 0.0
                if kind == "ready":
                    self.ready, self.failed_starts, self.since = True, 0, time.monotonic()
                elif kind == "unable":
                    self._unable = content
                elif kind == "changed":
                    self.spoilt = True
                elif kind == "began":
                    self.since = time.monotonic()
                    yield "report", (0, content)
                else:
                    yield kind, content
                    if kind == "finished":
                        return
        except (EOFError, OSError):
            self._silent = True

    @property
    def alive(self) -> bool:
        """Whether the process can still send messages. The pipe alone does not show its death, because a child that
        outlives it keeps the pipe open."""
        return not self._silent and (self.process.is_alive() or self.pipe.poll())

    @property
    def work(self) -> Work | None:
        """The cell that the process measures, or the question that it answers; None while it is idle."""
        return self.job.work if self.job else None

    def suits(self, entries: tuple[str, ...]) -> bool:
        """Return whether this process may serve a cell with these entries of other people."""
        return self.alive and not self.spoilt and self.served < CELLS_PER_WORKER and self.entries in (None, entries)

    def start(self, job: Job, attempt: int, *, alone: bool = False) -> None:
        """Hand a job to the process. alone: the job has its GPU to itself."""
        self._prepare(job.cell.foreign)
        self.job, self.attempt, self.alone = job, attempt, alone
        self.send("run", job)

    def check(self, jobs: list[Job]) -> None:
        """Have the process build these jobs, whose entries of other people are the same."""
        self._prepare(jobs[0].cell.foreign)
        self.send("check", jobs)

    def _prepare(self, entries: tuple[str, ...]) -> None:
        """Replace the process where it may not serve these entries."""
        if not self.suits(entries):
            self.renew()
        self.entries = entries
        if self.ready:
            self.since = time.monotonic()

    def done(self, status: Standing) -> None:
        """Note that the cell ended. After a shortage of memory the process is not used again; nor after an error on a
        GPU, because an error in a kernel leaves the process unable to use the GPU at all."""
        spoilt = status == "out_of_memory" or (status == "error" and self.slot.device is not None)
        self.served = CELLS_PER_WORKER if spoilt else self.served + 1
        self.job = None

    def last_words(self) -> str:
        """Return how the process ended, for people."""
        if self._unable is not None:
            return self._unable
        self.process.join(timeout=5)
        code = self.process.exitcode
        if code is None:
            return "the worker process did not answer"
        if code < 0:
            name = signal.Signals(-code).name
            hint = " (often the system's own answer to too little memory)" if -code == signal.SIGKILL else ""
            return f"the worker process was ended by {name}{hint}"
        return f"the worker process ended with exit code {code}"

    def replace(self) -> None:
        """Put a new process in this one's place."""
        self._end()
        self._launch()

    def renew(self) -> None:
        """Replace an idle process; one that mirrors cells to W&B may first end by itself."""
        if self.surroundings.mirroring is not None:
            self.dismiss()
            self.close()
            self._launch()
        else:
            self.replace()

    def restart(self) -> None:
        """Replace a process that did not start; its job, if it has one, is handed over again."""
        self.failed_starts += 1
        self.replace()
        if self.job is not None:
            self.entries = self.job.cell.foreign
            self.send("run", self.job)

    def dismiss(self) -> None:
        """Tell an idle process to end, and kill a busy one."""
        if self.job is None:
            self.send("quit", None)
        else:
            self.process.kill()

    def close(self) -> list[str]:
        """End the process, and return its last lines for people. One that was dismissed may take CLOSE_SECONDS, and the
        mirror's patience in addition."""
        lines: list[str] = []
        if self.job is None:
            mirroring = self.surroundings.mirroring
            self.process.join(timeout=CLOSE_SECONDS + (mirroring.patience if mirroring else 0.0))
            lines = [content for kind, content in self.messages() if kind == "note"]
        self._end()
        return lines

    def _end(self) -> None:
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()
        offspring.end(self.mark)


# -- the worker's own side --------------------------------------------------------------------------------------------


def serve(pipe: Connection, surroundings: Surroundings) -> NoReturn:
    """Answer what comes over the pipe until told to quit: all that a worker process does. The process then ends,
    whatever a cell left running in it, or raised."""
    code = 1
    try:
        _serve(pipe, surroundings)
        code = 0
    except SystemExit as error:  # a cell's own
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code & 255)


def _serve(pipe: Connection, surroundings: Surroundings) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _die_with_parent()
    # A cell may start processes of its own, which Python forbids to daemons. The parent ends them.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    gc.disable()  # it would look through what the imports make again and again, a sixth of their time
    try:
        import torch

        from bench.engines.guard import Guard
        from bench.trial import build, sources, trial
        from bench.trial.testing import lightning

        torch.set_num_threads(surroundings.threads)
        lightning(surroundings.accelerator)  # sets what every cell sets
    except Exception as error:
        pipe.send(("unable", f"{type(error).__name__}: {foreign.message(error)}"))
        return
    gc.enable()
    gc.freeze()  # modules stay
    observer = trial.observer(surroundings)
    guard = Guard()
    pipe.send(("ready", None))
    while True:
        try:
            kind, content = pipe.recv()
        except (EOFError, OSError):
            return
        if kind == "quit":
            for line in observer.close() if observer else []:
                pipe.send(("note", line))
            return
        if kind == "check":
            guard.remember(sources.own(content[0].cell))
            faults = build.check(content)
            _say_changes(pipe, guard, content[0])
            pipe.send(("checked", faults))
        else:
            pipe.send(("began", content.steps))
            guard.remember(sources.own(content.cell))
            finished = trial.run(content, surroundings, _Reporter(pipe), observer)
            changed = _say_changes(pipe, guard, content)
            finished = replace(finished, said=(*finished.said, *changed))
            for line in [*finished.said, *(observer.notes() if observer else [])]:
                pipe.send(("note", line))
            pipe.send(("finished", finished))


def _say_changes(pipe: Connection, guard: Guard, job: Job) -> list[str]:
    """Ask for a new process where a cell changed this one; return a line for people about the changes."""
    changes = guard.changes()
    if not changes:
        return []
    pipe.send(("changed", None))
    who = " and ".join(job.cell.foreign) or f"{job.cell.task} / {job.cell.model}"
    shown = ", ".join(changes[:4]) + (f", and {len(changes) - 4} more" if len(changes) > 4 else "")
    return [f"{who} changed the process it ran in ({shown}): what comes next runs in a new one"]


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    if platform.system() == "Linux":  # the kernel kills it even while native code keeps the thread from running
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent.pid:  # the parent died before
            os._exit(1)


def _follow(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


class _Reporter:
    """Sends the step that a cell is at to the parent, a few times a second at most."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.last = 0.0

    def __call__(self, step: int, steps: int) -> None:
        now = time.monotonic()
        if now - self.last >= REPORT_SECONDS:
            self.last = now
            self.pipe.send(("report", (step, steps)))
