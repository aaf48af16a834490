"""What the checks before and after training cost beside a cell: `python -m tests.performance.contract [--models …]`.

Cells of the default sweep are built, and the seconds of the contract (`bench.trial.contract.keep`, and its look at the
end) are taken, on one thread. Then the whole cell is measured.
"""

from __future__ import annotations

import argparse
import time

import torch

from bench.records.job import Job
from tests.performance.report import Figure, heading

SHARE = 0.03


def main() -> None:
    """Print one line per cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="running_average")
    parser.add_argument("--models", default="lstm,transformer")
    parser.add_argument("--lengths", default="10,100,1000")
    arguments = parser.parse_args()
    print(heading("tests.performance.contract"), flush=True)
    torch.set_num_threads(1)
    for task in arguments.tasks.split(","):
        for length in map(int, arguments.lengths.split(",")):
            for model in arguments.models.split(","):
                checks, cell = measured(task, model, length)
                what = f"{task} {model} {length}: checks / cell"
                print(Figure(what, checks / cell, SHARE), f"  ({checks:.2f} of {cell:.0f} s)", flush=True)


def measured(task: str, model: str, length: int) -> tuple[float, float]:
    """The seconds of a cell's checks, and of the cell."""
    from bench.records.cell import Entry
    from bench.records.job import Surroundings
    from bench.records.sweep import Sweep
    from bench.runner.plan import plan
    from bench.trial import build, contract, trial

    (planned,) = plan(Sweep(tasks=(Entry(task),), models=(Entry(model),), lengths=(length,)))
    job = Job(planned.cell)
    built, module = build.prepare(job)
    taken = []
    for _ in range(2):  # the first also pays for what torch does once in a process
        begun = time.perf_counter()
        contract.keep(built, module, planned.cell.recipe)
        contract.sees(built, module, training=False)
        taken.append(time.perf_counter() - begun)
    checks = min(taken)
    seconds = trial.run(job, Surroundings()).result.seconds
    assert seconds is not None
    return checks, seconds.total


if __name__ == "__main__":
    main()
