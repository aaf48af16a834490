from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.records.asked import Asked, AskedCell
from bench.records.cell import Cell, DataIdentity
from bench.records.sweep import Sweep
from bench.runner.plan import plan
from bench.status import main
from bench.store import Store
from bench.store.leases import Leases
from bench.store.sealed import seal
from tests.support.factories import a_failure, a_result

SWEEP = Sweep(tasks="adding,char_lm", models="rnn,lstm", lengths="10", budget="smoke")
CELLS = [planned.cell for planned in plan(SWEEP)]
REAL = DataIdentity(name="shakespeare", sha256="ab" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of which four cells were asked; the corpus of two is not known yet."""
    store = Store(tmp_path / "results", create=True)
    store.record_sweep(Asked.of(SWEEP, [AskedCell(cell, known=cell.task != "char_lm") for cell in CELLS]))
    return store


def known(cell: Cell) -> Cell:
    return cell.model_copy(update={"data": REAL}) if cell.task == "char_lm" else cell


def shown(store: Store, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main([str(store.path)])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, captured.out


def test_nothing_is_done_yet(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = shown(store, capsys)
    assert code == 0
    assert "adding,char_lm × rnn,lstm × 10, budget smoke" in text
    assert "4 cells: 0 done, 4 missing, none running; about" in text


def test_done_failed_missing_and_running(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    adding, text_cells = CELLS[:2], CELLS[2:]
    assert {cell.task for cell in text_cells} == {"char_lm"}
    store.publish(a_result(adding[0]))
    store.publish(a_failure(adding[1], status="timeout", error="stopped after 9 s\nhere"))
    store.publish(a_result(known(text_cells[0]), status="diverged", score=None))
    store.publish(a_result(adding[0].model_copy(update={"seed": 77})))
    with Leases(store, SWEEP.hash, 3) as leases:
        leases.take(known(text_cells[1]).key)
        code, text = shown(store, capsys)
    assert code == 1
    assert "4 cells: 2 done (1 diverged, 1 ok), 1 failed (1 timeout), 1 missing (1 of them running); about" in text
    assert f"running: process {os.getpid()} on " in text
    assert ", 3 workers, cells: 1\n" in text
    assert "timeout  stopped after 9 s\n" in text
    assert "--retry-failed" in text
    store.publish(a_result(adding[1]))
    store.publish(a_result(known(text_cells[1])))
    code, text = shown(store, capsys)
    assert code == 0
    assert "4 cells: 4 done (1 diverged, 3 ok)\n" in text


def test_a_corrupt_record_is_said(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.publish(a_result(CELLS[0]))
    (path,) = (store.path / "cells").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    code, text = shown(store, capsys)
    assert code == 1
    assert f"corrupt: {path}" in text
    assert path.exists(), "status writes nothing"


def test_a_file_name_makes_no_line_of_its_own(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (store.path / "cells" / "a\nfailed: everything.json").write_text("x")
    code, text = shown(store, capsys)
    assert code == 1
    assert not any(line.startswith("failed:") for line in text.splitlines())
    assert "cells/a failed: everything.json" in text


def test_a_sweep_of_another_version_is_not_counted(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    content = Asked.of(SWEEP, map(AskedCell, CELLS)).written()
    (store.path / "sweeps" / "ab.json").write_bytes(seal(content | {"cells": [{"task": "adding"}]}))
    code, text = shown(store, capsys)
    assert code == 0
    assert "a sweep of another version of the suite is not counted" in text
    assert "4 cells: 0 done, 4 missing" in text, "the others are"


@pytest.mark.parametrize("arguments", [["nowhere"], ["--storr", "x"]])
def test_bad_usage(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("bench.status: ")


def test_status_needs_no_torch(store: Store) -> None:
    said = f"import sys, bench.status; bench.status.main([{str(store.path)!r}])"
    code = f"{said}; assert not {{'torch', 'pandas'}} & {{*sys.modules}}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL)


def test_a_rate_that_was_stopped_needs_no_result(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *others = CELLS
    cells = [AskedCell(first, stopped=5), AskedCell(second, stopped=5), *map(AskedCell, others)]
    store.record_sweep(Asked.of(SWEEP, cells))
    other = Sweep(tasks="adding", models=second.model, lengths="10", budget="smoke")
    store.record_sweep(Asked.of(other, [AskedCell(second)]))
    _, text = shown(store, capsys)
    assert "    4 cells: 0 done, 2 stopped with their rates, 2 missing\n" in text
    assert ": 4 cells: 0 done, 1 stopped with their rates, 3 missing, none running" in text, "the other one goes on"
