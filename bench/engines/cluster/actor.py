"""What runs on a cluster's nodes: one actor per slot."""

from __future__ import annotations

from dataclasses import dataclass

from bench.engines.base import EngineError
from bench.engines.cluster.connection import fingerprint
from bench.engines.cluster.corpora import Parcel, Receiver
from bench.engines.local import LocalEngine
from bench.records.job import Finished, Job, Surroundings

WATCH = "watch"  # the actors' concurrency group that answers while a cell runs


@dataclass(frozen=True)
class Place:
    """Where an actor runs. gpu: its node's GPU; None: the cores. suite: fingerprint of what it would run."""

    node: str
    gpu: str | None
    suite: str


class Hand:
    """The actor of one slot: it runs cells one after another, each tried once."""

    def __init__(self, surroundings: Surroundings, timeout: float | None) -> None:
        import ray

        self.progress = (0, 0)
        self.corpora = Receiver(ray.get)
        self.engine = LocalEngine(
            surroundings, workers=1, timeout=timeout, retried=frozenset(), report=self._note, say=lambda line: None
        )

    def _note(self, worker: int, cell: object, step: int, steps: int) -> None:
        self.progress = (step, steps)

    def where(self) -> Place:
        """Return where this actor runs."""
        import ray

        gpus = ray.get_gpu_ids()
        return Place(ray.util.get_node_ip_address(), str(gpus[0]) if gpus else None, fingerprint())

    def check(self, jobs: list[Job], parcels: list[Parcel | None]) -> list[str]:
        """Build the jobs, as `LocalEngine.check` does. parcels: the jobs' corpora."""
        return self.engine.check([self.corpora.received(*each) for each in zip(jobs, parcels, strict=True)])

    def run(self, job: Job, attempt: int, parcel: Parcel | None) -> Finished:
        """Return the outcome of one attempt at a job's cell. parcel: its corpus."""
        self.progress = (0, 0)
        try:
            received = self.corpora.received(job, parcel)
        except EngineError as error:
            return job.failed("unavailable", str(error))
        (finished,) = self.engine.run([received], attempt=attempt)
        return finished

    def watch(self) -> tuple[int, int]:
        """Return the step that the cell is at, and its steps in all."""
        return self.progress

    def vacate(self) -> None:
        """Give back the GPU memory that an idle process keeps."""
        self.engine.__exit__()
