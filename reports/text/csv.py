"""Results as comma-separated values, unrounded: a row per cell or a row per group."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from bench.records import foreign
from bench.records.result import Result
from bench.records.row import COLUMNS, row
from reports.summary import Group

GROUP_COLUMNS = (
    "task", "model", "length", "data", "device", "torch", "learning_rate", "learning_rates", "rate_on_edge", "n",
    "diverged", "failed", "outcome", "score", "interval", "low", "high", "values", "metric", "unit",
    "higher_is_better", "chance", "skill", "equals_chance", "solved", "solve_rate_low", "solve_rate_high",
    "solved_at_step", "step_budget", "batch_size", "parameters_body", "seconds",
)  # fmt: skip


def cells(results: Iterable[Result]) -> str:
    """Write one row per cell; the columns of `bench.load(store)`."""
    return table(COLUMNS, (row(result) for result in results))


def by_group(groups: Iterable[Group]) -> str:
    """Write one row per group. `values` holds every seed's score; `interval` says what low and high are."""
    return table(GROUP_COLUMNS, (_group_row(group) for group in groups))


def _group_row(group: Group) -> dict[str, Any]:
    key, interval, rate, step = group.identity, group.interval, group.solve_interval, group.solved_at_step
    own = (
        "learning_rate", "n", "diverged", "failed", "outcome", "score", "skill", "equals_chance", "solved",
        "step_budget", "batch_size", "parameters_body", "seconds",
    )  # fmt: skip
    values = {name: getattr(group, name) for name in own}
    values |= {name: getattr(key, name) for name in ("task", "model", "length", "data", "device", "torch")}
    if shared := group.reference:
        values |= {name: getattr(shared, name) for name in ("metric", "unit", "higher_is_better", "chance")}
    if interval:
        values |= {"interval": interval.kind, "low": interval.low, "high": interval.high}
    if rate:
        values |= {"solve_rate_low": rate[0], "solve_rate_high": rate[1]}
    return values | {
        "learning_rates": " ".join(map(str, group.learning_rates)),
        "rate_on_edge": group.on_edge,
        "values": " ".join(map(str, group.values)),
        "solved_at_step": step if step is not None and math.isfinite(step) else None,
    }


def table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    """Write rows with these columns. Text that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: foreign.spreadsheet(value) for name, value in row.items()} for row in rows)
    return text.getvalue()
