"""How much of the machine a training step uses: `python -m tests.performance.flops [--quick]`.

For each model and length of the default sweep, one thread: FLOP/s of the matrix products of a step, forward and
backward apart, as a share of what a product of two 1,024² matrices reaches in the same process; and what the time goes
to, from torch's profiler: products, functions of single numbers (and copies), and the rest, which is calls and Python.

Products are counted by torch's counter on the step-by-step unroll, where each is an operation of its own: of a model
that carries a state over `COUNTED` steps, because their number grows with T, else over all steps, there with whole T²
scores where half of them is looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from tests.performance.report import as_a_worker, clock, heading

SCRIPT = "tests.performance.flops"
MODELS = ("rnn", "gru", "lstm", "attention", "transformer")
LENGTHS = (10, 100, 1000)
COUNTED, REPEATS, SIZE = 10, 7, 1024
PRODUCTS = (
    "mm",
    "addmm",
    "addmm_",
    "bmm",
    "baddbmm",
    "mkldnn_rnn_layer",
    "mkldnn_rnn_layer_backward",
    "linear",
    "attention",
)


def main(words: Sequence[str] | None = None) -> None:
    """Print one line per model and length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one length, two models: only tries the script out")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--task", default="adding")
    arguments = parser.parse_args(words)
    print(heading(SCRIPT), flush=True)
    reference = product()
    print(f"a product of two {SIZE}² matrices: {reference / 1e9:.1f} GFLOP/s")
    print(
        f"{'model':<12} {'T':>5}  forward backward   products  single numbers  rest   (shares of the product; of time)"
    )
    for name in ("rnn", "transformer") if arguments.quick else arguments.models.split(","):
        for length in (10,) if arguments.quick else LENGTHS:
            forward, backward, where = measured(arguments.task, name, length)
            shares = "  ".join(f"{share:8.2f}" for share in where)
            print(
                f"{name:<12} {length:>5}  {forward / reference:7.3f} {backward / reference:8.3f}  {shares}", flush=True
            )


def product() -> float:
    """FLOP/s of a product of two large square matrices."""
    import torch

    one = torch.randn(SIZE, SIZE)
    return 2 * SIZE**3 / _least(lambda: one @ one)


def measured(task: str, name: str, length: int) -> tuple[float, float, tuple[float, float, float]]:
    """FLOP/s forward and backward of a training step, and the shares of its time: products, single numbers, rest."""
    import torch

    model, batch = _built(task, name, length)

    def loss() -> Any:
        return model.spec.objective.loss(model(batch), batch)

    forward, backward = [], []
    for _ in range(REPEATS):
        begun = clock()
        made = loss()
        between = clock()
        made.backward()
        forward.append(between - begun)
        backward.append(clock() - between)
    counted = [len(batch) * each for each in counts(task, name, length)]
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        begun = clock()
        loss().backward()
        took = clock() - begun
    return counted[0] / median(forward), counted[1] / median(backward), _where(profile, took)


def counts(task: str, name: str, length: int) -> tuple[float, float]:
    """FLOPs of the matrix products of a step for each sequence, forward and backward."""
    from torch.utils.flop_counter import FlopCounterMode

    carries = _built(task, name, COUNTED)[0].recurrence is not None
    model, batch = _built(task, name, COUNTED if carries else length)
    scale = (length / COUNTED if carries else 1.0) / len(batch)
    with FlopCounterMode(display=False) as counter:
        x = model.embedding(batch.inputs)
        features, _ = model.states(x, batch.reads)
        loss = model.spec.objective.loss(model.decode(features, batch), batch)
        forward = counter.get_total_flops()
        loss.backward()
        return forward * scale, (counter.get_total_flops() - forward) * scale


def _built(task: str, name: str, length: int) -> tuple[Any, Any]:
    """A model of the quick budget's size, and a training batch of the default sweep's size."""
    from bench.records.entry import Entry
    from bench.records.job import Job
    from bench.records.sweep import Sweep
    from bench.runner.plan import plan
    from bench.trial.build import prepare

    (planned,) = plan(Sweep(tasks=(Entry(task),), models=(Entry.parse(name),), lengths=(length,)))
    built, model = prepare(Job(planned.cell))
    return model, built.training_batch(0)


def _where(profile: Any, took: float) -> tuple[float, float, float]:
    """Shares of the time of matrix products, of all other operations, and of what is no operation."""
    inside = dict.fromkeys((True, False), 0.0)
    for event in profile.key_averages():
        kind = event.key.removeprefix("aten::")
        if event.key.startswith("aten::") and event.self_cpu_time_total:
            inside[kind in PRODUCTS or "attention" in kind] += event.self_cpu_time_total / 1e6
    total = max(took, sum(inside.values()))
    return inside[True] / total, inside[False] / total, 1 - sum(inside.values()) / total


def _least(run: Callable[[], Any]) -> float:
    times = []
    for _ in range(REPEATS):
        begun = clock()
        run()
        times.append(clock() - begun)
    return min(times)


if __name__ == "__main__":
    as_a_worker(SCRIPT)
    main()
