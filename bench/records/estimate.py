"""Seconds that cells will take, learned from those that finished."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from itertools import islice
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING

from bench.records.cell import Cell
from bench.records.result import Result

if TYPE_CHECKING:
    from bench.records.job import Work

# Seconds of a default cell of another model ÷ the lstm's, 16,000 parameters, one core (medians over the default sweep
# and a smoke sweep of 2026-11-26). A model that does not stand here counts as `OTHER`.
BESIDE_LSTM = {
    "lstm": 1.0, "rnn": 1.1, "tcn": 1.1, "attention": 1.3, "indrnn": 1.5, "seq2seq": 1.5, "gru": 1.7, "mingru": 1.7,
    "lem": 2.0, "minlstm": 2.0, "lru": 2.2, "transformer": 2.2, "mamba": 6.0, "deltanet": 9.0,
}  # fmt: skip
OTHER = 1.5
# Seconds of an lstm's cell: START + steps · (STEP + length · (MOMENT + sequences · POSITION)) + length · HELD_OUT.
START, STEP, MOMENT, POSITION, HELD_OUT = 0.3, 1e-3, 8e-6, 2e-6, 2e-3

REMEMBERED = 400  # finished cells that are learned from: the last ones, because a machine may become slower or faster
ROUNDS = 8
ODD = math.log(3)  # a cell that took another multiple than this of what the others say counts no more than this
AGAINST = 2.0  # how many cells' worth of evidence for "as the machine" stands against what finished cells say of a kind

Factor = tuple[object, ...]


class Estimate:
    """Seconds that cells will take, learned from those that finished.

    A guess for each cell, times factors that finished cells teach: one of this machine, the median, and those of the
    cell's model, task and length, and of their pairs, whose logarithms are fitted by ridge regression, one after the
    other until they hold still. So a few cells of any kind say how fast the machine is, and many what each kind takes.

    A question takes as long as a cell of the asked length without training. trained: the cells whose models are asked,
    by key.
    """

    def __init__(self, trained: Mapping[str, Cell] = MappingProxyType({})) -> None:
        self._trained = trained
        self._seen: deque[tuple[tuple[Factor, ...], float]] = deque(maxlen=REMEMBERED)
        self._fitted: dict[Factor, float] | None = {}

    def learn(self, work: Work, seconds: float) -> None:
        """Learn from a finished cell or question, which took `seconds`."""
        cell = self._as_cell(work)
        self._seen.append((_factors(cell), math.log(max(seconds, 1e-3) / _guess(cell))))
        self._fitted = None

    def learn_from(self, results: Iterable[Result]) -> None:
        """Learn from stored results, the first that there are."""
        for result in islice(results, REMEMBERED):
            if result.seconds is not None:
                self.learn(result.cell, result.seconds.total)

    def seconds(self, work: Work) -> float:
        """Return the estimated seconds of a cell or a question."""
        cell = self._as_cell(work)
        if self._fitted is None:
            self._fitted = self._fit()
        return _guess(cell) * math.exp(sum(self._fitted.get(factor, 0.0) for factor in ((), *_factors(cell))))

    def _as_cell(self, work: Work) -> Cell:
        if isinstance(work, Cell):
            return work
        cell = self._trained[work.cell]
        return cell.model_copy(update={"length": work.length, "recipe": cell.recipe.model_copy(update={"steps": 0})})

    def _fit(self) -> dict[Factor, float]:
        """Return the logarithm of each factor; that of the machine is named ()."""
        machine = median(ratio for _, ratio in self._seen)
        left = [ratio - machine for _, ratio in self._seen]  # what the factors do not explain yet
        with_factor: dict[Factor, list[int]] = defaultdict(list)
        for number, (factors, _) in enumerate(self._seen):
            for factor in factors:
                with_factor[factor].append(number)
        fitted = dict.fromkeys(with_factor, 0.0)
        for _ in range(ROUNDS):
            for factor, numbers in with_factor.items():
                said = sum(min(ODD, max(-ODD, left[number])) for number in numbers)
                change = (said - AGAINST * fitted[factor]) / (len(numbers) + AGAINST)
                for number in numbers:
                    left[number] -= change
                fitted[factor] += change
        return fitted | {(): machine}


def _guess(cell: Cell) -> float:
    """Return the seconds of a cell on a machine that nothing is known of."""
    recipe, time = cell.recipe, cell.length
    training = recipe.steps * (STEP + time * (MOMENT + recipe.batch_size * POSITION))
    return BESIDE_LSTM.get(_name(cell.model), OTHER) * (START + training + time * HELD_OUT)


def _factors(cell: Cell) -> tuple[Factor, ...]:
    """Return what a cell's time may depend on, beside the machine."""
    task, model, length = cell.task, cell.model, cell.length
    kinds = ("model", _name(model)), ("task", _name(task)), ("length", length)
    return *kinds, (model, length), (model, task), (model, task, length)


def _name(entry: str) -> str:
    return entry.split(":")[0]


def duration(seconds: float) -> str:
    """Return seconds as text: in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
