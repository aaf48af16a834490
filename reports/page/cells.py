"""Cells and groups as the page holds them: texts come from reports.text.words, counts from reports.summary."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.records.recipe import FIELDS, label
from bench.records.result import ANSWERS, Result
from bench.store.store import row
from reports.page import series as page_series
from reports.page.series import Lists, short
from reports.summary.group import word_of
from reports.summary.grouping import Group, compare
from reports.text import words

NUMBERS = (
    "score", "validation_score", "chance", "skill", "solved_at_step", "steps", "step_budget", "tokens_seen",
    "parameters", "parameters_body", "hidden", "seconds", "steps_per_second", "peak_memory_mb", "memory_horizon",
    "gradient_norm_mean", "gradient_norm_max", "gradient_ratio", "gradient_rate", "gradient_half_life",
    "credit_alignment",
)  # fmt: skip
TEXTS = ("metric", "unit", "gradient_verdict", "data", "key", "status", "seed", "learning_rate", "test_n")
LONGEST = 4_000  # letters of an error or a sample


def cell(result: Result, group: int, lists: Lists) -> dict[str, Any]:
    """One cell. What does not apply is left out."""
    columns = row(result)
    found: dict[str, Any] = {name: short(columns[name], 6) for name in NUMBERS}
    found |= {name: columns[name] for name in TEXTS}
    found |= {
        "group": group,
        "outcome": word_of(result),
        "error": _cut(result.error),
        "first_line": words.first_line(result) if result.status != "ok" else None,
        "sample": _cut(result.sample),
        "notes": list(result.notes),
        "context": [[context, short(score)] for context, score in result.context_use],
        "extras": {name: short(value) for name, value in sorted(result.score.extras.items())} if result.score else {},
        "curves": page_series.curves(result),
        "flow": page_series.flow(result, lists),
    }
    return {name: value for name, value in found.items() if value not in (None, [], {})}


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}\n… {len(text) - LONGEST:,} letters left out …\n{text[-LONGEST // 2 :]}"


def group_key(group: Group) -> str:
    """A name that stays the same as long as the group's identity does, so that a link to it stays good."""
    return "g-" + hashlib.sha256(repr(group.identity).encode()).hexdigest()[:12]


def group(found: Group, lists: Lists) -> dict[str, Any]:
    """What may be said of one group of seeds."""
    reference, interval, step = found.reference, found.interval, found.solved_at_step
    values: dict[str, Any] = {
        "key": group_key(found),
        "model": found.identity.model,
        "length": found.identity.length,
        "n": found.n,
        "seeds": len(found.seeds),
        "diverged": found.diverged,
        "failed": found.failed,
        "outcome": found.outcome,
        "score": short(found.score, 6),
        "score_text": words.number(found.score),
        "spread": words.spread(found).replace("\n", " · "),
        "interval": [short(interval.low), short(interval.high), interval.kind] if interval else None,
        "values": [short(value) for value in found.values],
        "skill": short(found.skill),
        "equals_chance": found.equals_chance,
        "solved": found.solved,
        "outcome_text": words.outcome(found, short=False).replace("\n", ", 95 % interval "),
        "solved_text": words.solved_at(found),
        "solved_at": short(step) if step is not None and math.isfinite(step) else None,
        "budget": found.step_budget,
        "batch": found.batch_size,
        "rate": found.learning_rate,
        "rates": list(found.learning_rates),
        "on_edge": found.on_edge,
        "body": found.parameters_body,
        "cost": _costs(found),
        "horizon": _median([r.memory_horizon for r in found.seeds]),
        "summaries": page_series.summaries(found.seeds),
        "heat": page_series.heat(found.seeds, lists),
        "reach": next((r.gradient_flow[0].reach for r in found.seeds if r.gradient_flow), None),
        "credit": page_series.credit(found.seeds),
    }
    if reference is not None:
        values |= {"chance": short(reference.chance), "best": short(reference.best), "unit": reference.unit}
        values |= {"threshold": reference.solved_threshold, "metric": reference.metric}
        values |= {"higher": reference.higher_is_better}
    if sum(bool(result.gradient_flow) for result in found.seeds) > 1:
        values["typical"] = page_series.typical(found.seeds, lists)
    return {name: value for name, value in values.items() if value not in (None, [], {})}


def _costs(found: Group) -> dict[str, Any]:
    """Medians over the seeds that answered."""
    answered = [result for result in found.seeds if result.status in ANSWERS]
    per_step = [1 / r.steps_per_second for r in answered if r.steps_per_second]
    to_solve = [
        r.solved_at_step / r.steps_per_second if r.solved_at_step and r.steps_per_second else math.inf for r in answered
    ]
    costs = {
        "seconds": short(found.seconds),
        "step": _median(per_step),
        "memory": _median([r.peak_memory_mb for r in answered]),
        "solve": _median(to_solve) if found.solved is not None else None,
    }
    return {name: value for name, value in costs.items() if value is not None}


def _median(values: Sequence[float | None]) -> float | int | None:
    known = [value for value in values if value is not None]
    return short(median(known)) if known else None


def tests(groups: Sequence[Group], topics: Sequence[int]) -> list[list[Any]]:
    """(index, index, p, what is compared) of all pairs of groups of one task, length and data in one setting, as far as
    both hold four answers or more."""
    found: list[list[Any]] = []
    for second, theirs in enumerate(groups):
        for first in range(second):
            ours = groups[first]
            same = topics[first] == topics[second] and ours.identity.length == theirs.identity.length
            if same and min(ours.n, theirs.n) >= 4:
                what = "steps to solve" if ours.solved or theirs.solved else "score"
                found.append([first, second, short(compare(ours, theirs), 3), what])
    return found


SETTINGS = (
    "task", "model", "length", "seed", *map(label, FIELDS), "task version", "model version", "code",
    "data", "data sha256", "hidden size", "body parameters", "device", "platform", "python", "torch", "lightning",
    "other libraries", "threads", "git commit", "git changed",
)  # fmt: skip


def settings(result: Result) -> list[Any]:
    """What a cell was made with, in the order of SETTINGS."""
    asked, size, made = result.cell, result.size, result.provenance
    libraries = dict(made.libraries) if made else {}
    first = [libraries.pop(name, None) for name in ("torch", "lightning")]
    others = ", ".join(f"{name} {version}" for name, version in sorted(libraries.items()))
    return [
        asked.task, asked.model, asked.length, asked.seed, *asked.recipe.values.values(),
        asked.versions.task, asked.versions.model, asked.code, asked.data.name if asked.data else None,
        asked.data.sha256 if asked.data else None, size.hidden if size else None,
        size.parameters_body if size else None, made.device if made else None, made.platform if made else None,
        made.python if made else None, *first, others or None, made.threads if made else None,
        made.git_commit if made else None, made.git_dirty if made else None,
    ]  # fmt: skip
