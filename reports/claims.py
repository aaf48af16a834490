"""The table of a paper's claims beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.paper import Claim, Paper
from bench.records.recipe import as_text
from reports.summary.measured import Ours
from reports.summary.verdicts import VERDICTS, Verdict
from reports.text import words
from reports.text.layout import Column, Table

COLUMNS = (
    Column("T"), Column("task", "left"), Column("model", "left"), Column("quantity", "left"), Column("paper", "point"),
    Column("", "left"), Column("ours", "point"), Column("interval", "left"), Column("n"), Column("chance", "point"),
    Column("verdict", "left"), Column("where", "left"),
)  # fmt: skip


def table(paper: Paper, made: Sequence[Verdict]) -> Table:
    """Lay out claims beside what was measured."""
    rows = tuple(
        (
            _asked(verdict.claim),
            verdict.claim.task,
            verdict.claim.model,
            _quantity(verdict.claim),
            words.number(verdict.claim.value),
            words.EQUALS_CHANCE if verdict.equals_chance else "",
            *_measured(verdict.ours),
            verdict.word,
            verdict.claim.where,
        )
        for verdict in made
    )
    used = {verdict.word for verdict in made}
    notes = [f"{word}: {meaning}" for word, meaning in VERDICTS.items() if word in used]
    notes += [f"{words.EQUALS_CHANCE} : the published number itself equals the trivial baseline"] * any(
        verdict.equals_chance for verdict in made
    )
    notes += [f"otherwise than in the source: {departure}" for departure in paper.departures]
    return Table(f"{paper.title} · {paper.source}", COLUMNS, rows, tuple(notes))


def _asked(claim: Claim) -> str:
    """The length that a model was trained at, and the one at which it is asked where that is another."""
    return str(claim.length) if claim.tested in (None, claim.length) else f"{claim.length} → {claim.tested}"


def _quantity(claim: Claim) -> str:
    """The quantity, with the recipe where there are several."""
    recipe = ", ".join(f"{name} {as_text(value)}" for name, value in claim.recipe.items())
    return f"{claim.quantity} ({recipe})" if recipe else claim.quantity


def _measured(ours: Ours | None) -> tuple[str, str, str, str]:
    if ours is None:
        return "", "", "0", ""
    bounds = f"{words.number(ours.low)} to {words.number(ours.high)}" if ours.low < ours.high else ""
    return words.number(ours.value), bounds, str(ours.n), words.number(ours.chance)
