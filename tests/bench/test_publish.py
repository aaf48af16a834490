"""A store mirrored after the fact, read back with W&B's own reader; and the dashboard's specification. No network."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import publish
from bench.mirror import mirrored
from bench.mirror.login import mirroring
from bench.records.asked import without_data
from bench.records.job import Mirroring
from bench.records.result import Curves, Provenance, Result
from bench.records.row import COLUMNS, row
from bench.store import Store
from tests.support.factories import SHAKESPEARE, a_cell, a_failure, a_flow, a_recipe, a_result, a_score, an_asked
from tests.support.fake_wandb import FakeWandb
from tests.support.inspect_wandb import read, rows

GOLDEN = Path(__file__).parent / "golden" / "workspace.json"


def results() -> list[Result]:
    """One of each kind: solved, diverged, failed, with names that need care."""
    provenance = Provenance(
        started="2026-01-01T00:00:00+00:00",
        device="cpu",
        platform="Linux x86_64",
        python="3.11",
        libraries={"torch": "2.13"},
        threads=1,
        git_commit="c0ffee",
        git_dirty=False,
    )
    curves = Curves(
        validation=((30, 0.1), (60, 1 / 3)),
        train_loss=tuple(1 / (s + 3) for s in range(60)),
        gradient_norm=(*(1e-7 * 3**s for s in range(59)), None),
        clipped=1,
        parameter_steps=(0, 50),
        parameter_norms={"head.bias": (0.1 + 0.2, None), "body.0.weight": (1e-300, 1e300)},
    )
    cell = a_cell(recipe=a_recipe(steps=60), data=SHAKESPEARE)
    solved = a_result(
        cell,
        curves=curves,
        steps=60,
        solved_at_step=30,
        gradient_flow=(a_flow(0), a_flow(30), a_flow(60, 128)),
        provenance=provenance,
        memory_horizon=0.1,
    )
    strange = a_cell(task="ner:hop=2", model="my.models:Größe:text=„x“", length=1000, seed=7)
    diverged = a_result(
        strange, status="diverged", score=None, curves=Curves(train_loss=(None,), gradient_norm=(None,))
    )
    precise = a_result(a_cell(seed=2), score=a_score(score=0.1 + 0.2, chance=1 / 3, validation_score=None))
    return [solved, diverged, precise, a_failure(a_cell(seed=3), gradient_flow=(a_flow(0),))]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "results", create=True)
    for result in results():
        made.publish(result)
    return made


def offline(store: Store) -> Mirroring:
    plan = mirroring("offline", store.path, project="p")
    assert plan is not None
    return plan


def runs_of(store: Store) -> dict[str, Path]:
    return {path.name.split("-", 3)[3]: path for path in (store.path / "wandb").glob("offline-run-*")}


# -- what W&B then says -----------------------------------------------------------------------------------------------


def test_wandb_says_what_the_store_says(store: Store) -> None:
    asked = an_asked(results()[0].cell)
    store.record_sweep(asked)
    outcome = publish.publish(store, offline(store))
    assert (outcome.sent, outcome.there, outcome.notes) == (4, 0, [])
    runs = runs_of(store)
    stored = {f"{result.cell.key}-1": result for result in store.results()}
    assert set(runs) == set(stored)
    for name, result in stored.items():
        found = read(runs[name])
        assert {column: found.summary.get(column) for column in COLUMNS} == row(result)
        extra = {key for key in found.summary if not key.startswith("_")} - set(COLUMNS)
        assert not extra, "the summary holds the record's row and nothing else"
        assert found.rows == rows(result)
        assert found.exit_code == (1 if result.status == "error" else 0)
        assert (found.run["run_id"], found.run["run_group"]) == (name, mirrored.group(result.cell))
        assert (found.run["job_type"], tuple(found.run["tags"])) == ("cell", mirrored.tags(result.cell))
        expected = mirrored.config(result.cell, asked.hash if result.cell == results()[0].cell else "", 1)
        assert {key: value for key, value in found.config.items() if key != "_wandb"} == (
            expected | mirrored.origin(result)
        )


@pytest.mark.parametrize("known", [True, False], ids=["corpora found", "corpora not found yet"])
def test_runs_name_the_sweep_that_asked_for_them(store: Store, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = FakeWandb()
    monkeypatch.setattr("bench.mirror.tracking.imported", lambda: wandb)
    cells = [result.cell for result in results()]
    read_text = [cell for cell in cells if cell.data]
    rest = [cell for cell in cells[:-1] if not cell.data]
    asked = an_asked(*rest, *read_text) if known else an_asked(*rest, unknown=map(without_data, read_text))
    store.record_sweep(asked)
    publish.publish(store, offline(store))
    named = {run.given["id"].rpartition("-")[0]: run.given["config"]["sweep"] for run in wandb.runs}
    assert named == {cell.key: asked.hash for cell in cells[:-1]} | {cells[-1].key: ""}
    assert read_text


# -- what is there is skipped -----------------------------------------------------------------------------------------


def test_what_is_there_is_skipped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = FakeWandb()
    monkeypatch.setattr("bench.mirror.tracking.imported", lambda: wandb)
    assert publish.publish(store, offline(store)).sent == 4
    assert publish.publish(store, offline(store)) == publish.Outcome(0, 4, [])
    first, second, *_ = sorted((store.path / "wandb").iterdir())
    shutil.rmtree(first)
    (second / "mirrored.json").write_text("{")
    outcome = publish.publish(store, offline(store))
    assert (outcome.sent, outcome.there) == (2, 2)
    names = [run.given["id"] for run in wandb.runs[4:]]
    assert sorted(name[-2:] for name in names) == ["-1", "-2"], "a run that did not end keeps its id to itself"


def test_online_the_project_says_what_is_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = FakeWandb()
    monkeypatch.setattr("bench.mirror.tracking.imported", lambda: wandb)
    solved, diverged, precise, failed = (result.cell.key for result in results())
    there = [
        SimpleNamespace(id=f"{solved}-2", state="finished"),
        SimpleNamespace(id=f"{diverged}-1", state="crashed"),
        SimpleNamespace(id=f"{failed}-1", state="failed"),
        SimpleNamespace(id="not-ours", state="finished"),
    ]
    outcome = publish.publish(store, Mirroring("online", "p", store.path), lambda plan: there)
    assert (outcome.sent, outcome.there) == (2, 2)
    assert {run.given["id"] for run in wandb.runs} == {f"{diverged}-1", f"{precise}-1"}
    assert {run.given["mode"] for run in wandb.runs} == {"online"}


# -- one clear message ------------------------------------------------------------------------------------------------


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert publish.main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "no store at nowhere"),
        (["results", "--wandb", "online"], "expected a login, found neither WANDB_API_KEY nor"),
        (
            ["results", "--wandb", "offlin"],
            "--wandb: expected auto, online or offline, got 'offlin'. Did you mean 'offline'?",
        ),
        (["results"], "WANDB_MODE=disabled: nothing is published"),
        (["--workspace", "--entity", "e"], "give --entity and --project"),
        (["--workspace", "--entity", "e", "--project", "p"], "Run `wandb login`"),
        (["results", "--projct", "p"], "--projct"),
    ],
)
def test_bad_input_is_one_message(
    arguments: list[str],
    words: str,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(store.path.parent)
    monkeypatch.setenv("NETRC", str(store.path / "none"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert words in told(arguments, capsys)


def test_a_folder_that_cannot_be_written_is_one_message(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (store.path / "wandb").write_text("in the way")
    assert "wandb: File exists. Give a writable store" in told([str(store.path), "--wandb", "offline"], capsys)


def test_a_newer_schema_is_one_message(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    from bench.store.sealed import seal

    path = next((store.path / "cells").iterdir())
    content = json.loads(path.read_text()) | {"schema_number": 99}
    del content["checksum"]
    path.write_bytes(seal(content))
    assert "schema" in told([str(store.path), "--wandb", "offline"], capsys)


# -- the dashboard ----------------------------------------------------------------------------------------------------


def test_the_workspace_is_the_golden_one() -> None:
    """After a change that is meant: run with UPDATE_GOLDEN=1, and read the difference."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own validators are written in pydantic's older style
        pytest.importorskip("wandb_workspaces")
        from bench.mirror.workspace import workspace

        found = without_ids(workspace("someone", "a-project", ["adding", "ner:hop=2"])._spec)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    assert found == json.loads(GOLDEN.read_text())
    drawn = {
        name
        for section in found["spec"]["section"]["panelBankConfig"]["sections"]
        for panel in section["panels"]
        for name in (panel["config"]["xAxis"], *panel["config"]["metrics"])
    }
    result = results()[0]
    logged = {name for item in rows(result) for name in item}
    missing = {name for name in drawn if "ner" not in name} - logged
    assert missing == {"profile/adding/end/hidden"}, "all but the factories' missing quantity is there to be drawn"


def without_ids(value: Any) -> Any:
    """The ids of panels are drawn at random."""
    if isinstance(value, dict):
        return {key: without_ids(item) for key, item in value.items() if key not in ("__id__", "id", "ref")}
    return [without_ids(item) for item in value] if isinstance(value, list) else value
