"""A result as one flat row: the columns that tables, data frames, files and W&B share.

Every field of the recipe is a column, so that no grouping of rows mixes recipes unseen; so are device and versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.records.cell import Cell
from bench.records.memory import memory
from bench.records.recipe import FIELDS
from bench.records.result import GradientFlow, Provenance, Result

# Fields of the recipe whose own names are columns of something else (steps: those that were taken).
RENAMED = {
    "steps": "step_budget",
    "parameters": "parameter_budget",
    "hidden": "hidden_asked",
    "version": "recipe_version",
}
RECIPE = {name: RENAMED.get(name, name) for name in FIELDS}  # field -> column
_FIRST = (
    "task", "model", "length", "seed", "learning_rate", "status", "outcome", "score", "validation_score", "test_n",
    "metric", "unit", "higher_is_better", "chance", "skill", "solved_at_step", "steps", "step_budget", "tokens_seen",
    "parameters", "parameters_body", "hidden", "seconds", "steps_per_second", "peak_memory_mb", "memory_horizon",
    "gradient_norm_mean", "gradient_norm_max", "gradient_ratio", "gradient_rate", "gradient_half_life",
    "gradient_verdict", "credit_alignment", "data", "key",
)  # fmt: skip
COLUMNS = (
    *_FIRST,
    *(column for column in RECIPE.values() if column not in _FIRST),
    *("task_version", "model_version", "code", "device", "torch", "lightning", "python"),
    *("initial_gradient_rate", "initial_gradient_half_life", "gradient_reach"),
)


def row(result: Result) -> dict[str, Any]:
    """Return a result as one flat row. What does not apply is None."""
    cell, score, size = result.cell, result.score, result.size
    norms = [norm for norm in result.curves.gradient_norm if norm is not None]
    values: dict[str, Any] = dict.fromkeys(COLUMNS)
    values |= {
        "task": cell.task,
        "model": cell.model,
        "length": cell.length,
        "seed": cell.seed,
        "status": result.status,
        "outcome": result.outcome,
        "solved_at_step": result.solved_at_step,
        "steps": result.steps,
        "tokens_seen": result.tokens_seen,
        "steps_per_second": result.steps_per_second,
        "peak_memory_mb": result.peak_memory_mb,
        "memory_horizon": memory(result).steps,
        "data": f"{cell.data.name} {cell.data.sha256[:8]}" if cell.data else None,
        "key": cell.key,
        "task_version": cell.versions.task,
        "model_version": cell.versions.model,
        "code": cell.code[:8] if cell.code else "not recorded" if cell.foreign else None,
    }
    values |= {RECIPE[name]: value for name, value in cell.recipe.values.items()}
    if result.provenance is not None:
        values |= _made(result.provenance)
    if score is not None:
        values |= {name: getattr(score, name) for name in _SCORE_COLUMNS}
    if size is not None:
        values |= {name: getattr(size, name) for name in ("parameters", "parameters_body", "hidden")}
    if result.seconds is not None:
        values["seconds"] = result.seconds.total
    if result.gradient_flow:
        values |= _flow(result.gradient_flow[-1]) | _initial(result.gradient_flow[0])
    if norms:
        values["gradient_norm_mean"] = sum(norms) / len(norms)
        values["gradient_norm_max"] = max(norms)
    return values


NAMED = ("key", "task", "model", "length", "seed", "learning_rate")
CURVE_COLUMNS = (*NAMED, "step", "train_loss", "gradient_norm", "validation_score")
GRADIENT_COLUMNS = (*NAMED, "step", "quantity", "distance", "log10_norm", "rate", "half_life", "verdict")


def curve_rows(result: Result) -> Iterator[tuple[Any, ...]]:
    """Yield a row of CURVE_COLUMNS for each optimisation step, from 1. What was not measured is None."""
    named, curves = _named(result.cell), result.curves
    validated = dict(curves.validation)
    for step, (loss, norm) in enumerate(zip(curves.train_loss, curves.gradient_norm, strict=True), start=1):
        yield (*named, step, loss, norm, validated.get(step))


def gradient_rows(result: Result) -> Iterator[tuple[Any, ...]]:
    """Yield a row of GRADIENT_COLUMNS for each stored distance of each quantity, the input first, of each snapshot."""
    named = _named(result.cell)
    for flow in result.gradient_flow:
        for name, profile in sorted(flow.profiles.items(), key=lambda item: (item[0] != "input", item[0])):
            for distance, value in zip(flow.distances, profile.log10_median, strict=True):
                whole = (profile.rate, profile.half_life, profile.verdict)
                yield (*named, flow.step, name, distance, value, *whole)


def _named(cell: Cell) -> tuple[Any, ...]:
    return cell.key, cell.task, cell.model, cell.length, cell.seed, cell.recipe.learning_rate


def _made(made: Provenance) -> dict[str, Any]:
    """Return the columns about where and with what a result was made."""
    libraries = {name: made.libraries.get(name) for name in ("torch", "lightning")}
    return {"device": made.device, "python": made.python, **libraries}


def _flow(flow: GradientFlow) -> dict[str, Any]:
    """Return the columns about a snapshot: those of the input, which is the quantity that every model has."""
    profile = flow.profiles.get("input")
    if profile is None:
        return {"credit_alignment": flow.credit_alignment}
    return {
        "gradient_ratio": profile.ratio,
        "gradient_rate": profile.rate,
        "gradient_half_life": profile.half_life,
        "gradient_verdict": profile.verdict,
        "credit_alignment": flow.credit_alignment,
    }


def _initial(flow: GradientFlow) -> dict[str, Any]:
    """Return the columns about the first snapshot, before training, of the input."""
    profile = flow.profiles.get("input")
    if profile is None or flow.step:
        return {}
    return {
        "initial_gradient_rate": profile.rate,
        "initial_gradient_half_life": profile.half_life,
        "gradient_reach": flow.reach,
    }


_SCORE_COLUMNS = (
    "score", "validation_score", "test_n", "metric", "unit", "higher_is_better", "chance", "skill",
)  # fmt: skip
