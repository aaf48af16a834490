"""Results as comma-separated values, unrounded: a row per cell or a row per group."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

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
    key, interval, solve_rate, shared = group.identity, group.interval, group.solve_interval, group.reference
    step = group.solved_at_step
    own = (
        "learning_rate", "n", "diverged", "failed", "outcome", "score", "skill", "equals_chance", "solved",
        "step_budget", "batch_size", "parameters_body", "seconds",
    )  # fmt: skip
    return {name: getattr(group, name) for name in own} | {
        "task": key.task,
        "model": key.model,
        "length": key.length,
        "data": key.data,
        "device": key.device,
        "torch": key.torch,
        "learning_rates": " ".join(map(str, group.learning_rates)),
        "rate_on_edge": group.on_edge,
        "interval": interval.kind if interval else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "values": " ".join(map(str, group.values)),
        "metric": shared.metric if shared else None,
        "unit": shared.unit if shared else None,
        "higher_is_better": shared.higher_is_better if shared else None,
        "chance": shared.chance if shared else None,
        "solve_rate_low": solve_rate[0] if solve_rate else None,
        "solve_rate_high": solve_rate[1] if solve_rate else None,
        "solved_at_step": step if step is not None and math.isfinite(step) else None,
    }


def table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    """Write rows with these columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
