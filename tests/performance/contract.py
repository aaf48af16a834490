"""What the checks before and after training cost beside a cell: `python -m tests.performance.contract [--models …]`.

Cells of the default sweep are built, and the seconds of the contract (`bench.trial.contract.keep`, and its look at the
end) are taken, on one thread. Beside them stands what their training steps would take, from the median of a few blocks.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from bench.records.job import Job
from tests.performance.report import Figure, heading

SHARE = 0.03


def main() -> None:
    """Print one line per cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="running_average,copying")
    parser.add_argument("--models", default="lstm,transformer")
    parser.add_argument("--lengths", default="10,100,1000")
    arguments = parser.parse_args()
    print(heading("tests.performance.contract"), flush=True)
    torch.set_num_threads(1)
    for task in arguments.tasks.split(","):
        for length in map(int, arguments.lengths.split(",")):
            for model in arguments.models.split(","):
                checks, training = measured(task, model, length)
                what = f"{task} {model} {length}: checks / training"
                print(Figure(what, checks / training, SHARE), f"  ({checks:.2f} of {training:.0f} s)", flush=True)


def measured(task: str, model: str, length: int) -> tuple[float, float]:
    """The seconds of a cell's checks, and of all its optimisation steps."""
    from bench.records.cell import Entry
    from bench.records.sweep import Sweep
    from bench.runner.plan import plan
    from bench.trial import build, contract

    (planned,) = plan(Sweep(tasks=(Entry(task),), models=(Entry(model),), lengths=(length,)))
    built, module = build.prepare(Job(planned.cell))
    begun = time.perf_counter()
    contract.keep(built, module, planned.cell.recipe)
    contract.sees(built, module, training=False)
    checks = time.perf_counter() - begun
    step = statistics.median(steps(built, module))
    return checks, step * planned.cell.recipe.steps


def steps(task: object, model: object) -> list[float]:
    """Seconds of a few optimisation steps."""
    from models.base import SequenceModel
    from tasks.base import Task

    assert isinstance(task, Task)
    assert isinstance(model, SequenceModel)
    optimiser, seconds = model.configure_optimizers(), []
    for step in range(8):
        begun = time.perf_counter()
        batch = task.training_batch(step)
        optimiser.zero_grad()
        task.spec.objective.loss(model(batch), batch).backward()
        optimiser.step()
        seconds.append(time.perf_counter() - begun)
    return seconds[3:]


if __name__ == "__main__":
    main()
