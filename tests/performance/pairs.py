"""Two checkouts of this project, measured alternately, pair by pair, each time in a fresh process."""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from bench.engines.local import ALLOCATOR
from reports.summary.statistics import t_interval

ROOT = Path(__file__).parents[2]
ROW_TARGET, MEAN_TARGET = 1.03, 1.02


@dataclass(frozen=True)
class Row:
    """Seconds of this checkout over those of the other, one ratio per pair."""

    name: str
    ratios: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The geometric mean of the ratios."""
        return math.exp(fmean(map(math.log, self.ratios)))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % t interval of the logarithms, as ratios."""
        low, high = t_interval(list(map(math.log, self.ratios)))
        return math.exp(low), math.exp(high)

    @property
    def holds(self) -> bool:
        """The interval reaches down to the target: this checkout may be as quick as that."""
        return self.interval[0] <= ROW_TARGET

    def __str__(self) -> str:
        low, high = self.interval
        verdict = "holds" if self.holds else "falls short"
        return f"{self.name:<44} {self.mean:8.3f} ({low:.3f} to {high:.3f})   reaches <= {ROW_TARGET:g}   {verdict}"


def parsed(parser: argparse.ArgumentParser, words: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments, --against among them: a checkout's path, or None. Bad ones end the program with one message."""
    parser.add_argument("--against", type=Path, metavar="DIR", help="compare with another checkout of this project")
    arguments = parser.parse_args(words)
    if arguments.against:
        arguments.against = arguments.against.resolve()
        if not (arguments.against / "bench" / "run.py").is_file():
            parser.error(f"--against: expected a checkout of this project, got {arguments.against} (no bench/run.py)")
        if arguments.pairs < 2:
            parser.error(f"--pairs: expected at least 2, got {arguments.pairs}: one pair has no interval")
    return arguments


def compare(pairs: int, rows: Sequence[tuple[str, Callable[[Path], float]]], other: Path) -> Iterator[str]:
    """A line for each row once it is measured, then the geometric mean of all.

    rows: name, and what measures it in a checkout, in seconds. other: the checkout to compare with.
    """
    means = []
    for name, measure in rows:
        ratios = []
        for pair in range(pairs):
            first, second = (ROOT, other) if pair % 2 else (other, ROOT)
            seconds = {checkout: measure(checkout) for checkout in (first, second)}
            ratios.append(seconds[ROOT] / seconds[other])
        row = Row(name, tuple(ratios))
        means.append(row.mean)
        yield str(row)
    mean = math.exp(fmean(map(math.log, means)))
    verdict = "holds" if mean <= MEAN_TARGET else "falls short"
    yield f"{'geometric mean of all rows':<44} {mean:8.3f}   target <= {MEAN_TARGET:g}   {verdict}"


def python(checkout: Path, *arguments: str, folder: Path | None = None) -> str:
    """What this interpreter prints on the modules of a checkout, with the memory allocator and one thread of a worker.

    Raises:
        RuntimeError: it fails.
    """
    environment = (
        os.environ | ALLOCATOR | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
    )
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder or checkout, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed in {checkout}:\n{done.stdout}{done.stderr}")
    return done.stdout
