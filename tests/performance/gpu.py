"""What the suite does on a GPU: `python -m tests.performance.gpu`. `--device cpu` only tries the script itself out.

Four figures, on the first GPU that can be seen: the suite's step beside that of a plain loop over the same model (cuDNN
where torch has it), in alternating pairs; seconds per step and peak memory of every model from length 10 to 10,000; how
far scores after a few steps are from the CPU's; and how many cells an hour 1 to 16 that share the GPU get through.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.engines.devices import visible
from bench.engines.local import LocalEngine
from bench.records.job import Job, Surroundings
from bench.records.result import Result
from tests.performance import harness
from tests.performance.report import Figure, as_a_worker, heading

SCRIPT = "tests.performance.gpu"
TARGET = 1.00  # of the suite's step beside the plain loop's
TOLERANCE = 1e-3  # of a score after a few steps; see tests/bench/trial/test_gpu.py for why


@dataclass(frozen=True)
class Extent:
    """How much is measured. steps: (length, optimisation steps) of a timing; compared: length and steps of the cells
    that run on the CPU too; packed: (model, length) of the cells that share a GPU, `cells` of `packed_steps` steps for
    each of `counts` cells at a time."""

    models: Sequence[str]
    pairs: int
    steps: Sequence[tuple[int, int]]
    lengths: Sequence[int]
    length_steps: int
    compared: tuple[int, int]
    packed: Sequence[tuple[str, int]]
    packed_steps: int
    cells: int
    counts: Sequence[int]


FULL = Extent(
    models=harness.MODELS,
    pairs=5,
    steps=((10, 500), (100, 250), (1000, 50)),
    lengths=(10, 30, 100, 300, 1000, 3000, 10_000),
    length_steps=25,
    compared=(100, 20),
    packed=(("lstm", 100), ("transformer", 1000)),
    packed_steps=500,
    cells=32,
    counts=(1, 2, 4, 8, 16),
)
BRIEF = Extent(
    models=("lstm", "transformer"),
    pairs=1,
    steps=((4, 2),),
    lengths=(4,),
    length_steps=2,
    compared=(4, 2),
    packed=(("lstm", 4),),
    packed_steps=2,
    cells=2,
    counts=(1, 2),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; 2 where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    device: str = parser.parse_args(arguments).device

    import torch

    if device == "cuda" and not (torch.cuda.is_available() and visible()):
        print(
            f"{SCRIPT}: no NVIDIA GPU and torch with CUDA can be seen here. Run it where there is one.", file=sys.stderr
        )
        return 2
    extent = FULL if device == "cuda" else BRIEF
    print(heading(SCRIPT, torch.cuda.get_device_name() if device == "cuda" else "tried out on a CPU"), flush=True)
    steps(extent, device)
    lengths(extent, device)
    agreement(extent, device)
    throughput(extent, device)
    return 0


def surroundings(device: str) -> Surroundings:
    return Surroundings(accelerator="gpu" if device == "cuda" else "cpu")


def steps(extent: Extent, device: str) -> None:
    """The suite's step beside the plain loop's."""
    for length, count in extent.steps:
        for model in extent.models:
            found = harness.ratios(model, length, count, extent.pairs, device)
            print(Figure.median(f"{model} {length}: {harness.NAME}", found, TARGET), flush=True)


def measured(job: Job, device: str) -> Result:
    """A cell's result, in this process."""
    from bench.trial import trial

    result = trial.run(job, surroundings(device)).result
    if result.status not in ("ok", "out_of_memory"):
        raise RuntimeError(f"{result.cell.label} ended as {result.status}: {result.error}")
    return result


def lengths(extent: Extent, device: str) -> None:
    """Seconds per step and peak memory, as a cell's record states them."""
    for length in extent.lengths:
        for model in extent.models:
            result = measured(Job(harness.cell(model, length, extent.length_steps)), device)
            if result.steps_per_second is None or result.peak_memory_mb is None:
                print(f"{model} {length}: {result.status}", flush=True)
                continue
            seconds, peak = 1 / result.steps_per_second, result.peak_memory_mb
            print(f"{f'{model} {length}: per step, peak memory':<44} {seconds:8.4f} s {peak:10.1f} MB", flush=True)


def agreement(extent: Extent, device: str) -> None:
    """How far test scores are from the CPU's after a few steps, relative."""
    for model in extent.models:
        job = Job(harness.cell(model, *extent.compared))
        scores = [result.score for result in (measured(job, device), measured(job, "cpu"))]
        assert scores[0] is not None
        assert scores[1] is not None
        apart = abs(scores[0].score / scores[1].score - 1)
        print(Figure(f"{model}: score beside the CPU's, apart", apart, TOLERANCE), flush=True)


def throughput(extent: Extent, device: str) -> None:
    """Cells per hour of cells that share the GPU, and how many times as many as one at a time."""
    for model, length in extent.packed:
        alone = None
        for count in extent.counts:
            rate = cells_per_hour(model, length, count, extent, device)
            alone = alone or rate
            name = f"{model} {length}, {count} at a time: cells per hour"
            print(f"{name:<44} {rate:8.0f}   {rate / alone:.2f} times one at a time", flush=True)


def cells_per_hour(model: str, length: int, count: int, extent: Extent, device: str) -> float:
    """Of `count` worker processes on one GPU; they have loaded torch and CUDA before the clock starts."""
    warm, jobs = cells(model, length, 1, count), cells(model, length, extent.packed_steps, extent.cells)
    devices = visible()[:1] if device == "cuda" else []
    with LocalEngine(surroundings(device), workers=count, devices=devices) as engine:
        list(engine.run(warm))
        begun = time.perf_counter()
        results = [finished.result for finished in engine.run(jobs)]
        spent = time.perf_counter() - begun
    failed = [f"{result.status}: {result.error}" for result in results if result.status != "ok"]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(jobs)} cells failed; {failed[0]}")
    return 3600 * len(jobs) / spent


def cells(model: str, length: int, count: int, seeds: int) -> list[Job]:
    """Cells of `count` steps, as a sweep has them, probes included."""
    from bench.records.cell import Entry
    from bench.records.sweep import Sweep
    from bench.runner.plan import plan

    tasks, models = (Entry("adding"),), (Entry(model),)
    sweep = Sweep(tasks=tasks, models=models, lengths=(length,), seeds=tuple(range(seeds)), steps=count)
    return [Job(planned.cell) for planned in plan(sweep)]


if __name__ == "__main__":
    as_a_worker(SCRIPT)
    sys.exit(main())
