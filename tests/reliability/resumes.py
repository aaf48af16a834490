"""Long cells whose runners are killed again and again: `python -m tests.reliability.resumes [KILLS [RUNNERS]]`.

One command with checkpoints every tenth of a second, given RUNNERS times at once on one store, is ended by kill −9,
parent or worker, at random times, and given again until all come through; the records must be those of a run that
nobody disturbed, but for time and memory.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.store import Store
from tests.reliability.runners import ROOT, children, kill

ASKED = "--tasks adding --models rnn,gru,lstm --lengths 60 --seeds 0,1 --steps 3000 --batch-size 8 --hidden 24"
WORKERS = 2
KILLS_PER_SWEEP = 6
MEASURED = {"seconds", "steps_per_second", "peak_memory_mb", "provenance"}


@dataclass
class Resumed:
    """resumptions: cells that went on in the middle. changed: records or weights that are not the undisturbed run's.
    failures: failed cells, and runners that ended with another exit code than 0. left: checkpoints, corrupt files and
    runners' marks at the end."""

    kills: int = 0
    resumptions: int = 0
    lost: int = 0
    changed: int = 0
    failures: int = 0
    left: int = 0

    @property
    def clean(self) -> bool:
        return not (self.lost or self.changed or self.failures or self.left)


def start(store: Path, every: float, workers: int = 2) -> subprocess.Popen[str]:
    options = f"{ASKED} --workers {workers} --accelerator cpu --wandb off --checkpoint-every {every} --store {store}"
    command = [sys.executable, "-m", "bench.run", *options.split()]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def records(folder: Path) -> dict[str, dict[str, Any]]:
    found = (result.model_dump(mode="json") for result in Store(folder).answers())
    return {
        f"{record['cell']['model']} {record['cell']['seed']}": {
            name: value for name, value in record.items() if name not in MEASURED
        }
        for record in found
    }


def campaign(folder: Path, kills: int, runners: int = 1, seed: int = 0) -> Resumed:
    """Sweeps, undisturbed by others but by six kills each, until there were `kills`."""
    chance, seen = random.Random(seed), Resumed()
    start(folder / "undisturbed", 0).communicate()
    expected = records(folder / "undisturbed")
    while seen.kills < kills:
        store = folder / f"killed-{seen.kills}"
        through(store, min(kills, seen.kills + KILLS_PER_SWEEP), runners, chance, seen)
        got = records(store)
        seen.lost += len(expected) - len(got)
        seen.changed += sum(got.get(name) != record for name, record in expected.items())
        seen.failures += len(list((store / "failures").glob("[!.]*")))
        seen.left += sum(len(list((store / name).glob("[!.]*"))) for name in ("checkpoints", "running", "corrupt"))
    return seen


def through(store: Path, kills: int, runners: int, chance: random.Random, seen: Resumed) -> None:
    """One sweep to its end, with kills until there were so many; every runner that is killed is started again."""
    workers = max(1, WORKERS // runners)
    herd = [start(store, 0.1, workers) for _ in range(runners)]
    while seen.kills < kills and not all(run.poll() is not None for run in herd):
        at_work = runner_with_a_checkpoint(store, herd)
        time.sleep(chance.uniform(0, 1.5))
        for index, run in enumerate(herd):
            if run.pid == at_work and run.poll() is None:
                disturb(run, chance, seen)
                end(run, seen)
                herd[index] = start(store, 0.1, workers)
    for run in herd:
        seen.failures += end(run, seen) != 0


def end(run: subprocess.Popen[str], seen: Resumed) -> int:
    """The exit code of a command that ends or was killed."""
    seen.resumptions += run.communicate()[0].count("goes on from step")
    return run.returncode


def runner_with_a_checkpoint(store: Path, herd: list[subprocess.Popen[str]]) -> int | None:
    """The process whose cell has a checkpoint that is younger than this call; None: nobody is left to write it."""
    begun = time.time()
    while any(run.poll() is None for run in herd):
        for path in (store / "checkpoints").glob("[!.]*.pt"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime > begun:
                    return int((store / "leases" / path.stem).read_text().split("-")[1])
        time.sleep(0.02)
    return None


def disturb(run: subprocess.Popen[str], chance: random.Random, seen: Resumed) -> None:
    """Kill a runner, or one of its workers and then the runner."""
    workers = children(run.pid)[1:]  # the first child is multiprocessing's own tracker
    if workers and chance.random() < 0.5:
        kill(chance.choice(workers), seen)
        time.sleep(chance.uniform(0, 4))
    kill(run.pid, seen)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        tally = campaign(Path(place), *(map(int, sys.argv[1:] or ["20"])))
    print(json.dumps(asdict(tally)))
    sys.exit(not tally.clean)
