"""What the W&B mirror costs: `python -m tests.performance.mirror`. No network.

Cells train with and without an offline mirror that logs a row every 25 steps, in turn, one torch thread; a figure by
the clock is the median over the pairs of how much longer training took. The mirror's own time on the processor is
what it takes to tell it everything a cell says, its run's start and end included, as a share of that cell's training;
that holds on a busy machine too, where the clock needs many pairs. wandb's loading is a figure of its own. `--servers`
adds cells mirrored to a server that refuses, hangs or answers 500, by the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.performance.report import Figure, as_a_worker, clock, heading

LENGTH = 100
STEPS = 300
START_TARGET = 2.0  # seconds, of a worker that then lives for up to a hundred cells


def main() -> None:
    """Print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--models", default="rnn,gru,lstm,attention,transformer")
    parser.add_argument("--servers", action="store_true")
    arguments = parser.parse_args()
    os.environ["WANDB_MODE"] = "offline"

    print(heading("tests.performance.mirror"), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        costs(Path(folder), arguments)
    if arguments.servers:
        servers()


def costs(folder: Path, arguments: argparse.Namespace) -> None:
    """The first start of W&B in a process, then the cost in training, model by model."""
    from bench.mirror import tracking
    from bench.records.job import Mirroring

    begun = time.perf_counter()
    observer = tracking.Mirror(Mirroring("offline", "p", folder))
    imported = time.perf_counter() - begun
    print(Figure("loading wandb, once per process", imported, START_TARGET, " s"), flush=True)
    training("rnn", observer), training("rnn", None)  # warm-up, and the start of W&B's own process
    for model in arguments.models.split(","):
        own, clock = [], []
        for pair in range(arguments.pairs):
            first, second = (None, observer) if pair % 2 else (observer, None)
            seconds = {watched: training(model, watched) for watched in (first, second)}
            clock.append(seconds[observer] / seconds[None] - 1)
            own.append(telling(model, observer) / seconds[None])
        for name, shares in (("by the clock", clock), ("its own time", own)):
            percent = [100 * share for share in shares]
            spread = (min(percent), max(percent))
            print(Figure(f"{model} {LENGTH}: mirror, {name}", median(percent), 3.0, " %", spread), flush=True)
    for line in observer.close():
        print(line, flush=True)


def training(model: str, observer: Any) -> float:
    """Seconds of one cell's training, drawing its data included."""
    from bench.records.job import Job
    from bench.trial import build, machine, trial
    from bench.trial.recorder import Recorder
    from tests.performance.harness import cell

    measured = cell(model, LENGTH, STEPS)
    task, module = build.prepare(Job(measured))
    recorder = Recorder(measured.recipe, task, observer=observer)
    with machine.quiet():
        loop = trial.trainer(measured.recipe, "cpu", recorder)
        begun = clock()
        if observer is not None:
            observer.begins(measured)
        loop.fit(module, datamodule=task)
        spent = clock() - begun
    CELLS[model], CURVES[model] = measured, recorder.curves(module.parameter_names())
    if observer is not None:
        finish(model, observer)
    return spent


CELLS: dict[str, Any] = {}  # by model, the cell measured last
CURVES: dict[str, Any] = {}  # by model, what it recorded


def finish(model: str, observer: Any) -> None:
    """End the run, and wait until the mirror is idle."""
    observer.ends(result(model))
    drain(observer)


def result(model: str) -> Any:
    """A record of the cell measured last."""
    from bench.records.result import Result

    return Result(cell=CELLS[model], status="ok", steps=STEPS, curves=CURVES[model])


def drain(observer: Any) -> None:
    """Wait until everything told was written."""
    done = threading.Event()
    observer._put(done.set)
    done.wait(60)


def telling(model: str, observer: Any) -> float:
    """Seconds on the processor that this process takes to mirror a cell: all its threads, no training."""
    from bench.mirror import tracking

    begun = time.process_time()
    tracking.replay(observer, result(model))
    drain(observer)
    return time.process_time() - begun


def servers() -> None:
    """Cells beside a server that does not answer as it should, with the time limits that users have."""
    command = [sys.executable, "-m", "tests.reliability.servers", "--length", "100", "--steps", "150", "--cells", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        scene = json.loads(line)
        ratio = scene["mirrored"] / scene["plain"]
        print(Figure(f"a server that {scene['kind']}: cell / cell without", ratio, 1.1), flush=True)
        print(Figure(f"a server that {scene['kind']}: waited for at the end", scene["waited"], 12.0, " s"), flush=True)


if __name__ == "__main__":
    as_a_worker("tests.performance.mirror")
    main()
