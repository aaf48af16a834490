"""What the cluster engine does where nodes misbehave, with a Ray of our own: no process is started."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest

from bench.engines.base import EngineError
from bench.engines.cluster import engine as cluster
from bench.engines.cluster.actor import Place
from bench.engines.cluster.connection import fingerprint
from bench.engines.cluster.engine import ClusterEngine
from bench.engines.local import STARTS
from bench.records.job import Finished, Job, Surroundings
from tests.support.factories import a_cell, a_result


class RayError(Exception):
    """Of Ray's errors, that an actor is lost."""


class RayTaskError(RayError):
    """That a call in an actor raised `cause`."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Ray:
    """Answers every call at once. answer: what an actor does with a job and the number of its attempt."""

    exceptions = types.SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, answer: Callable[[Job, int], Finished], cores: int) -> None:
        self.answer, self.cores = answer, cores
        self.calls = 0

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cores}

    def remote(self, **_: Any) -> Callable[[type], Any]:
        actor = types.SimpleNamespace(
            where=self._method(lambda: Place("node", None, fingerprint())),
            run=self._method(self._run),
            watch=types.SimpleNamespace(options=lambda **_: self._method(lambda: (0, 0))),
        )
        return lambda _: types.SimpleNamespace(remote=lambda *_: actor)

    @staticmethod
    def _method(call: Callable[..., Any]) -> Any:
        return types.SimpleNamespace(remote=lambda *arguments: lambda: call(*arguments))

    def _run(self, job: Job, attempt: int, parcel: None) -> Finished:
        self.calls += 1
        assert self.calls < 1000, "it goes on for ever"
        return self.answer(job, attempt)

    @staticmethod
    def get(reference: Callable[[], Any], timeout: float = 0) -> Any:
        return reference()

    @staticmethod
    def wait(references: list[Any], num_returns: int = 1, timeout: float = 0) -> tuple[list[Any], list[Any]]:
        return references[:num_returns], references[num_returns:]

    def kill(self, actor: object) -> None: ...


def run(monkeypatch: pytest.MonkeyPatch, answer: Callable[[Job, int], Finished], cells: int, cores: int) -> list[str]:
    """The statuses of `cells` cells on `cores` actors that answer so."""
    monkeypatch.setattr(cluster, "connect", lambda address, cores: Ray(answer, engine_cores))
    monkeypatch.setattr(cluster, "disconnect", lambda: None)
    monkeypatch.setattr(cluster, "TICK", 0.01)
    engine_cores = cores
    jobs = [Job(a_cell(seed=seed)) for seed in range(cells)]
    with ClusterEngine(Surroundings()) as engine:
        return [finished.result.status for finished in engine.run(iter(jobs))]


@pytest.mark.parametrize("cores", [1, 3])
def test_nodes_on_which_no_process_starts_end_the_sweep(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    """An actor that says where it is says nothing of its process, which needs torch."""
    tries = []

    def never(job: Job, attempt: int) -> Finished:
        tries.append(attempt)
        raise RayTaskError(EngineError("no worker process starts, after 3 tries: out of processes."))

    with pytest.raises(EngineError, match="out of processes"):
        run(monkeypatch, never, cells=5, cores=cores)
    assert tries == [1] * STARTS * cores, "and no cell lost an attempt"


def test_a_process_that_starts_at_the_second_try_costs_no_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    refused: set[str] = set()

    def at_first(job: Job, attempt: int) -> Finished:
        if job.cell.key not in refused:
            refused.add(job.cell.key)
            raise RayTaskError(EngineError("no worker process starts"))
        assert attempt == 1
        return Finished(a_result(job.cell))

    assert run(monkeypatch, at_first, cells=9, cores=1) == ["ok"] * 9


def test_a_cell_whose_actors_are_lost_twice_crashed(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(job: Job, attempt: int) -> Finished:
        if job.cell.seed == 1:
            raise RayError("the actor died")
        return Finished(a_result(job.cell))

    assert sorted(run(monkeypatch, lost, cells=3, cores=2)) == ["crashed", "ok", "ok"]
