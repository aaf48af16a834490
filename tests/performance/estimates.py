"""How well the time that is left was known: `python -m tests.performance.estimates STORE`.

Goes through a store's cells in the order in which they began, and prints the estimated seconds of all later cells ÷ the
seconds that they took, after so many cells. A slow machine: `taskset -c 0 python -m bench.run … --workers 2`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.records.estimate import Estimate
from bench.records.result import Result
from bench.store import Store
from tests.performance.report import heading

AFTER = (0, 3, 5, 10, 15, 20, 30, 50, 100, 200)
WITHIN = 0.3  # of what was left, once ten cells have ended


def main() -> None:
    """Print one line per number of finished cells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    results = Store(parser.parse_args().store).results()
    print(heading("tests.performance.estimates"))
    for count, ratio in ratios([one for one in results if one.seconds and one.provenance]):
        holds = "" if count < 10 else "   holds" if abs(ratio - 1) <= WITHIN else "   falls short"
        print(f"after {count:3} cells: estimated / taken, all later cells   {ratio:.2f}{holds}")


def ratios(results: Sequence[Result]) -> list[tuple[int, float]]:
    """Return estimated ÷ taken seconds of all later cells, after some numbers of cells."""
    ordered = sorted(results, key=lambda one: one.provenance.started if one.provenance else "")
    taken = [one.seconds.total if one.seconds else 0.0 for one in ordered]
    estimate, found = Estimate(), []
    for count, one in enumerate(ordered):
        if count in AFTER:
            found.append((count, sum(estimate.seconds(later.cell) for later in ordered[count:]) / sum(taken[count:])))
        estimate.learn(one.cell, taken[count])
    return found


if __name__ == "__main__":
    main()
