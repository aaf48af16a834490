"""Cells and groups as the page holds them: texts come from reports.text.words, counts from reports.summary."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from bench.records.recipe import FIELDS, label
from bench.records.result import Result
from bench.records.row import row
from reports.page import inside as page_inside
from reports.page import series as page_series
from reports.page.series import Lists, short
from reports.summary.group import Group, seconds_per_step
from reports.summary.grouping import ALPHA, compare, compared_by
from reports.summary.outcomes import word_of
from reports.text import words
from reports.view import Topic

NUMBERS = (
    "score", "validation_score", "chance", "skill", "solved_at_step", "steps", "step_budget", "tokens_seen",
    "parameters", "parameters_body", "hidden", "seconds", "steps_per_second", "peak_memory_mb", "memory_horizon",
    "gradient_norm_mean", "gradient_norm_max", "gradient_ratio", "gradient_rate", "gradient_half_life",
    "credit_alignment",
)  # fmt: skip
TEXTS = ("metric", "unit", "gradient_verdict", "data", "key", "status", "seed", "learning_rate", "test_n")
LONGEST = 4_000  # letters of an error or a sample
LATER = (
    ", code=None",
    ", scale=None",
    ", ('sequences', None)",
    ", ('held_out', None)",
)  # of an identity: links are older than these


def cell(result: Result, group: int, lists: Lists) -> dict[str, Any]:
    """Collect what a cell shows. What does not apply is left out."""
    columns = row(result)
    values: dict[str, Any] = {name: short(columns[name], 6) for name in NUMBERS}
    values |= {name: columns[name] for name in TEXTS}
    values |= {
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
    return _applying(values)


def _applying(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, [], {})}


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}\n… {len(text) - LONGEST:,} letters left out …\n{text[-LONGEST // 2 :]}"


def group_key(group: Group) -> str:
    """Name a group by its identity alone, so that a link to the group stays good."""
    identity = repr(group.identity)
    for later in LATER:
        identity = identity.replace(later, "")
    return "g-" + hashlib.sha256(identity.encode()).hexdigest()[:12]


def group(group: Group, lists: Lists) -> dict[str, Any]:
    """Collect what the page shows of one group of seeds. What does not apply is left out."""
    reference, interval, step = group.reference, group.interval, group.solved_at_step
    values: dict[str, Any] = {
        "key": group_key(group),
        "model": group.identity.model,
        "length": group.identity.length,
        "n": group.n,
        "seeds": len(group.seeds),
        "diverged": group.diverged,
        "failed": group.failed,
        "outcome": group.outcome,
        "score": short(group.score, 6),
        "score_text": words.number(group.score),
        "spread": words.spread(group).replace("\n", " · "),
        "interval": [short(interval.low), short(interval.high), interval.kind] if interval else None,
        "interval_skill": [short(skill) for skill in group.interval_skill],
        "values": [short(value) for value in group.values],
        "skills": [short(score.skill) for score in group.scores],
        "skill": short(group.skill),
        "equals_chance": group.equals_chance,
        "solved": group.solved,
        "outcome_text": words.outcome(group, short=False).replace("\n", ", 95 % interval "),
        "solved_text": words.solved_at(group),
        "solved_at": short(step) if step is not None and math.isfinite(step) else None,
        "budget": group.step_budget,
        "batch": group.batch_size,
        "rate": group.learning_rate,
        "rates": list(group.learning_rates),
        "on_edge": group.on_edge,
        "body": group.parameters_body,
        "cost": _costs(group),
        "horizon": short(group.memory.steps),
        "summaries": page_series.summaries(group.seeds),
        "heat": page_series.heat(group.seeds, lists),
        "reach": next((r.gradient_flow[0].reach for r in group.seeds if r.gradient_flow), None),
        "credit": page_series.credit(group.seeds),
        "inside": page_inside.inside(group.seeds),
    }
    if reference is not None:
        values |= {"chance": short(reference.chance), "best": short(reference.best), "unit": reference.unit}
        values |= {"threshold": reference.solved_threshold, "metric": reference.metric}
        values |= {"higher": reference.higher_is_better}
    if len(group.seeds) > 1:
        values["learning"] = page_series.learning(group.seeds)
    if sum(bool(result.gradient_flow) for result in group.seeds) > 1:
        values["typical"] = page_series.middle(group.seeds, lists)
    return _applying(values)


def _costs(group: Group) -> dict[str, Any]:
    """Medians over the seeds that answered."""
    return _applying({
        "seconds": short(group.seconds),
        "step": short(group.typical(seconds_per_step)),
        "memory": short(group.typical(lambda result: result.peak_memory_mb)),
        "solve": short(group.seconds_to_solve),
    })  # fmt: skip


def tests(topic: Topic) -> list[list[Any]]:
    """Compare all pairs of groups of one topic and length that hold four answers or more each.

    (place, place, p, what is compared, whether the groups differ) of each.
    """
    rows: list[list[Any]] = []
    for second, theirs in enumerate(topic.members):
        for ours in topic.members[:second]:
            if ours.length == theirs.length and min(ours.group.n, theirs.group.n) >= 4:
                p = compare(ours.group, theirs.group)
                what = compared_by(ours.group, theirs.group)
                rows.append([ours.place, theirs.place, short(p, 3), what, p < ALPHA])
    return rows


SETTINGS = (
    "task", "model", "length", "seed", *map(label, FIELDS), "task version", "model version", "code",
    "data", "data sha256", "hidden size", "body parameters", "device", "platform", "python", "torch", "lightning",
    "other libraries", "threads", "git commit", "git changed",
)  # fmt: skip


def settings(result: Result) -> list[Any]:
    """List what a cell was made with, in the order of SETTINGS."""
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
