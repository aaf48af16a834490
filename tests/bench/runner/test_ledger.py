"""Stored, leased, settled: what the ledger says of a cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.records.cell import Cell
from bench.records.job import Job
from bench.runner.ledger import Ledger
from bench.store import Store
from bench.store.leases import Leases
from tests.support.factories import a_cell, a_failure, a_result

STORED, FAILED, OPEN = (a_cell(seed=seed) for seed in range(3))
JOBS: list[Job] = [Job(cell) for cell in (STORED, FAILED, OPEN)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path, create=True)
    store.publish(a_result(STORED))
    store.publish(a_failure(FAILED))
    return store


@pytest.mark.parametrize(("retry", "missing"), [(False, [OPEN]), (True, [FAILED, OPEN])])
def test_what_is_missing(store: Store, retry: bool, missing: list[Cell]) -> None:
    skipped: list[Any] = []
    ledger = Ledger(store, store.results_shelf, skipped.append, retry_failed=retry)
    assert [job.cell for job in ledger.missing(JOBS)] == missing
    assert ledger.missing(JOBS) == [], "each cell is entered once"
    assert ledger.stored == len(skipped) == 3 - len(missing)
    found = ledger.records()
    assert {key: result and result.status for key, result in found.items()} == {
        STORED.key: "ok",
        FAILED.key: "error",
        OPEN.key: None,
    }


def test_a_cell_is_measured_by_who_holds_its_lease(store: Store) -> None:
    ledger = Ledger(store, store.results_shelf, lambda cell: None, retry_failed=False)
    with Leases(store, "ab", 1) as own, Leases(store, "ab", 1) as other:
        assert other.take(OPEN.key)
        assert not ledger.take(JOBS[2], own)
        other.release(OPEN.key)
        assert ledger.take(JOBS[2], own)
        assert not ledger.take(JOBS[0], own), "it is stored"


@pytest.mark.parametrize("settle", [a_result, a_failure])
def test_a_cell_that_is_stored_while_it_is_leased_is_left(
    store: Store, settle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(store, store.results_shelf, lambda cell: None, retry_failed=False)
    monkeypatch.setattr(store.results_shelf, "refresh", lambda: store.publish(settle(OPEN)))
    with Leases(store, "ab", 1) as own:
        assert not ledger.take(JOBS[2], own)
        assert not list((store.path / "leases").iterdir()), "the lease is given back"
    assert ledger.unsettled([JOBS[2]]) == []


def test_a_failure_from_before_this_runner_settles_nothing(store: Store) -> None:
    ledger = Ledger(store, store.results_shelf, lambda cell: None, retry_failed=True)
    assert ledger.unsettled([JOBS[1]]) == [JOBS[1]]
    store.publish(a_failure(FAILED))
    assert ledger.unsettled([JOBS[1]]) == []
