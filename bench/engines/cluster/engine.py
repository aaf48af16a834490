"""The engine that runs cells on the machines of a Ray cluster, or on this one through Ray.

An actor per slot, each with a supervised process of its own (`bench.engines.local`), so that a crash, a timeout and a
shortage of memory mean the same as without Ray. Cells go out from here, with their corpora where other machines are
asked, and results with their weights come back here; no actor touches a store, and no disk need be shared. Ray repeats
nothing: a lost actor costs its cell one attempt, which is counted here, and what it might still answer is never asked
for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bench.engines.base import EngineError, Report
from bench.engines.cluster.actor import WATCH, Hand, Place
from bench.engines.cluster.connection import connect, disconnect, fingerprint
from bench.engines.cluster.corpora import Corpora, Parcel, Sender
from bench.engines.local import ATTEMPTS, RETRIED, START_SECONDS, STARTS, TICK
from bench.engines.placement import Queue, Slot, Waiting
from bench.records import foreign
from bench.records.job import Finished, Job, Surroundings


class _Held:
    """The driver's end of one actor."""

    def __init__(self, index: int, actor: Any) -> None:
        self.index = index
        self.actor = actor
        self.slot: Slot | None = None  # until the actor has said where it runs
        self.starting: Any = actor.where.remote()
        self.waiting: Waiting[Job] | None = None
        self.outcome: Any = None
        self.news: Any = None


class ClusterEngine:
    """Runs cells on a Ray cluster.

    address: HOST:PORT of the cluster's head, `auto` for the one this machine belongs to, None: none, only this machine.
    workers: how many cells at a time, None: as many as there are cores (or GPUs × cells_per_gpu). timeout, report, say:
    as for the local engine. corpora: what brings corpora to other machines; None: they lie at the same place on each.

    Attributes: executions, attempts begun; lost, those whose actor or node did not come back.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        address: str | None = None,
        workers: int | None = None,
        cells_per_gpu: int = 1,
        timeout: float | None = None,
        report: Report = lambda worker, cell, step, steps: None,
        say: Callable[[str], None] = lambda line: None,
        corpora: Corpora | None = None,
    ) -> None:
        self.surroundings, self.address, self.timeout = surroundings, address, timeout
        self._corpora = None if address is None else corpora
        self._sender: Sender | None = None
        self.cells_per_gpu = cells_per_gpu
        self.report, self.say = report, say
        self.executions = self.lost = 0
        self._wanted = workers
        self._ray: Any = None
        self._hands: list[_Held] = []
        self._failures = 0  # starts in a row that failed, of actors or of their processes
        self._asked = 0.0
        self._stopping = False
        self._said: set[str] = set()

    def __enter__(self) -> ClusterEngine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ray is not None:
            for held in self._hands:
                self._ray.kill(held.actor)
            self._hands, self._ray = [], None
            disconnect()

    def limit(self, cells: int) -> None:
        """Start no more workers than so many cells can use, where the number was given."""
        if self._wanted is not None:
            self._wanted = max(1, min(self._wanted, cells))

    def stop(self) -> None:
        """Begin no further cell; running cells finish."""
        self._stopping = True

    # -- actors -------------------------------------------------------------------------------------------------------

    @property
    def workers(self) -> int:
        """How many cells run at the same time, when every node is up.

        Raises:
            EngineError: the cluster does not answer, or has none of what is asked for.
        """
        self._launch()
        return len(self._hands)

    def _launch(self) -> None:
        if self._ray is not None:
            return
        on_this_machine = None if self._wanted is None else self._wanted * self.surroundings.threads
        self._ray = connect(self.address, cores=on_this_machine)
        self._sender = Sender(self._corpora, self._ray.put) if self._corpora else None
        resources = self._ray.cluster_resources()
        gpus = 0 if self.surroundings.accelerator == "cpu" else int(resources.get("GPU", 0))
        if self.surroundings.accelerator == "gpu" and not gpus:
            raise EngineError(
                "--accelerator gpu: the cluster has no GPU. Use --accelerator cpu, or add a node with one."
            )
        cores = max(1, int(resources.get("CPU", 0)) // self.surroundings.threads)
        share = {"num_cpus": 0, "num_gpus": 1 / self.cells_per_gpu} if gpus else {"num_cpus": self.surroundings.threads}
        self._actors = self._ray.remote(
            **share,
            max_restarts=0,
            max_task_retries=0,
            concurrency_groups={WATCH: 1},
            scheduling_strategy="SPREAD",
        )(Hand)
        count = self._wanted or (gpus * self.cells_per_gpu or cores)
        self._hands = [self._hand(index) for index in range(count)]

    def _hand(self, index: int) -> _Held:
        return _Held(index, self._actors.remote(self.surroundings, self.timeout))

    def _replace(self, held: _Held) -> None:
        """Put a new actor in the place of a lost one; it starts when the cluster has room for it. What the lost actor
        might still send is not read."""
        self._ray.kill(held.actor)
        self._hands[self._hands.index(held)] = self._hand(held.index)

    def _began(self, held: _Held) -> None:
        """Give an actor its slot, now that it has said where it runs; or try another, where it cannot start."""
        reference, held.starting = held.starting, None
        try:
            place: Place = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._did_not_start(held, f"no worker of the cluster starts: {_first_line(error)}. Nothing stored is lost.")
            return
        if place.suite != fingerprint():
            raise EngineError(
                f"node {place.node} has another version of this suite or of torch than this machine: expected "
                f"{fingerprint()}, got {place.suite}. Install the same on every node."
            )
        held.slot = Slot(held.index, None if place.gpu is None else f"{place.node}/{place.gpu}")

    def _did_not_start(self, held: _Held, words: str) -> None:
        """Try again to start an actor or its process, unless too many starts in a row failed."""
        self._failures += 1
        if self._failures >= STARTS * len(self._hands):
            raise EngineError(words) from None
        self._replace(held)

    # -- cells --------------------------------------------------------------------------------------------------------

    def check(self, jobs: list[Job]) -> list[str]:
        """Build the task and model of each job without training, on one node; return one message per distinct fault.

        Raises:
            EngineError: no worker starts.
        """
        self._launch()
        deadline = time.monotonic() + START_SECONDS
        while not any(held.slot for held in self._hands):
            self._hear_starts(deadline)
        held = next(held for held in self._hands if held.slot)
        try:
            return list(self._ray.get(held.actor.check.remote(jobs, [self._parcel(job) for job in jobs])))
        except self._ray.exceptions.RayTaskError as error:
            raise EngineError(_first_line(error.cause)) from None
        except self._ray.exceptions.RayError:
            self._replace(held)
            return []  # an actor that is lost here would be lost in its cell, which becomes a row

    def _parcel(self, job: Job) -> Parcel | None:
        return self._sender.parcel(job.source) if self._sender else None

    def _hear_starts(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise EngineError(
                f"no worker of the cluster started within {START_SECONDS:.0f} s; free are "
                f"{self._ray.available_resources()}. Wait for what uses the rest. Nothing stored is lost."
            )
        starting = {held.starting: held for held in self._hands if held.starting is not None}
        done, _ = self._ray.wait(list(starting), timeout=TICK)
        for reference in done:
            self._began(starting[reference])

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Finished]:
        """Measure the cell of every job, each at most twice, and yield each outcome once.

        Raises:
            EngineError: no worker starts.
        """
        self._launch()
        queue: Queue[Job] = Queue(jobs)
        begun, outcomes = self.executions, 0
        heard = time.monotonic()
        while True:
            self._give(queue)
            busy = [held for held in self._hands if held.waiting is not None]
            if not busy and (self._stopping or queue.empty):
                break
            if busy or any(held.slot for held in self._hands):
                heard = time.monotonic()
            else:
                self._hear_starts(heard + START_SECONDS)
            for finished in self._hear(queue):
                outcomes += 1
                yield finished
        extra = self.executions - begun - outcomes
        if extra > 0:
            self.say(f"{outcomes + extra} executions for {outcomes} cells; {self.lost} lost with their worker or node")

    def _give(self, queue: Queue[Job]) -> None:
        """Hand the next jobs to idle actors."""
        while not self._stopping:
            by_slot = {held.slot: held for held in self._hands if held.slot is not None}
            running = {slot: held.waiting.alone for slot, held in by_slot.items() if held.waiting is not None}
            given = queue.take([slot for slot in by_slot if slot not in running], running)
            if given is None:
                return
            slot, waiting = given
            held = by_slot[slot]
            if waiting.alone:
                self._vacate(slot, list(by_slot.values()))
            held.waiting = waiting
            held.outcome = held.actor.run.remote(waiting.item, waiting.attempt, self._parcel(waiting.item))
            held.news = self._ask(held)
            self.executions += 1
            self.report(held.index, waiting.item.work, 0, waiting.item.steps)

    def _vacate(self, slot: Slot, hands: Sequence[_Held]) -> None:
        for held in hands:
            if held.slot is not None and held.slot.device == slot.device:
                try:
                    self._ray.get(held.actor.vacate.remote(), timeout=START_SECONDS)
                except self._ray.exceptions.RayError:
                    continue  # a lost actor keeps no memory; that it is lost shows when it is given a cell

    @staticmethod
    def _ask(held: _Held) -> Any:
        return held.actor.watch.options(concurrency_group=WATCH).remote()

    def _hear(self, queue: Queue[Job]) -> Iterator[Finished]:
        """Read what the actors sent within a tick; yield the outcomes of their cells."""
        events = {held.starting: held for held in self._hands if held.starting is not None}
        events |= {held.outcome: held for held in self._hands if held.outcome is not None}
        if events:
            done, _ = self._ray.wait(list(events), num_returns=1, timeout=TICK)
        else:
            done = []
            time.sleep(TICK)
        for reference in done:
            held = events[reference]
            if reference == held.starting:
                self._began(held)
            else:
                yield from self._settle(held, queue)
        if time.monotonic() - self._asked >= TICK:
            self._asked = time.monotonic()
            news = {held.news: held for held in self._hands if held.news is not None}
            heard, _ = self._ray.wait(list(news), num_returns=len(news), timeout=0) if news else ([], [])
            for reference in heard:
                self._pass_on(news[reference])

    def _pass_on(self, held: _Held) -> None:
        reference, held.news = held.news, None
        if held.waiting is None:
            return
        try:
            step, steps = self._ray.get(reference)
        except self._ray.exceptions.RayError:
            return  # its outcome will say so
        if steps:
            self.report(held.index, held.waiting.item.work, step, steps)
        held.news = self._ask(held)

    def _settle(self, held: _Held, queue: Queue[Job]) -> Iterator[Finished]:
        """End one attempt: yield the cell's outcome, or queue another attempt."""
        waiting, reference = held.waiting, held.outcome
        assert waiting is not None
        held.waiting = held.outcome = held.news = None
        self.report(held.index, None, 0, 0)
        try:
            finished: Finished = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # its process did not start there, which costs no attempt
            self._did_not_start(held, _first_line(error.cause))
            self.executions -= 1
            queue.again(waiting.item, waiting.attempt, alone=waiting.alone)
            return
        except self._ray.exceptions.RayError as error:
            self.lost += 1
            finished = self._crashed(waiting, error)
            self._replace(held)
        else:
            self._failures = 0
            for line in finished.said:
                self._say_once(line)
        status = finished.record.status
        if status in RETRIED and waiting.attempt < ATTEMPTS:
            if not self._stopping:  # else the cell stays missing, and has all its attempts when the sweep resumes
                on_gpu = held.slot is not None and held.slot.device is not None
                queue.again(waiting.item, waiting.attempt + 1, alone=on_gpu and status == "out_of_memory")
            return
        yield finished

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.say(line)

    @staticmethod
    def _crashed(waiting: Waiting[Job], error: Exception) -> Finished:
        words = f"its worker or node was lost ({type(error).__name__}), attempt {waiting.attempt} of {ATTEMPTS}"
        return waiting.item.failed("crashed", words)


def _first_line(error: object) -> str:
    said = foreign.message(error) if isinstance(error, BaseException) else str(error)
    return foreign.first_line(said) or type(error).__name__
