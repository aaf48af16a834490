"""A worker's own side without torch: it answers at once, or dies by chance. It takes the place of `_worker.serve`, so
that hundreds of real processes can be supervised, killed and replaced in seconds."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench import runner
from bench.console import Console
from bench.engines import _worker
from bench.engines.local import LocalEngine
from bench.result import Finished
from bench.store import Store
from bench.sweep import Surroundings, Sweep
from tests.bench.factories import a_result

CELL_SECONDS = 0.01


def serve(pipe: Connection, *_: Any) -> None:
    """As the real one, with a result that is a function of the cell."""
    _worker._die_with_parent()
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
            pipe.send(("began", content[0].recipe.steps))
            time.sleep(CELL_SECONDS)
            weights = content[0].key.encode() * 100
            digest = hashlib.sha256(weights).hexdigest()
            pipe.send(("finished", Finished(a_result(content[0], weights_sha256=digest), weights)))


def cannot_import(pipe: Connection, *_: Any) -> None:
    """A worker whose imports fail."""
    pipe.send(("unable", "ImportError: libfast.so: cannot open shared object file"))


def dies_starting(pipe: Connection, *_: Any) -> None:
    """A worker that is gone before it says anything."""
    sys.exit(7)


def sweep_of(cells: int) -> Sweep:
    """A sweep of this many cells."""
    return Sweep(tasks="adding", models="rnn", lengths="10", seeds=tuple(range(cells)), budget="smoke")


def execute(folder: Path, cells: int, workers: int = 2) -> runner.Outcome:
    """A sweep of `cells` cells with fake trials in real processes."""
    _worker.serve = serve
    console = Console()
    engine = LocalEngine(Surroundings(), workers=workers, report=console.working, say=console.note)
    return runner.execute(sweep_of(cells), Store(folder, create=True), engine, console, lambda *_: None)


def main() -> None:
    """`FOLDER CELLS`: run; the last line says what this process had to measure and what it holds at the end."""
    folder, cells = Path(sys.argv[1]), int(sys.argv[2])
    outcome = execute(folder, cells)
    print(json.dumps({"exit_code": outcome.exit_code, "results": len(outcome.results)}))


if __name__ == "__main__":
    main()
