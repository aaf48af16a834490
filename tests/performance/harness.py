"""What the suite's training loop costs beside the loop a user would write: `python -m tests.performance.harness`.

Both train the same model on the same batches, one thread each. The plain loop draws one batch per step, zeroes, goes
forward and backward, clips, and steps torch's default Adam; it logs nothing. On a GPU (`tests.performance.gpu`) it has
torch's own defaults, so that cuDNN may round and need not be deterministic. The suite's side is a cell's own training
(Lightning, blocks of steps, curves, gradient norms per step and per parameter). The two alternate; a figure is the
median ratio of the pairs.

With --against DIR the suite's side is compared instead with that of another checkout of this project, old or new: each
measurement in a fresh process, the checkouts alternately, and for each row the mean ratio with its 95 % interval.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from bench.records.cell import Cell
from bench.records.job import Job
from tests.performance.pairs import compare, parsed, python
from tests.performance.report import Figure, as_a_worker, heading

STEPS = {10: 500, 100: 100, 1000: 20}
TARGETS = {10: 1.00, 100: 1.00, 1000: 1.03}
NAME = "suite / plain loop, per step"
MODELS = ("rnn", "gru", "lstm", "attention", "transformer")
# Run in either checkout: all it asks of one is `suite(model, length, steps)`.
ROW = """
import sys
import torch
torch.set_num_threads(1)
from tests.performance import harness
assert harness.__file__.startswith(sys.argv[1]), f"{harness.__file__} is not below {sys.argv[1]}"
model, length, steps = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
harness.suite(model, length, min(50, steps))
print("seconds", sorted(harness.suite(model, length, steps) for _ in range(3))[1])
"""


def main() -> None:
    """Print one line per model and length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--lengths", default="10,100,1000")
    arguments = parsed(parser)
    models, lengths = arguments.models.split(","), list(map(int, arguments.lengths.split(",")))

    print(heading("tests.performance.harness"), flush=True)
    if arguments.against:
        rows = [
            (f"{model} {length}: this / other, per step", row(model, length)) for length in lengths for model in models
        ]
        for line in compare(arguments.pairs, rows, arguments.against):
            print(line, flush=True)
        return
    for length in lengths:
        for model in models:
            found = ratios(model, length, STEPS[length], arguments.pairs)
            print(Figure.median(f"{model} {length}: {NAME}", found, TARGETS[length]), flush=True)


def row(model: str, length: int) -> Callable[[Path], float]:
    """What measures the suite's seconds per step in a checkout: the middle of three, after a warm-up."""
    words = (model, str(length), str(STEPS[length]))
    return lambda checkout: float(python(checkout, "-c", ROW, str(checkout), *words).split("seconds ")[-1])


def ratios(model: str, length: int, steps: int, pairs: int, device: str = "cpu") -> list[float]:
    """Seconds per step of the suite over those of the plain loop, for each of some alternating pairs. device: cpu or
    cuda."""
    for run in (suite, plain):  # warm-up
        run(model, length, min(50, steps), device)
    found = []
    for pair in range(pairs):
        first, second = (suite, plain) if pair % 2 else (plain, suite)
        seconds = {run: run(model, length, steps, device) for run in (first, second)}
        found.append(seconds[suite] / seconds[plain])
    return found


def cell(model: str, length: int, steps: int) -> Cell:
    """The cell that both sides train."""
    from bench.records.cell import Entry
    from bench.records.sweep import Sweep
    from bench.runner.plan import plan

    sweep = Sweep(tasks=(Entry("adding"),), models=(Entry(model),), lengths=(length,), steps=steps)
    (planned,) = plan(sweep)
    recipe = planned.cell.recipe.model_copy(update={"probes": 0, "evaluate_every": 25 * (steps // 25 or 1)})
    return planned.cell.model_copy(update={"recipe": recipe})


def suite(model: str, length: int, steps: int, device: str = "cpu") -> float:
    """Seconds per step of a cell's training, drawing its data included."""
    from bench.trial import build, machine, trial
    from bench.trial.recorder import Recorder

    measured = cell(model, length, steps)
    task, module = build.prepare(Job(measured))
    recorder = Recorder(measured.recipe, task)
    with machine.quiet():
        trial.trainer(measured.recipe, "cpu" if device == "cpu" else "gpu", recorder).fit(module, datamodule=task)
    spent = recorder.watch.seconds()
    return (spent.train + spent.data) / steps


def plain(model: str, length: int, steps: int, device: str = "cpu") -> float:
    """Seconds per step of the loop one would write by hand."""
    import torch

    from bench.trial import build
    from tasks.base import Batch

    on_gpu = device == "cuda"
    if on_gpu:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.allow_tf32 = True
    task, module = build.build(cell(model, length, steps), None)
    module.to(device)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    begun = time.perf_counter()
    for step in range(steps):
        batch = task.transfer_batch_to_device(task.training_batch(step), torch.device(device), 0)
        assert isinstance(batch, Batch)
        optimizer.zero_grad()
        loss = task.spec.objective.loss(module(batch), batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
    if on_gpu:
        torch.cuda.synchronize()
    return (time.perf_counter() - begun) / steps


if __name__ == "__main__":
    as_a_worker("tests.performance.harness")
    main()
