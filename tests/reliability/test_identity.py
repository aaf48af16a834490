"""What may be reused, read and averaged: RELIABILITY rows 10, 11 and 14."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Terminal

from bench.cli.console import Console
from bench.records.cell import Cell, DataIdentity, Versions
from bench.records.recipe import FIELDS, Recipe
from bench.records.result import SCHEMA, Result
from bench.records.row import COLUMNS, RECIPE
from bench.records.sweep import Sweep
from bench.runner import runner
from bench.runner.plan import plan
from bench.store import Store
from bench.store.sealed import encode
from reports.summary import grouping as summary
from tests.golden import make
from tests.support.factories import SHAKESPEARE, a_cell, a_failure, a_recipe, a_result, a_score
from tests.support.fake_engine import FakeEngine

GOLDEN = Path(__file__).parents[1] / "golden"

# -- identity ----------------------------------------------------------------------------------------------------------

OTHERS = [
    {"versions": Versions(task=2, model=1)},
    {"versions": Versions(task=1, model=2)},
    {"data": DataIdentity(name="shakespeare", sha256="cd" * 32)},
    {"recipe": a_recipe(steps=21)},
    {"recipe": a_recipe(clip=None)},
    {"recipe": a_recipe(version=2)},
    {"recipe": a_recipe(parameters=None, hidden=8)},
]


@pytest.mark.parametrize("changes", OTHERS, ids=str)
def test_what_may_change_numbers_makes_another_cell(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Row 10: no stale cell is found, and both are never in one group."""
    store = Store(tmp_path, create=True)
    first, second = a_cell(data=SHAKESPEARE), a_cell(**({"data": SHAKESPEARE} | changes))
    store.publish(a_result(first))
    assert not store.has(second.key)
    assert store.publish(a_result(second))
    groups = summary.groups(store.results())
    assert [group.n for group in groups] == [1, 1], "separate rows"


@pytest.mark.parametrize("field", FIELDS)
def test_a_frame_tells_recipes_apart(tmp_path: Path, field: str) -> None:
    """Row 14: a groupby over the recipe's columns never averages over what may change a score."""
    others: dict[str, Any] = {
        "steps": 21, "batch_size": 5, "learning_rate": 0.2, "clip": 0.5, "parameters": 9, "hidden": 9,
        "evaluate_every": 11, "probes": 2, "version": 2, "bptt": 7, "optimiser": "sgd", "schedule": "cosine",
        "penalty": "pascanu", "train_lengths": "uniform", "stop": "never", "sequences": 8, "held_out": 256,
    }  # fmt: skip
    assert others.keys() == Recipe.model_fields.keys()
    store = Store(tmp_path, create=True)
    for recipe in (a_recipe(), a_recipe(**{field: others[field]})):
        store.publish(a_result(a_cell(recipe=recipe)))
    frame = store.frame()
    assert len(frame) == 2
    assert frame[RECIPE[field]].nunique(dropna=False) == 2
    assert len(frame.groupby(list(RECIPE.values()), dropna=False)) == 2


def test_the_name_of_the_data_is_for_eyes_only() -> None:
    renamed = a_cell(data=DataIdentity(name="tiny", sha256=SHAKESPEARE.sha256))
    assert renamed.key == a_cell(data=SHAKESPEARE).key


def test_a_new_version_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = Sweep(tasks="adding", models="rnn", lengths="10", budget="smoke")
    store = Store(tmp_path, create=True)

    def execute() -> FakeEngine:
        engine = FakeEngine()
        runner.execute([sweep], store, engine, Console(Terminal(file=io.StringIO())), lambda *_: None)
        return engine

    assert len(execute().ran) == 1
    assert len(execute().ran) == 0
    plain = plan(sweep)[0]
    changed = plain.cell.model_copy(update={"versions": Versions(task=plain.cell.versions.task, model=99)})
    monkeypatch.setattr(runner, "plan", lambda sweep: [dataclasses.replace(plain, cell=changed)])
    assert len(execute().ran) == 1
    assert len(list(store.answers())) == 2


# -- old results -------------------------------------------------------------------------------------------------------


STORES = sorted(GOLDEN.glob("schema-*"))
EVERY_STORE = pytest.mark.parametrize("folder", STORES, ids=lambda folder: folder.name)


def test_there_are_golden_stores_of_schemas_that_are_read() -> None:
    schemas = [int(folder.name.removeprefix("schema-")) for folder in STORES]
    assert schemas == list(range(1, len(schemas) + 1))
    assert 1 <= len(schemas) <= SCHEMA


@EVERY_STORE
def test_golden_stores_of_every_schema_are_read(folder: Path) -> None:
    """Row 11. Later schemas may add columns."""
    store = Store(folder / "results")
    rows = json.loads(json.dumps(make.expected(store)))
    old = json.loads((folder / "expected.json").read_text("utf-8"))
    assert [{name: row[name] for name in before} for row, before in zip(rows, old, strict=True)] == old
    assert [tuple(row) for row in rows] == [COLUMNS] * len(rows)
    assert tuple(old[0]) == COLUMNS[: len(old[0])], "new columns stand at the end"
    assert {row["status"] for row in rows} == {"ok", "diverged", "timeout"}
    assert store.corrupt == []
    assert len(store.sweeps()) == 1
    for result in store.answers():
        assert store.weights(result.cell.key)


@EVERY_STORE
def test_golden_records_are_written_the_same_today(folder: Path) -> None:
    """Keys and texts of what is stored stay: of the cell, the recipe and the record."""
    results = list(Store(folder / "results").answers())
    assert results
    for result in results:
        assert encode(result) == (folder / "results" / "cells" / f"{result.cell.key}.json").read_bytes()


# -- honest aggregates -------------------------------------------------------------------------------------------------


def a_seed(seed: int, score: float | None, status: str = "ok") -> Result:
    cell: Cell = a_cell(seed=seed)
    if status == "ok":
        return a_result(cell, score=a_score(score=score))
    return a_result(cell, score=None, status=status) if status == "diverged" else a_failure(cell, status=status)


def test_failed_and_diverged_seeds_are_counted_and_never_averaged_away(tmp_path: Path) -> None:
    """Row 14."""
    store = Store(tmp_path, create=True)
    seeds = [a_seed(0, 0.01), a_seed(1, 0.02), a_seed(2, None, "diverged"), a_seed(3, None, "timeout")]
    for result in seeds:
        store.publish(result)
    found = summary.groups(store.results())
    assert sum(len(group.seeds) for group in found) == 4, "none is missing"
    assert sum(group.diverged for group in found) == 1
    assert sum(group.failed for group in found) == 1
    assert sum(group.n for group in found) == 3, "n counts answers, and a diverged seed is one"
    assert not any(group.averaged for group in found if group.diverged or group.failed)
    frame = store.frame()
    assert sorted(frame["status"]) == ["diverged", "ok", "ok", "timeout"]
    assert frame["score"].count() == 2, "what is not there is empty"
