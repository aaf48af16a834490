"""The engine that runs cells on this machine, in supervised worker processes that live long.

A worker imports torch once and then measures one cell after another. The supervisor talks to each over a pipe of its
own, so that a worker that is killed, crashes, hangs or runs out of memory costs one attempt of one cell, no more. A
worker that does not even start costs no attempt; it is given up after a few tries. Workers die with their parent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import wait
from subprocess import Popen

from bench.engines import offspring
from bench.engines.base import EngineError, Report
from bench.engines.placement import Queue, Slot, slots
from bench.engines.worker import ALLOCATOR, Worker
from bench.records.job import Finished, Job, Surroundings
from bench.records.result import Status

__all__ = ["ALLOCATOR", "EngineError", "LocalEngine"]

ATTEMPTS = 2
STARTS = 3  # in a row, before a worker is given up
START_SECONDS = 300.0  # importing torch from a slow file system
TICK = 0.5
RETRIED: frozenset[Status] = frozenset({"crashed", "timeout", "out_of_memory"})


class LocalEngine:
    """Runs cells in `workers` processes. timeout: seconds a cell may take, None: any.

    devices: GPUs that the processes share evenly, as CUDA_VISIBLE_DEVICES names them. Where there are any, a cell that
    ran out of memory is tried again by itself on an empty one. retried: the statuses after which a cell is tried again.
    report: called with (worker, cell or question or None when idle, step, steps) whenever a worker says what it does.
    say: called with one line for people.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        workers: int,
        devices: Sequence[str] = (),
        timeout: float | None = None,
        retried: frozenset[Status] = RETRIED,
        report: Report = lambda worker, cell, step, steps: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.timeout = timeout
        self.report = report
        self.say = say
        self.surroundings = surroundings
        self.workers = workers
        self.devices = devices
        self.retried = retried
        self._stopping = False
        self._processes: list[Worker] = []
        self._janitor: Popen[bytes] | None = None
        self._said: set[str] = set()

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._processes:
            worker.dismiss()
        for worker in self._processes:
            for line in worker.close():
                self._say_once(line)
        self._processes = []
        if self._janitor is not None:
            offspring.dismiss(self._janitor)
            self._janitor = None

    def _launch(self) -> list[Worker]:
        """Return the worker processes, started when first needed: a sweep with nothing to do starts none."""
        if not self._processes:
            mark = offspring.mark()
            self._janitor = offspring.janitor(mark)
            self._processes = [Worker(slot, self.surroundings, mark) for slot in slots(self.workers, self.devices)]
        return self._processes

    def limit(self, cells: int) -> None:
        """Start no more workers than so many cells can use: each takes seconds, and memory."""
        self.workers = max(1, min(self.workers, cells))

    def stop(self) -> None:
        """Begin no further cell; running cells finish."""
        self._stopping = True

    def check(self, jobs: list[Job]) -> list[str]:
        """Build the task and model of each job without training; return one message per distinct fault.

        Raises:
            EngineError: the worker does not start.
        """
        waiting = _by_entries(jobs)
        faults: list[list[str]] = [[] for _ in waiting]
        asked: dict[Worker, int] = {}
        free = list(self._launch())
        given = 0
        while given < len(waiting) or asked:
            while free and given < len(waiting):
                worker = free.pop(0)
                worker.check(waiting[given])
                asked[worker], given = given, given + 1
            wait([worker.pipe for worker in asked], timeout=TICK)
            for worker, index in list(asked.items()):
                answer = self._checked(worker, waiting[index])
                if answer is not None:
                    faults[index] = answer
                    del asked[worker]
                    free.append(worker)
        return list(dict.fromkeys(fault for answer in faults for fault in answer))

    def _checked(self, worker: Worker, jobs: list[Job]) -> list[str] | None:
        """Return the faults that a worker met when it built jobs; None as long as it has not answered."""
        for kind, content in worker.messages():
            if kind == "checked":
                return list(content)
        if worker.alive and not self._late(worker):
            return None
        if worker.ready:
            worker.replace()
            return []  # a worker that dies or hangs here would do so in its cell, which becomes a row
        if worker.failed_starts + 1 >= STARTS:
            raise _cannot_start(worker.last_words())
        worker.restart()
        worker.check(jobs)
        return None

    def run(self, jobs: Iterable[Job | None], *, attempt: int = 1) -> Iterator[Finished]:
        """Measure the cell of every job, each at most twice, and yield each outcome as it comes. A None among the jobs
        says that the next job is not known yet. attempt: the number of a job's first attempt.

        Raises:
            EngineError: no worker starts.
        """
        self._launch()
        queue = Queue(jobs, attempt)
        while True:
            self._give(queue)
            busy = [worker for worker in self._processes if worker.job is not None]
            if not busy:
                if self._stopping or queue.empty:
                    return
                time.sleep(TICK)
            wait([worker.pipe for worker in busy], timeout=TICK)
            for worker in busy:
                yield from self._attend(worker, queue)

    def _give(self, queue: Queue[Job]) -> None:
        """Hand the next jobs to idle workers."""
        while not self._stopping:
            running = {worker.slot: worker.alone for worker in self._processes if worker.job is not None}
            given = queue.take([worker.slot for worker in self._processes if worker.job is None], running)
            if given is None:
                return
            slot, waiting = given
            if waiting.alone:
                self._vacate(slot)
            worker = self._suited(slot, waiting.item)
            worker.start(waiting.item, waiting.attempt, alone=waiting.alone)
            self.report(worker.index, worker.work, 0, waiting.item.steps)

    def _suited(self, slot: Slot, job: Job) -> Worker:
        """Return an idle worker on this slot's device, if possible one whose process serves the job's entries already,
        because that saves a start."""
        idle = [each for each in self._processes if each.job is None and each.slot.device == slot.device]
        entries = job.cell.foreign
        return min(idle, key=lambda each: (not each.suits(entries), each.entries is None, each.slot != slot))

    def _vacate(self, slot: Slot) -> None:
        """Give back the GPU memory that idle processes of a slot's GPU keep."""
        for worker in self._processes:
            if worker.slot.device == slot.device and worker.served:
                worker.renew()

    def _attend(self, worker: Worker, queue: Queue[Job]) -> Iterator[Finished]:
        """Read a worker's messages, replace it where it died or is late, and yield the outcome of its cell."""
        for kind, content in worker.messages():
            if kind == "report" and worker.job is not None:
                self.report(worker.index, worker.work, *content)
            elif kind == "note":
                self._say_once(content)
            elif kind == "finished":
                yield from self._settle(worker, content, queue)
        if worker.job is None:
            return
        if not worker.ready and (not worker.alive or self._late(worker)):
            self._start_again(worker, queue)
        elif not worker.alive:
            yield from self._settle(worker, self._lost(worker, "crashed", worker.last_words()), queue)
        elif self._late(worker):
            error = f"stopped after {self.timeout:g} s (--timeout)"
            yield from self._settle(worker, self._lost(worker, "timeout", error), queue)

    def _say_once(self, line: str) -> None:
        what = line.partition(" (")[0]  # details differ from process to process
        if what not in self._said:
            self._said.add(what)
            self.say(line)

    def _settle(self, worker: Worker, finished: Finished, queue: Queue[Job]) -> Iterator[Finished]:
        """End one attempt: yield the cell's outcome, or queue another attempt."""
        job, attempt = worker.job, worker.attempt
        worker.done(finished.record.status)
        self.report(worker.index, None, 0, 0)
        if job and finished.record.status in self.retried and attempt < ATTEMPTS:
            if not self._stopping:  # else the cell stays missing, and has all its attempts when the sweep resumes
                alone = bool(self.devices) and finished.record.status == "out_of_memory"
                queue.again(job, attempt + 1, alone=alone)
        else:
            yield finished

    def _late(self, worker: Worker) -> bool:
        """Return whether a worker takes too long, to start or to measure its cell."""
        limit = self.timeout if worker.ready else START_SECONDS
        return limit is not None and time.monotonic() - worker.since >= limit

    def _lost(self, worker: Worker, status: Status, error: str) -> Finished:
        """Return the outcome of the cell that this worker was measuring; a new process takes the worker's place."""
        assert worker.job is not None
        finished = worker.job.failed(status, f"{error}, attempt {worker.attempt} of {ATTEMPTS}")
        worker.replace()
        return finished

    def _start_again(self, worker: Worker, queue: Queue[Job]) -> None:
        """Restart a worker that died or hung before it was ready, or give it up after STARTS tries."""
        if worker.failed_starts + 1 < STARTS:
            worker.restart()
            return
        words = worker.last_words()
        self._processes.remove(worker)
        if worker.job is not None:
            queue.again(worker.job, worker.attempt, alone=worker.alone)
        self.report(worker.index, None, 0, 0)
        worker.close()
        if not self._processes:
            raise _cannot_start(words)
        self.say(f"worker {worker.index} does not start ({words}); {len(self._processes)} go on")


def _by_entries(jobs: Iterable[Job]) -> list[list[Job]]:
    """Group the jobs that one process may serve: those without entries of other people, then those with each."""
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.cell.foreign, []).append(job)
    return sorted(groups.values(), key=lambda group: len(group[0].cell.foreign))


def _cannot_start(words: str) -> EngineError:
    return EngineError(f"no worker process starts, after {STARTS} tries: {words}. Nothing stored is lost.")
