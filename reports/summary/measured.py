"""What was measured of a published quantity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from bench.records.errors import UsageError
from bench.records.paper import Claim
from bench.records.reading import Reading
from bench.records.recipe import as_text
from bench.records.result import Result, Score
from bench.records.row import COLUMNS, row
from reports.summary import statistics
from reports.summary.group import ENOUGH_FOR_T, Group, Interval

LOWER_IS_BETTER = frozenset({"solved_at_step", "cross_entropy", "error", "mean_squared_error", "bits_per_character"})
HIGHER_IS_BETTER = frozenset({"exact"})


@dataclass(frozen=True)
class Ours:
    """What was measured of a claim's quantity: its value and bounds, over n seeds. equals_chance: it does, or the steps
    end before the published one. higher_is_better: None: unknown."""

    value: float
    low: float
    high: float
    n: int
    chance: float | None
    equals_chance: bool
    higher_is_better: bool | None

    def holds(self, claim: Claim) -> bool:
        """Whether the interval meets the published one; a step that the median seed never reached meets none."""
        spread = claim.spread or 0.0
        return math.isfinite(self.value) and self.low <= claim.value + spread and claim.value - spread <= self.high

    def better_than(self, claim: Claim) -> bool:
        """Whether the whole interval lies on the better side of the published one."""
        spread = claim.spread or 0.0
        if self.higher_is_better is None:
            return False
        return self.low > claim.value + spread if self.higher_is_better else self.high < claim.value - spread

    @property
    def mirrored(self) -> Ours:
        """The error, 1 − value, of what is an accuracy."""
        chance = None if self.chance is None else 1 - self.chance
        return Ours(1 - self.value, 1 - self.high, 1 - self.low, self.n, chance, self.equals_chance, False)


def measured(
    claim: Claim, task: str, model: str, made: Sequence[Group], readings: Sequence[Reading] = ()
) -> Ours | None:
    """Return the claim's quantity as the seeds of its cell measured it, at the rate chosen on validation; None: not.

    task, model: as records name them. Of several groups that differ in device or versions alone, the one with most
    seeds counts.

    Raises:
        UsageError: the results have no such quantity.
    """
    named = (task, model, claim.length)
    fitting = [
        group
        for group in made
        if (group.identity.task, group.identity.model, group.identity.length) == named
        and group.n
        and group.reference is not None
        and _has(group, claim)
    ]
    if not fitting:
        return None
    group = max(fitting, key=lambda group: group.n)
    return _of_cells(claim, group) if claim.tested in (None, claim.length) else _of_readings(claim, group, readings)


def _has(group: Group, claim: Claim) -> bool:
    """Whether the recipe of a group is the one that a claim is about; the rate is chosen within a group."""
    recipe = dict(group.identity.recipe)
    return all(as_text(recipe[name]) == as_text(value) for name, value in claim.recipe.items())


def _of_cells(claim: Claim, group: Group) -> Ours | None:
    reference = group.reference
    assert reference is not None
    if claim.quantity in ("score", "error", reference.metric):
        if group.score is None:
            return None
        interval = group.interval or Interval(group.score, group.score, "range")
        low, high = interval[:2]
        higher = reference.higher_is_better
        ours = Ours(group.score, low, high, group.n, reference.chance, group.equals_chance, higher)
        return ours.mirrored if _is_error(claim, reference) else ours
    values = [_quantity(result, claim) for result in group.answered]
    at_chance = group.equals_chance and claim.quantity not in COLUMNS  # a step, say, has no chance of its own
    found = _of_values(claim, values, at_chance)
    if found is not None and found.high == math.inf and group.step_budget < claim.value:
        return replace(found, equals_chance=True)
    return found


def _of_readings(claim: Claim, group: Group, readings: Sequence[Reading]) -> Ours | None:
    """Return the claim's quantity as the models of a group answered at the tested length."""
    keys = {result.cell.key for result in group.seeds}
    scores = [
        reading.score
        for reading in readings
        if reading.score is not None and reading.question.cell in keys and reading.question.length == claim.tested
    ]
    if not scores:
        return None
    plain = claim.quantity in ("score", "error", scores[0].metric)
    values = [score.score if plain else _extra(score, claim) for score in scores]
    ours = _of_values(claim, values, all(score.at_chance for score in scores))
    if ours is None or not plain:
        return ours
    scored = replace(ours, chance=scores[0].chance, higher_is_better=scores[0].higher_is_better)
    return scored.mirrored if _is_error(claim, scores[0]) else scored


def _of_values(claim: Claim, values: Sequence[float], equals_chance: bool) -> Ours | None:
    """Return what the values of some seeds say: mean and t interval of five or more, else median and range."""
    if not values or any(map(math.isnan, values)):
        return None
    higher = True if claim.quantity in HIGHER_IS_BETTER else False if claim.quantity in LOWER_IS_BETTER else None
    if len(values) < ENOUGH_FOR_T or math.inf in values:
        return Ours(median(values), min(values), max(values), len(values), claim.chance, equals_chance, higher)
    return Ours(fmean(values), *statistics.t_interval(values), len(values), claim.chance, equals_chance, higher)


def _is_error(claim: Claim, score: Score) -> bool:
    """Whether a claim is about the error of an accuracy.

    Raises:
        UsageError: it is about an error, and the score is no accuracy.
    """
    if claim.quantity == "error" and not (score.higher_is_better and score.best == 1):
        raise UsageError(
            f"the claim {claim.where!r}: quantity 'error' is 1 − an accuracy, and the score of {claim.task} is "
            f'{score.metric}. Write quantity = "score".'
        )
    return claim.quantity == "error"


def _quantity(result: Result, claim: Claim) -> float:
    """Read a number of a record; a step that was never reached is infinite, what diverged has none."""
    columns = row(result)
    if claim.quantity not in columns:
        return math.nan if result.score is None else _extra(result.score, claim)
    value = columns[claim.quantity]
    if value is None and claim.quantity == "solved_at_step":
        return math.inf
    return float(value) if isinstance(value, int | float) else math.nan


def _extra(score: Score, claim: Claim) -> float:
    """Read an extra of a score.

    Raises:
        UsageError: it has none of this name.
    """
    if claim.quantity not in score.extras:
        known = ", ".join(("score", score.metric, "error", *score.extras))
        raise UsageError(
            f"the claim {claim.where!r}: no quantity {claim.quantity!r} of {claim.task}. Known: {known}; or a column "
            f"of bench.load."
        )
    return score.extras[claim.quantity]
