"""Published numbers beside ours: a verdict for every claim of a paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.records.paper import Claim, Paper
from bench.records.reading import Reading
from bench.records.result import Result
from reports.summary.grouping import groups
from reports.summary.measured import HIGHER_IS_BETTER, LOWER_IS_BETTER, Ours, measured

Label = Callable[[Claim], tuple[str, str]]  # a claim -> its task and model as records name them


# In the order in which they are looked for.
VERDICTS = {
    "not run here": "no result of this cell is stored",
    "reproduced": "our interval holds the published number, or meets its own; or both merely equal chance",
    "not at this budget": "ours merely equals chance, or ends before the published step, and the published number does "
    "not",
    "better": "ours lies beyond the published number, on the better side",
    "order reproduced": "another number, but the models of this row come in the published order",
    "contradicted": "another number, and another order",
}
NEAR = 0.02  # of the way from chance to the best: a published number so near to chance equals it


@dataclass(frozen=True)
class Verdict:
    """A claim, what was measured of it, and one of `VERDICTS`. equals_chance: the published number itself does."""

    claim: Claim
    ours: Ours | None
    word: str
    equals_chance: bool


def verdicts(paper: Paper, results: Iterable[Result], label: Label, readings: Iterable[Reading] = ()) -> list[Verdict]:
    """Hold every claim of a paper against results of its sweeps, and readings of their models.

    Raises:
        UsageError: a claim is about a quantity that its results do not have.
    """
    made, answers = groups(results), list(readings)
    found = [measured(claim, *label(claim), made, answers) for claim in paper.claims]
    ordered = _ordered(paper.claims, found)
    return [
        Verdict(claim, ours, _word(claim, ours, ordered), _at_chance(claim, ours))
        for claim, ours in zip(paper.claims, found, strict=True)
    ]


def _ordered(claims: Sequence[Claim], measured: Sequence[Ours | None]) -> set[object]:
    """Name the rows of two models or more that came out in the published order."""
    rows: dict[object, list[tuple[float, Ours | None]]] = {}
    for claim, ours in zip(claims, measured, strict=True):
        rows.setdefault(claim.row, []).append((claim.value, ours))
    return {
        name
        for name, pairs in rows.items()
        if len(pairs) > 1 and all(ours is not None for _, ours in pairs) and _same_order(pairs)
    }


def _same_order(pairs: Sequence[tuple[float, Ours | None]]) -> bool:
    values = [ours.value for _, ours in sorted(pairs, key=lambda pair: pair[0]) if ours is not None]
    return all(a < b for a, b in pairwise(values))


def _word(claim: Claim, ours: Ours | None, ordered: set[object]) -> str:
    if ours is None:
        return "not run here"
    if claim.compared == "value":
        if ours.holds(claim):
            return "reproduced"
        if ours.equals_chance:
            return "reproduced" if _at_chance(claim, ours) else "not at this budget"
        if ours.better_than(claim):
            return "better"
    return "order reproduced" if claim.row in ordered else "contradicted"


def _at_chance(claim: Claim, ours: Ours | None) -> bool:
    """Whether the published number is no better than the trivial baseline."""
    chance = claim.chance if claim.chance is not None or ours is None else ours.chance
    if chance is None or claim.compared == "order":
        return False
    known = dict.fromkeys(LOWER_IS_BETTER, False) | dict.fromkeys(HIGHER_IS_BETTER, True)
    higher = ours.higher_is_better if ours is not None else known.get(claim.quantity)
    gained = {True: claim.value - chance, False: chance - claim.value, None: abs(claim.value - chance)}[higher]
    return gained <= max(claim.spread or 0.0, NEAR * abs(chance) or NEAR)


def counted(made: Sequence[Verdict]) -> str:
    """Count verdicts by word, in one line."""
    counts = Counter(verdict.word for verdict in made)
    return ", ".join(f"{counts[word]} {word}" for word in VERDICTS if counts[word])
