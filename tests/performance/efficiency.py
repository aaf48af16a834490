"""What a sweep costs beside its cells: `python -m tests.performance.efficiency [--cells 40] [--workers 2]`.

Runs that many quick cells of length 100 (as `bench.run` would, start-up and end included) on idle cores, and compares
the wall time with the sum of the cells' own seconds; then loads a store of 1,000 of these records.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from bench.records.result import Result
from bench.store import Store
from tests.performance.report import Figure, heading

ROOT = Path(__file__).parents[2]
RUN = """
import json, resource, sys
from bench.run import main
code = main(sys.argv[1:])
own = resource.getrusage(resource.RUSAGE_SELF)
print("\\n" + json.dumps({"code": code, "cpu": own.ru_utime + own.ru_stime}))
"""


def run(folder: Path, cells: int, workers: int) -> tuple[list[Result], float, float]:
    """The results, wall seconds, and the parent's own CPU seconds of a sweep of `cells` cells."""
    seeds = ",".join(map(str, range(-(-cells // 4))))
    arguments = ["--tasks", "adding,copying", "--models", "rnn,lstm", "--lengths", "100", "--seeds", seeds]
    arguments += ["--workers", str(workers), "--store", "results"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    wall = time.perf_counter() - began
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["code"] == 0, done.stdout + done.stderr
    return Store(folder / "results").results(), wall, last["cpu"]


def efficiency(folder: Path, cells: int, workers: int) -> list[Figure]:
    """Wall time, start-up of a further cell, and the parent's CPU."""
    results, wall, cpu = run(folder, cells, workers)
    seconds = [result.seconds for result in results if result.seconds is not None]
    total = sum(part.total for part in seconds)
    starts = sorted(1000 * part.start_up for part in seconds)
    print(f"{len(results)} cells, {workers} workers: {wall:.1f} s wall, {total:.1f} s in cells")
    return [
        Figure("wall / (sum of cells / workers)", wall / (total / workers), 1.1),
        Figure("start-up of a further cell, median", median(starts), 50, " ms"),
        Figure("start-up of a further cell, 9 of 10", quantiles(starts, n=10)[-1], 50, " ms"),
        Figure("parent's own CPU / wall", 100 * cpu / wall, 2, " %"),
    ]


def loading(folder: Path, examples: list[Result]) -> list[Figure]:
    """A store of 1,000 cells as a DataFrame, in a process that has pandas already."""
    import pandas  # noqa: F401

    store = Store(folder / "thousand", create=True)
    size = 0
    for seed in range(1000):
        example = examples[seed % len(examples)]
        result = example.model_copy(update={"cell": example.cell.model_copy(update={"seed": 1000 + seed})})
        store.publish(result)
        size += (store.path / "cells" / f"{result.cell.key}.json").stat().st_size
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        frame = store.frame()
        taken.append(time.perf_counter() - began)
    assert len(frame) == 1000
    print(f"a record holds {size / 1e6:.1f} KB on average")
    return [
        Figure("1,000 cells as a DataFrame, median", median(taken), 1, " s", (min(taken), max(taken))),
        Figure("size of a record", size / 1e6, 100, " KB"),
    ]


def main() -> None:
    """One line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=40)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    print(heading("tests.performance.efficiency"))
    with tempfile.TemporaryDirectory() as name:
        figures = efficiency(Path(name), arguments.cells, arguments.workers)
        figures += loading(Path(name), Store(Path(name) / "results").results())
    for figure in figures:
        print(figure)


if __name__ == "__main__":
    main()
