"""Write the golden store of the present schema: `python -m tests.golden.make`. Run once per schema, before its release;
a golden store of a released schema is never written again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from bench.records.asked import Asked, AskedCell
from bench.records.job import Job, Surroundings
from bench.records.result import SCHEMA
from bench.records.row import COLUMNS, row
from bench.records.sweep import Sweep
from bench.store import Store
from bench.trial import trial

FOLDER = Path(__file__).parent
ASKED = Sweep(
    tasks="adding,copying",  # type: ignore[arg-type]
    models="lstm,transformer",  # type: ignore[arg-type]
    lengths="4",  # type: ignore[arg-type]
    hidden=4,
    batch_size=2,
    steps=12,
    budget="smoke",
)


def expected(store: Store) -> list[dict[str, object]]:
    """The store's table, by key."""
    return [row(result) for result in sorted(store.results(), key=lambda result: result.cell.key)]


def main() -> None:
    """Two answers, one diverged cell, one failed cell, and the sweep that asked for them."""
    from bench.runner.plan import plan
    from tests.support.factories import a_failure

    torch.set_num_threads(1)
    folder = FOLDER / f"schema-{SCHEMA}"
    shutil.rmtree(folder, ignore_errors=True)
    store = Store(folder / "results", create=True)
    cells = [planned.cell for planned in plan(ASKED)]
    store.record_sweep(Asked.of(ASKED, map(AskedCell, cells)))
    for cell in cells[:3]:
        finished = trial.run(Job(cell), Surroundings())
        provenance = finished.result.provenance
        assert provenance is not None
        unknown = {"git_commit": None, "git_dirty": None}
        result = finished.result.model_copy(update={"provenance": provenance.model_copy(update=unknown)})
        if cell == cells[2]:
            result = result.model_copy(update={"status": "diverged", "score": None})
        store.publish(result, finished.weights)
    store.publish(a_failure(cells[3], status="timeout", error="stopped after 1 s (--timeout), attempt 2 of 2"))
    assert set(expected(store)[0]) == set(COLUMNS)
    (folder / "expected.json").write_text(json.dumps(expected(store), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
