"""What `--halving` saves and what it risks, beside the whole grid: `python -m tests.performance.halving [--quick]`.

Both are run one after the other on adding and copying, the tasks with plateaus. For each task, model and length: the
rate that each chooses on validation (the best median over seeds), its median validation score, and the share of the
grid's steps and seconds that halving took.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.records.result import Result
from bench.records.rung import Rung
from bench.run import main as run
from bench.store import Store
from tests.performance.report import heading

GRID = ["--tasks", "adding,copying", "--models", "gru,lstm", "--lengths", "10,30", "--seeds", "0,1"]
GRID += ["--learning-rates", "1e-3,3e-3,1e-2,3e-2", "--wandb", "off", "--workers", "1"]
QUICK = ["--tasks", "adding", "--models", "rnn", "--lengths", "4", "--seeds", "0", "--steps", "40", "--hidden", "4"]
QUICK += ["--learning-rates", "1e-5,1e-2", "--wandb", "off"]
Setting = tuple[str, str, int]


class Chosen(NamedTuple):
    """The rate of a setting, its median validation score and the steps that solved, and what the grid took."""

    rate: float
    validation: float
    steps: int
    seconds: float


def main(words: Sequence[str] | None = None) -> None:
    """Print one line per setting, and the whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small setting: only tries it out")
    grid = QUICK if parser.parse_args(words).quick else GRID
    with tempfile.TemporaryDirectory() as name:
        stores = [Path(name) / "whole", Path(name) / "halving"]
        for store, more in zip(stores, ([], ["--halving"]), strict=True):
            assert run([*grid, *more, "--store", str(store)]) == 0
        whole, halved = (dict(chosen(Store(store))) for store in stores)
    print(heading("tests.performance.halving"))
    for setting, by_grid in whole.items():
        print(line(setting, by_grid, halved[setting]))
    for what in ("steps", "seconds"):
        took = [sum(getattr(each, what) for each in every.values()) for every in (halved, whole)]
        print(f"all: {what} {took[0] / took[1]:.2f} of the whole grid's")


def line(setting: Setting, whole: Chosen, halved: Chosen) -> str:
    """Describe one setting."""
    task, model, length = setting
    same = "the same rate" if whole.rate == halved.rate else "ANOTHER RATE"
    return (
        f"{task:<10} {model:<5} T={length:<4} grid {whole.rate:g} ({whole.validation:.4g})  halving {halved.rate:g} "
        f"({halved.validation:.4g})  {same}  steps {halved.steps / whole.steps:.2f}"
    )


def chosen(store: Store) -> Iterator[tuple[Setting, Chosen]]:
    """Yield the choice of every setting in a store."""
    results = [result for result in store.results() if result.score is not None]
    for setting in dict.fromkeys(map(_setting, results)):
        own = [result for result in results if _setting(result) == setting]
        rates = {result.cell.recipe.learning_rate for result in own}
        better = max if own[0].score and own[0].score.higher_is_better else min
        rate = better(rates, key=lambda rate: _validation(own, rate))
        ended = {result.cell.key for result in own}
        rungs = [each for each in store.kept("rungs") if isinstance(each, Rung) and _of(each, setting)]
        last = {each.cell.key: each for each in sorted(rungs, key=lambda each: each.step) if each.cell.key not in ended}
        yield (
            setting,
            Chosen(
                rate,
                _validation(own, rate),
                sum(result.steps for result in own) + sum(each.step for each in last.values()),
                sum(result.seconds.total for result in own if result.seconds)
                + sum(each.seconds or 0.0 for each in last.values()),
            ),
        )


def _setting(result: Result) -> Setting:
    return result.cell.task, result.cell.model, result.cell.length


def _of(rung: Rung, setting: Setting) -> bool:
    return (rung.cell.task, rung.cell.model, rung.cell.length) == setting


def _validation(results: Sequence[Result], rate: float) -> float:
    scores = [each.score for each in results if each.cell.recipe.learning_rate == rate]
    return median(score.validation_score for score in scores if score and score.validation_score is not None)


if __name__ == "__main__":
    main()
