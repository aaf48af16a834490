"""What the suite's training loop costs beside the loop a user would write: `python -m tests.performance.harness`.

Both train the same model on the same batches, one thread each. The plain loop draws one batch per step, zeroes, goes
forward and backward, clips, and steps torch's default Adam; it logs nothing. The suite's side is a cell's own training
(Lightning, blocks of steps, curves, gradient norms per step and per parameter). The two alternate; a figure is the
median ratio of the pairs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from statistics import median

from bench.engines.local import ALLOCATOR
from bench.sweep import Cell

STEPS = {10: 500, 100: 100, 1000: 20}
TARGETS = {10: 1.00, 100: 1.00, 1000: 1.03}
MODELS = ("rnn", "gru", "lstm", "attention", "transformer")


def main() -> None:
    """Print one line per model and length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--lengths", default="10,100,1000")
    arguments = parser.parse_args()

    import torch

    from tests.performance.report import Figure, heading

    torch.set_num_threads(1)
    print(heading("tests.performance.harness"), flush=True)
    for length in map(int, arguments.lengths.split(",")):
        for model in arguments.models.split(","):
            suite(model, length, 50), plain(model, length, 50)  # warm-up
            ratios = []
            for pair in range(arguments.pairs):
                first, second = (suite, plain) if pair % 2 else (plain, suite)
                seconds = {run: run(model, length, STEPS[length]) for run in (first, second)}
                ratios.append(seconds[suite] / seconds[plain])
            name = f"{model} {length}: suite / plain loop, per step"
            print(Figure(name, median(ratios), TARGETS[length], "", (min(ratios), max(ratios))), flush=True)


def cell(model: str, length: int, steps: int) -> Cell:
    """The cell that both sides train."""
    from bench.plan import plan
    from bench.sweep import Entry, Sweep

    sweep = Sweep(tasks=(Entry("adding"),), models=(Entry(model),), lengths=(length,), steps=steps)
    (planned,) = plan(sweep)
    recipe = planned.cell.recipe.model_copy(update={"probes": 0, "evaluate_every": 25 * (steps // 25 or 1)})
    return planned.cell.model_copy(update={"recipe": recipe})


def suite(model: str, length: int, steps: int) -> float:
    """Seconds per step of a cell's training, drawing its data included."""
    from bench import trial
    from bench.recorder import Recorder

    measured = cell(model, length, steps)
    recorder = Recorder(measured.recipe, lambda step, steps: None)
    task, module = trial.prepare((measured, None), recorder)
    with trial.quiet():
        trial.trainer(measured.recipe, "cpu", recorder).fit(module, datamodule=task)
    spent = recorder.seconds()
    return (spent.train + spent.data) / steps


def plain(model: str, length: int, steps: int) -> float:
    """Seconds per step of the loop one would write by hand."""
    import torch

    from bench import trial

    task, module = trial.build(cell(model, length, steps), None)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    begun = time.perf_counter()
    for step in range(steps):
        batch = task.training_batch(step)
        optimizer.zero_grad()
        loss = task.spec.objective.loss(module(batch.inputs, batch.read), batch.targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
    return (time.perf_counter() - begun) / steps


if __name__ == "__main__":
    if any(name not in os.environ for name in ALLOCATOR):  # as a worker runs; read once, when a process starts
        os.execve(
            sys.executable, [sys.executable, "-m", "tests.performance.harness", *sys.argv[1:]], os.environ | ALLOCATOR
        )
    main()
