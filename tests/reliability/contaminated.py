"""Every change that a class can do to its process, followed by the suite's five models, by one worker: whether their
numbers are those of a clean process, bit for bit.

    python -m tests.reliability.contaminated
"""

from __future__ import annotations

import time
from typing import Any

from bench.engines.local import LocalEngine
from bench.records.job import Surroundings
from tests.support.contaminations import WHAT
from tests.support.jobs import a_job, but_for_time

FIVE = [a_job(model, task="copying") for model in ("rnn", "gru", "lstm", "attention", "transformer")]


def outcomes(engine: LocalEngine, *before: Any) -> dict[str, Any]:
    """The five's records, without what is measured in time, after other jobs."""
    results = [finished.result for finished in engine.run([*before, *FIVE])]
    return {result.cell.model: but_for_time(result) for result in results[len(before) :]}


def main() -> None:
    began = time.perf_counter()
    with LocalEngine(Surroundings(), workers=1) as engine:
        clean = outcomes(engine)
        wrong = 0
        for what in WHAT:
            found = outcomes(engine, a_job(f"tests.support.contaminations:Changes:what={what}"))
            differ = [model for model in clean if found[model] != clean[model]]
            wrong += len(differ)
            print(f"{what:<14}{'differ: ' + ', '.join(differ) if differ else 'equal'}", flush=True)
    print(f"{len(WHAT)} changes × {len(FIVE)} models: {wrong} wrong, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
