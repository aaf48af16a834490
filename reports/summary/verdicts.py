"""Published numbers beside ours: a verdict for every claim of a paper."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from bench.records.paper import Claim, Paper
from bench.records.result import Result
from bench.records.row import row
from reports.summary import statistics
from reports.summary.group import ENOUGH_FOR_T, Group
from reports.summary.grouping import groups

Label = Callable[[Claim], tuple[str, str]]  # a claim -> its task and model as records name them

# In the order in which they are looked for.
VERDICTS = {
    "not run here": "no result of this cell is stored",
    "reproduced": "our interval holds the published number, or meets its own",
    "not at this budget": "ours merely equals chance, and the published number does not",
    "better": "ours lies beyond the published number, on the better side",
    "order reproduced": "another number, but the models of this row come in the published order",
    "contradicted": "another number, and another order",
}
LOWER_IS_BETTER = frozenset({"solved_at_step"})
NEAR = 0.02  # of the way from chance to the best: a published number so near to chance equals it


@dataclass(frozen=True)
class Ours:
    """What was measured of a claim's quantity: its value and bounds, over n seeds. higher_is_better: None: unknown."""

    value: float
    low: float
    high: float
    n: int
    chance: float | None
    equals_chance: bool
    higher_is_better: bool | None

    def holds(self, claim: Claim) -> bool:
        """Whether the interval meets the published one."""
        spread = claim.spread or 0.0
        return self.low <= claim.value + spread and claim.value - spread <= self.high

    def better_than(self, claim: Claim) -> bool:
        """Whether the whole interval lies on the better side of the published one."""
        spread = claim.spread or 0.0
        if self.higher_is_better is None:
            return False
        return self.low > claim.value + spread if self.higher_is_better else self.high < claim.value - spread


@dataclass(frozen=True)
class Verdict:
    """A claim, what was measured of it, and one of `VERDICTS`. equals_chance: the published number itself does."""

    claim: Claim
    ours: Ours | None
    word: str
    equals_chance: bool


def verdicts(paper: Paper, results: Iterable[Result], label: Label) -> list[Verdict]:
    """Hold every claim of a paper against results of its sweeps."""
    made = groups(results)
    measured = [_ours(claim, *label(claim), made) for claim in paper.claims]
    ordered = _ordered(paper.claims, measured)
    return [
        Verdict(claim, ours, _word(claim, ours, ordered), _at_chance(claim, ours))
        for claim, ours in zip(paper.claims, measured, strict=True)
    ]


def _ours(claim: Claim, task: str, model: str, made: Sequence[Group]) -> Ours | None:
    """Return the claim's quantity as the seeds of its cell measured it, at the rate chosen on validation."""
    named = (task, model, claim.length)
    group = next((g for g in made if (g.identity.task, g.identity.model, g.identity.length) == named and g.n), None)
    if group is None or group.reference is None:
        return None
    score = claim.quantity == "score"
    higher = group.reference.higher_is_better if score else False if claim.quantity in LOWER_IS_BETTER else None
    if score and group.score is not None:
        low, high = group.interval[:2] if group.interval else (group.score, group.score)
        return Ours(group.score, low, high, group.n, group.reference.chance, group.equals_chance, higher)
    values = [_number(row(result).get(claim.quantity), claim.quantity) for result in group.answered]
    if not values or any(map(math.isnan, values)):
        return None
    if len(values) < ENOUGH_FOR_T or math.inf in values:
        return Ours(median(values), min(values), max(values), group.n, None, False, higher)
    return Ours(fmean(values), *statistics.t_interval(values), group.n, None, False, higher)


def _number(value: object, quantity: str) -> float:
    """Read a number of a record; a step that was never reached is infinite, what is no number is none."""
    if value is None and quantity in LOWER_IS_BETTER:
        return math.inf
    return float(value) if isinstance(value, int | float) else math.nan


def _ordered(claims: Sequence[Claim], measured: Sequence[Ours | None]) -> set[tuple[str, int, str]]:
    """Name the rows (task, length, quantity) of two models or more that came out in the published order."""
    rows: dict[tuple[str, int, str], list[tuple[float, Ours | None]]] = {}
    for claim, ours in zip(claims, measured, strict=True):
        rows.setdefault((claim.task, claim.length, claim.quantity), []).append((claim.value, ours))
    return {
        name
        for name, pairs in rows.items()
        if len(pairs) > 1 and all(ours is not None for _, ours in pairs) and _same_order(pairs)
    }


def _same_order(pairs: Sequence[tuple[float, Ours | None]]) -> bool:
    values = [ours.value for _, ours in sorted(pairs, key=lambda pair: pair[0]) if ours is not None]
    return all(a < b for a, b in pairwise(values))


def _word(claim: Claim, ours: Ours | None, ordered: set[tuple[str, int, str]]) -> str:
    if ours is None:
        return "not run here"
    if ours.holds(claim):
        return "reproduced"
    if ours.equals_chance and not _at_chance(claim, ours):
        return "not at this budget"
    if ours.better_than(claim):
        return "better"
    return "order reproduced" if (claim.task, claim.length, claim.quantity) in ordered else "contradicted"


def _at_chance(claim: Claim, ours: Ours | None) -> bool:
    """Whether the published number is no better than the trivial baseline."""
    if ours is None or ours.chance is None:
        return False
    return abs(claim.value - ours.chance) <= max(claim.spread or 0.0, NEAR * abs(ours.chance) or NEAR)


def counted(made: Sequence[Verdict]) -> str:
    """Count verdicts by word, in one line."""
    counts = Counter(verdict.word for verdict in made)
    return ", ".join(f"{counts[word]} {word}" for word in VERDICTS if counts[word])
