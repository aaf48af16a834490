"""A result as one flat row: the columns that tables, data frames, files and W&B share."""

from __future__ import annotations

from typing import Any

from bench.records.result import GradientFlow, Result

COLUMNS = (
    "task", "model", "length", "seed", "learning_rate", "status", "outcome", "score", "validation_score", "test_n",
    "metric", "unit", "higher_is_better", "chance", "skill", "solved_at_step", "steps", "step_budget", "tokens_seen",
    "parameters", "parameters_body", "hidden", "seconds", "steps_per_second", "peak_memory_mb", "memory_horizon",
    "gradient_norm_mean", "gradient_norm_max", "gradient_ratio", "gradient_rate", "gradient_half_life",
    "gradient_verdict", "credit_alignment", "data", "key",
)  # fmt: skip


def row(result: Result) -> dict[str, Any]:
    """A result as one flat row. What does not apply is None."""
    cell, score, size = result.cell, result.score, result.size
    norms = [norm for norm in result.curves.gradient_norm if norm is not None]
    values: dict[str, Any] = dict.fromkeys(COLUMNS)
    values |= {
        "task": cell.task,
        "model": cell.model,
        "length": cell.length,
        "seed": cell.seed,
        "learning_rate": cell.recipe.learning_rate,
        "status": result.status,
        "outcome": result.outcome,
        "solved_at_step": result.solved_at_step,
        "steps": result.steps,
        "step_budget": cell.recipe.steps,
        "tokens_seen": result.tokens_seen,
        "steps_per_second": result.steps_per_second,
        "peak_memory_mb": result.peak_memory_mb,
        "memory_horizon": result.memory_horizon,
        "data": f"{cell.data.name} {cell.data.sha256[:8]}" if cell.data else None,
        "key": cell.key,
    }
    if score is not None:
        values |= {name: getattr(score, name) for name in _SCORE_COLUMNS}
    if size is not None:
        values |= {name: getattr(size, name) for name in ("parameters", "parameters_body", "hidden")}
    if result.seconds is not None:
        values["seconds"] = result.seconds.total
    if result.gradient_flow:
        values |= _flow(result.gradient_flow[-1])
    if norms:
        values["gradient_norm_mean"] = sum(norms) / len(norms)
        values["gradient_norm_max"] = max(norms)
    return values


def _flow(flow: GradientFlow) -> dict[str, Any]:
    """Summary of a snapshot: of the input, the quantity that every model has."""
    profile = flow.profiles["input"]
    return {
        "gradient_ratio": profile.ratio,
        "gradient_rate": profile.rate,
        "gradient_half_life": profile.half_life,
        "gradient_verdict": profile.verdict,
        "credit_alignment": flow.credit_alignment,
    }


_SCORE_COLUMNS = (
    "score", "validation_score", "test_n", "metric", "unit", "higher_is_better", "chance", "skill",
)  # fmt: skip
