"""What evaluating very long sequences keeps of memory: `python -m tests.support.long_evaluation [LENGTH BATCHES]`.

In a process with a worker's own allocator. One line of JSON per model and task:

    array     MiB of one array of features over all steps of a batch, the largest that an evaluation needs
    peak      MiB above what there was before, at most
    kept      MiB above what there was before, after each batch: what was freed and not given back
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path

import torch

from bench import catalog
from bench.engines.worker import ALLOCATOR

HIDDEN = 128
MODELS = ("rnn", "gru", "lstm")
TASKS = ("adding", "running_average")  # the last position is read, or each


def resident(field: str) -> int:
    """MiB of this process (Linux): VmRSS, now; VmHWM, the most since `from_here`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) // 1024


def from_here() -> None:
    """The most that was resident counts from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def evaluate(model: str, task: str, length: int, batches: int) -> dict[str, object]:
    """Outputs for the first validation batches, as large as the task makes them at this length."""
    data = catalog.card("task", task).load()(length)
    built = catalog.card("model", model).load()(data.spec, hidden=HIDDEN).eval()
    from_here()
    before = resident("VmRSS")
    kept = []
    with torch.no_grad():
        for batch in itertools.islice(data.val_dataloader(), batches):
            array = batch.reads.mask.size(0) * length * HIDDEN * 4 >> 20
            built(batch)
            kept.append(resident("VmRSS") - before)
    peak = resident("VmHWM") - before
    return {"model": model, "task": task, "length": length, "array": array, "peak": peak, "kept": kept}


def main(length: int, batches: int) -> None:
    """Each model with each task."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for model, task in itertools.product(MODELS, TASKS):
        print(json.dumps(evaluate(model, task, length, batches)), flush=True)


if __name__ == "__main__":
    if any(name not in os.environ for name in ALLOCATOR):  # as a worker runs; read once, when a process starts
        command = [sys.executable, "-m", "tests.support.long_evaluation", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | ALLOCATOR)
    length, batches = map(int, sys.argv[1:] or (100_000, 4))
    main(length, batches)
