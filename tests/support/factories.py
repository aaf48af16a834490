"""Cells and results for the tests of bench/, made without torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench.records.asked import Asked, AskedCell
from bench.records.cell import Cell, DataIdentity, Recipe, Versions
from bench.records.result import Curves, GradientFlow, GradientProfile, Result, Score, Seconds, Size
from bench.records.sweep import Sweep


def an_asked(*cells: Cell, unknown: Iterable[Cell] = (), **sweep: Any) -> Asked:
    """What a sweep asked for, as the runner writes it down. unknown: cells whose corpus is not found yet; sweep: fields
    of the sweep, by default adding with an lstm."""
    fields: dict[str, Any] = {"tasks": "adding", "models": "lstm", "lengths": "10"}
    return Asked.of(Sweep(**(fields | sweep)), [*map(AskedCell, cells), *(AskedCell(cell, False) for cell in unknown)])


def a_recipe(**changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "steps": 20,
        "batch_size": 4,
        "learning_rate": 0.01,
        "clip": 1.0,
        "parameters": 16_000,
        "hidden": None,
        "evaluate_every": 10,
        "probes": 6,
    }
    return Recipe(**(values | changes))


def a_cell(**changes: Any) -> Cell:
    """A cell; fields of its recipe are given as `recipe=a_recipe(…)`."""
    values: dict[str, Any] = {
        "task": "adding",
        "model": "lstm",
        "length": 10,
        "seed": 0,
        "recipe": a_recipe(),
        "versions": Versions(task=1, model=1),
        "data": None,
    }
    return Cell(**(values | changes))


SHAKESPEARE = DataIdentity(name="shakespeare", sha256="ab" * 32)


def a_score(**changes: Any) -> Score:
    values: dict[str, Any] = {
        "score": 0.02,
        "metric": "mean_squared_error",
        "unit": "squared value",
        "higher_is_better": False,
        "chance": 0.2,
        "best": 0.0,
        "solved_threshold": 0.01,
        "validation_score": 0.03,
        "test_n": 100,
        "counted": "sequences",
        "blocks": ((1.0, 50.0), (1.0, 50.0)),
        "floors": {},
        "extras": {"plateau": 0.5},
    }
    return Score(**(values | changes))


def a_result(cell: Cell | None = None, **changes: Any) -> Result:
    """A whole answer, with every part of the record filled."""
    values: dict[str, Any] = {
        "cell": cell or a_cell(),
        "status": "ok",
        "score": a_score(),
        "steps": 20,
        "tokens_seen": 800,
        "curves": Curves(
            validation=((10, 0.1), (20, 0.03)),
            train_loss=(1.0, 0.5),
            gradient_norm=(2.0, None),
            clipped=1,
            parameter_steps=(0,),
            parameter_norms={"head.bias": (0.25,)},
        ),
        "size": Size(parameters=20, parameters_body=16, hidden=2, state_bytes=16),
        "seconds": Seconds(**(dict.fromkeys(Seconds.model_fields, 0.0) | {"total": 1.0, "train": 0.75, "data": 0.25})),
        "steps_per_second": 80.0,
        "peak_memory_mb": 300.5,
        "sample": "a “sample”\nof text",
        "notes": ("a note",),
        "weights_sha256": "00" * 32,
    }
    return Result(**(values | changes))


def a_failure(cell: Cell | None = None, **changes: Any) -> Result:
    """A cell that raised."""
    values: dict[str, Any] = {"cell": cell or a_cell(), "status": "error", "error": "ValueError: no\n  here:1\n"}
    return Result(**(values | changes))


def a_flow(step: int, distances: int = 3) -> GradientFlow:
    profile = GradientProfile(
        log10_median=(*(-0.5 * k for k in range(distances - 1)), None),
        log10_mean=(0.0,) * distances,
        zeros=1,
        nonfinite=0,
        ratio=0.1,
        rate=-0.5,
        half_life=0.6,
        verdict="vanishing",
    )
    return GradientFlow(
        step=step,
        distances=tuple(range(distances)),
        profiles={"input": profile, "residual.0": profile},
        loss_weight=0.5,
        credit_alignment=0.25,
    )
