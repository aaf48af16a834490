"""Long cells whose runner is killed again and again: `python -m tests.reliability.resumes [KILLS]`.

One command with checkpoints every tenth of a second is ended by kill −9, parent or worker, at random times, until it
gets through; its records must be those of a run that nobody disturbed, but for time and memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.store import Store
from tests.reliability.runners import ROOT, children, running

ASKED = "--tasks adding --models rnn,gru,lstm --lengths 60 --seeds 0,1 --steps 3000 --batch-size 8 --hidden 24"
MEASURED = {"seconds", "steps_per_second", "peak_memory_mb", "provenance"}


@dataclass
class Resumed:
    """resumptions: cells that went on in the middle. changed: records or weights that are not the undisturbed run's."""

    kills: int = 0
    resumptions: int = 0
    lost: int = 0
    changed: int = 0
    failures: int = 0
    checkpoints_left: int = 0

    @property
    def clean(self) -> bool:
        return not (self.lost or self.changed or self.failures or self.checkpoints_left)


def start(store: Path, every: float) -> subprocess.Popen[str]:
    options = f"{ASKED} --workers 2 --accelerator cpu --wandb off --checkpoint-every {every} --store {store}"
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


def campaign(folder: Path, kills: int, seed: int = 0) -> Resumed:
    chance, seen = random.Random(seed), Resumed()
    start(folder / "undisturbed", 0).communicate()
    expected = records(folder / "undisturbed")
    while seen.kills < kills:
        store = folder / f"killed-{seen.kills}"
        while not through(store, chance, seen, disturbed=seen.kills < kills):
            pass
        got = records(store)
        seen.lost += len(expected) - len(got)
        seen.changed += sum(got.get(name) != record for name, record in expected.items())
        seen.failures += len(list((store / "failures").glob("[!.]*")))
        seen.checkpoints_left += len(list((store / "checkpoints").glob("[!.]*")))
    return seen


def through(store: Path, chance: random.Random, seen: Resumed, *, disturbed: bool) -> bool:
    """Start the command and perhaps kill it; whether it came to its end."""
    with start(store, 0.1) as run:
        if disturbed:
            disturb(run, store, chance, seen)
        seen.resumptions += run.communicate()[0].count("goes on from step")
        return run.returncode == 0


def disturb(run: subprocess.Popen[str], store: Path, chance: random.Random, seen: Resumed) -> None:
    """Kill the command, or one of its workers and then the command, once some cell has a checkpoint of this run."""
    begun = time.time()
    while run.poll() is None and not any(written > begun for written in times(store / "checkpoints")):
        time.sleep(0.02)
    time.sleep(chance.uniform(0, 3))
    workers = children(run.pid)[1:]  # the first child is multiprocessing's own tracker
    for process in ([chance.choice(workers)] if workers and chance.random() < 0.5 else []) + [run.pid]:
        if running(process):
            os.kill(process, signal.SIGKILL)
            seen.kills += 1
            time.sleep(chance.uniform(0, 5))


def times(folder: Path) -> list[float]:
    """When the checkpoints that are there were written."""
    found = []
    for path in folder.glob("[!.]*.pt"):
        with contextlib.suppress(FileNotFoundError):
            found.append(path.stat().st_mtime)
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        tally = campaign(Path(place), int(sys.argv[1]) if len(sys.argv) > 1 else 20)
    print(json.dumps(asdict(tally)))
    sys.exit(not tally.clean)
