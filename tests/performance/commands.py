"""Commands that train nothing, beside those of another checkout: `python -m tests.performance.commands --against DIR`.

`--help`, `--dry-run` of the default sweep, and a re-run that finds everything stored, each from start to end of its
process; both checkouts alternately. Without --against, this checkout's own seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.performance.pairs import ROOT, compare, parsed, python

SWEEP = ("--budget", "smoke", "--tasks", "adding", "--models", "rnn", "--lengths", "10", "--wandb", "off")
COMMANDS = {
    "bench.run --help": ("--help",),
    "bench.run --dry-run": ("--dry-run",),
    "bench.run, all stored": SWEEP,
}


def main() -> None:
    """Print one line per command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    arguments = parsed(parser)
    other: Path | None = arguments.against
    with tempfile.TemporaryDirectory() as name:
        for checkout in filter(None, (ROOT, other)):
            seconds(checkout, SWEEP, Path(name))  # fills its store
        rows = [(title, timed(words, Path(name))) for title, words in COMMANDS.items()]
        if other:
            for line in compare(arguments.pairs, rows, other):
                print(line, flush=True)
        else:
            for title, measure in rows:
                print(f"{title:<44} {median(measure(ROOT) for _ in range(arguments.pairs)):8.3f} s", flush=True)


def timed(words: tuple[str, ...], folder: Path) -> Callable[[Path], float]:
    """What measures a command in a checkout."""
    return lambda checkout: seconds(checkout, words, folder)


def seconds(checkout: Path, words: tuple[str, ...], folder: Path) -> float:
    """Wall seconds of one process, in a folder of its checkout's own."""
    place = folder / ("this" if checkout == ROOT else "other")
    place.mkdir(exist_ok=True)
    begun = time.perf_counter()
    python(checkout, "-m", "bench.run", *words, folder=place)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
