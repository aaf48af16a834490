"""Learning rates that cannot win are stopped early (`--halving`): all others go on, to the end of their own schedule.

Every rate of a setting (task, model, length, seeds, and all else of the recipe) is paused at a quarter and at half of
its steps, where its validation is a `Rung`. It is stopped there if every seed of it diverged, or is beaten by another
rate that learned: one above chance, and better by more than the intervals of both. Where all rates are at chance, all
go on: a rate may rest on a plateau and solve the task afterwards. A rate that is not stopped goes on from its
checkpoint, and its cell is bit-equal to one that was never paused. Source of the idea: Karnin, Koren & Somekh 2013;
Jamieson & Talwalkar 2016.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from bench.records.cell import Cell
from bench.records.recipe import Recipe
from bench.records.result import Result
from bench.records.rung import Rung, name
from bench.store import Store

PARTS = (4, 2)  # a rate is paused at a quarter, then at half of its steps


class Standing(NamedTuple):
    """What is known of a cell's validation score. low, high: its interval, in the task's unit; above: whether it is
    above chance; lost: it diverged."""

    low: float
    high: float
    above: bool
    higher_is_better: bool
    lost: bool = False

    def beats(self, other: Standing) -> bool:
        """Return whether this score is above chance, and better by more than both intervals."""
        if self.lost or not self.above:
            return False
        return other.lost or (self.low > other.high if self.higher_is_better else self.high < other.low)


LOST = Standing(0.0, 0.0, False, True, lost=True)


def pause(recipe: Recipe, level: int) -> int | None:
    """Return the step of a rung: the validation at or after its part of the steps; None where that is the end."""
    every = recipe.evaluate_every
    step = math.ceil(recipe.steps / PARTS[level] / every) * every
    return step if step < recipe.steps else None


def stopped(cells: Iterable[Cell], store: Store) -> dict[str, int]:
    """Return the cells that need not go on, by key, each with the step at which its rate was stopped."""
    settings: dict[str, dict[float, list[Cell]]] = {}
    for cell in cells:
        rates = settings.setdefault(_setting(cell), {})
        rates.setdefault(cell.recipe.learning_rate, []).append(cell)
    out: dict[str, int] = {}
    for rates in settings.values():
        for level in range(len(PARTS)):
            for rate in _dropped(rates, level, store):
                out |= {cell.key: step for cell in rates.pop(rate) if (step := pause(cell.recipe, level)) is not None}
    return {key: step for key, step in out.items() if not store.has(key)}


def due(cells: Iterable[Cell], level: int, store: Store) -> dict[str, int]:
    """Return the cells that must come to their rung of a level, by key, each with the step of it."""
    paused = ((cell, pause(cell.recipe, level)) for cell in cells if not store.has(cell.key))
    return {cell.key: step for cell, step in paused if step and not store.holds("rungs", name(cell, step))}


def _setting(cell: Cell) -> str:
    """Return what cells of one setting have in common, whatever their seed and rate."""
    recipe = cell.recipe.model_copy(update={"learning_rate": 1.0})
    return cell.model_copy(update={"seed": 0, "recipe": recipe}).key


def _dropped(rates: dict[float, list[Cell]], level: int, store: Store) -> list[float]:
    """Return the rates that are stopped at a level."""
    standings = {rate: {cell.seed: _standing(cell, level, store) for cell in cells} for rate, cells in rates.items()}
    return [
        rate
        for rate, seeds in standings.items()
        if all(
            own is not None
            and (own.lost or any(_beats(others.get(seed), own) for at, others in standings.items() if at != rate))
            for seed, own in seeds.items()
        )
        and not all(own is not None and own.lost for own in seeds.values())  # these have their answers
    ]


def _beats(one: Standing | None, two: Standing) -> bool:
    return one is not None and one.beats(two)


def _standing(cell: Cell, level: int, store: Store) -> Standing | None:
    """Return how a cell stands at a level; None where that is not known."""
    step = pause(cell.recipe, level)
    rung = None if step is None else store.held("rungs", name(cell, step))
    if not isinstance(rung, Rung):
        result = store.answer(cell.key)
        return None if result is None else _ended(result)
    interval = rung.score.interval or (rung.score.score, rung.score.score)
    return Standing(*interval, not rung.score.at_chance, rung.score.higher_is_better)


def _ended(result: Result) -> Standing | None:
    """Return how a cell stands that came to its end before its rung: solved, diverged, or measured without halving.

    Its validation's interval is not in its record: where it is solved, its score is at least the threshold; else
    nothing can be said.
    """
    if result.status == "diverged":
        return LOST
    score = result.score
    if score is None or score.solved_threshold is None or result.solved_at_step is None:
        return None
    return Standing(score.solved_threshold, score.solved_threshold, True, score.higher_is_better)
