"""A worker's own side without torch: it answers at once, or dies by chance. It takes the place of `worker.serve`, so
that hundreds of real processes can be supervised, killed and replaced in seconds."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.cli.console import Console
from bench.engines import worker
from bench.engines.local import LocalEngine
from bench.records.asking import Asking
from bench.records.job import Checkpointing, Finished, Job, Surroundings
from bench.records.reading import Question, Reading
from bench.records.result import Result
from bench.records.sweep import Sweep
from bench.runner import questions, runner
from bench.runner.plan import plan
from bench.store import Store, files, leases
from tests.support.factories import a_result, a_score

CELL_SECONDS = 0.01
LOG = "executions"  # in the store's folder: what was begun and published, a line each


def serve(pipe: Connection, surroundings: Surroundings) -> None:
    """As the real one, with a result that is a function of the cell. Where checkpoints are asked for, what is begun is
    written down beside them."""
    worker._die_with_parent()
    store = surroundings.checkpoints.folder.parent if surroundings.checkpoints else None
    pipe.send(("ready", None))
    while True:
        try:
            kind, content = pipe.recv()
        except (EOFError, OSError):
            return
        if kind == "quit":
            return
        if kind == "check":
            pipe.send(("checked", []))
        else:
            pipe.send(("began", content.steps))
            if store is not None:
                kind = "cells" if content.stored is None else "readings"
                stored = (store / kind / f"{content.key}.json").exists()
                log(store, "late" if stored else "began", content.key)
            time.sleep(CELL_SECONDS)
            pipe.send(("finished", answered(content)))


def answered(job: Job) -> Finished:
    """What comes of a cell: a function of its key; of a question: a function of the weights that are asked."""
    if isinstance(job.work, Question):
        assert job.stored is not None
        weights = job.stored.weights or b""
        assert hashlib.sha256(weights).hexdigest() == job.work.weights_sha256
        return Finished(Reading(question=job.work, status="ok", score=a_score(score=len(weights) / 1e5)))
    weights = job.key.encode() * 100
    return Finished(a_result(job.cell, weights_sha256=hashlib.sha256(weights).hexdigest()), weights)


def log(store: Path, what: str, key: str) -> None:
    """One line, whole, also where several processes write."""
    descriptor = os.open(store / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{what} {key}\n".encode())
    os.close(descriptor)


class LoggingStore(Store):
    """Says which results it took."""

    def publish(self, result: Result, weights: bytes | None = None) -> bool:
        taken = super().publish(result, weights)
        if taken:
            log(self.path, "published", result.cell.key)
        return taken

    def publish_reading(self, reading: Reading) -> bool:
        taken = super().publish_reading(reading)
        if taken:
            log(self.path, "published", reading.key)
        return taken


def cannot_import(pipe: Connection, *_: Any) -> None:
    """A worker whose imports fail."""
    pipe.send(("unable", "ImportError: libfast.so: cannot open shared object file"))


def dies_starting(pipe: Connection, *_: Any) -> None:
    """A worker that is gone before it says anything."""
    sys.exit(7)


def sweep_of(cells: int) -> Sweep:
    """A sweep of this many cells."""
    return Sweep(tasks="adding", models="rnn", lengths="10", seeds=tuple(range(cells)), budget="smoke")


def execute(store: Store, cells: int, workers: int = 2, surroundings: Surroundings | None = None) -> runner.Outcome:
    """A sweep of `cells` cells with fake trials in real processes."""
    worker.serve = importlib.import_module("tests.reliability.fakes").serve  # not of __main__, which workers have not
    console = Console()
    engine = LocalEngine(surroundings or Surroundings(), workers=workers, report=console.working, say=console.note)
    return runner.execute([sweep_of(cells)], store, engine, console, lambda *_: None)


def trained(store: Store, cells: int) -> None:
    """Store the cells of a sweep, as if they had been measured."""
    for item in plan(sweep_of(cells)):
        finished = answered(Job(item.cell))
        store.publish(finished.result, finished.weights)


def ask(store: Store, surroundings: Surroundings) -> questions.Outcome:
    """Ask all that a store holds, once each, with fake trials in real processes."""
    worker.serve = importlib.import_module("tests.reliability.fakes").serve  # not of __main__, which workers have not
    posed = questions.plan(Asking(lengths=(20,)), store).posed
    console = Console(noun="question", estimate=questions.estimate(posed), names=dict(questions.names(posed)))
    engine = LocalEngine(surroundings, workers=2, report=console.working, say=console.note)
    return questions.ask(posed, store, engine, console, lambda *_: None)


def main() -> None:
    """`FOLDER CELLS [HOST [ask]]`: run; the last line says what the store holds at the end. HOST: be one of several
    runners, on a host of this name, where leases lapse soon; ask: of questions to stored models, and not of a sweep."""
    folder, cells = Path(sys.argv[1]), int(sys.argv[2])
    if len(sys.argv) > 4:
        files.HOST = leases.HOST = sys.argv[3]
        leases.BEAT, leases.EXPIRY = 0.1, 1.5
        store = LoggingStore(folder, create=True)
        asked = ask(store, Surroundings(checkpoints=Checkpointing(store.checkpoints, 1.0)))
        print(json.dumps({"exit_code": asked.exit_code, "results": len(asked.readings)}))
        sys.exit(asked.exit_code)
    if len(sys.argv) > 3:
        files.HOST = leases.HOST = sys.argv[3]
        leases.BEAT, leases.EXPIRY = 0.1, 1.5
        store = LoggingStore(folder, create=True)
        surroundings = Surroundings(checkpoints=Checkpointing(store.checkpoints, 1.0))
        outcome = execute(store, cells, surroundings=surroundings)
    else:
        outcome = execute(Store(folder, create=True), cells)
    print(json.dumps({"exit_code": outcome.exit_code, "results": len(outcome.results)}))
    sys.exit(outcome.exit_code)


if __name__ == "__main__":
    main()
