"""What gradient flow costs beside training: `python -m tests.performance.probe [--tasks …] [--atlas]`.

Runs cells of the default sweep through their whole step budget, in this process and on one thread, and reads the
seconds each record keeps by part. At length 100 a cell's probes should take at most 5 % of the cell; at length 1000 the
probes of all five models together at most 5 % of their training together (an lstm trains so fast there that no single
cell's share is bounded). Jacobians are timed apart. `--atlas` times `--steps 0` over the whole default sweep.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time

from bench.records.job import Job
from bench.records.result import Seconds
from tests.performance.report import Figure, as_a_worker, heading

MODELS = ("rnn", "gru", "lstm", "attention", "transformer")
SHARE = 0.05
ATLAS_SECONDS = 90


def main() -> None:
    """Print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="copying,adding,running_average")
    parser.add_argument("--atlas", action="store_true")
    arguments = parser.parse_args()

    print(heading("tests.performance.probe"), flush=True)
    if arguments.atlas:
        print(Figure("atlas: --steps 0, 75 cells, default workers", atlas(), ATLAS_SECONDS, " s"), flush=True)
        return
    for task in arguments.tasks.split(","):
        for model in MODELS:
            spent = measured(task, model, 100)
            print(Figure(f"{task} {model} 100: probes / cell", spent.probe / spent.total, SHARE), flush=True)
        together = [measured(task, model, 1000) for model in MODELS]
        share = sum(spent.probe for spent in together) / sum(spent.train for spent in together)
        print(Figure(f"{task} 1000: probes / training, five models", share, SHARE), flush=True)
        jacobians = sum(spent.jacobian for spent in together) / sum(spent.train for spent in together)
        print(f"  beside them, Jacobians at initialisation and end: {jacobians:.3f} of training", flush=True)


def measured(task: str, model: str, length: int) -> Seconds:
    """The seconds of a cell that runs its whole step budget (it may not stop when solved)."""
    from bench.records.cell import Entry
    from bench.records.sweep import Sweep
    from bench.runner.plan import plan
    from bench.trial import build, machine, trial
    from bench.trial.recorder import Recorder

    (planned,) = plan(Sweep(tasks=(Entry(task),), models=(Entry(model),), lengths=(length,)))
    job = Job(planned.cell)
    built, module = build.prepare(job)
    built.solved_threshold = None
    recorder = Recorder(planned.cell.recipe, built)
    recorder.inspect(module)
    loop = trial.trainer(planned.cell.recipe, "cpu", recorder)
    with machine.quiet():
        loop.fit(module, datamodule=built)
        recorder.watch.enter("evaluation")
        loop.test(module, datamodule=built, verbose=False)
    recorder.inspect(module)
    recorder.snapshots.pictures(module)
    return recorder.watch.seconds()


def atlas() -> float:
    """Seconds of the whole command, start-up included."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.run", "--steps", "0", "--store", folder]
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun


if __name__ == "__main__":
    as_a_worker("tests.performance.probe")
    main()
