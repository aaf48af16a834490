"""Jobs of a few small steps, and what two runs of one have in common."""

from __future__ import annotations

from typing import Any

from bench.records.job import Finished, Job, Surroundings
from bench.records.result import Result
from bench.records.sweep import Sweep
from bench.runner.plan import plan
from bench.trial import trial

HERE = Surroundings()


EXAMPLES = "tests.support.examples"


def a_job(model: str = f"{EXAMPLES}:Mean", task: str = "adding", length: int = 6, **values: Any) -> Job:
    """A job of a few small steps. recipe fields that a sweep does not have are given too (evaluate_every, probes)."""
    fields = {"hidden": 4, "batch_size": 4, "steps": 10} | values
    recipe = {name: fields.pop(name) for name in ("evaluate_every", "probes") if name in fields}
    sweep = Sweep(tasks=task, models=model, lengths=length, **fields)  # type: ignore[arg-type]
    cell = plan(sweep)[0].cell
    return Job(cell.model_copy(update={"recipe": cell.recipe.model_copy(update={"probes": 0} | recipe)}))


def run(job: Job) -> Finished:
    return trial.run(job, HERE)


# What may differ between two runs of the same cell.
MEASURED = ("seconds", "steps_per_second", "peak_memory_mb", "provenance")


def but_for_time(result: Result) -> dict[str, Any]:
    return {name: value for name, value in result.model_dump().items() if name not in MEASURED}
