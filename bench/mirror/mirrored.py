"""What of a cell goes to W&B, and under which names: the identity of its run, its rows and its summary.

A panel of W&B cannot choose among runs, only among metrics. So a metric is called `<kind>/<task>/<what>`, which is what
makes a section per task possible and keeps units apart. Every number is one of the stored record's, unchanged.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.records import foreign
from bench.records.cell import Cell, Entry
from bench.records.result import GradientFlow, Result
from bench.records.row import row

EVERY = 25  # optimisation steps between two rows of training
LONGEST_NAME = 128  # letters that W&B allows for a run's name or group
LONGEST_TAG = 64
# Metrics by prefix, and what they are drawn against.
AXES = {
    "train/*": "step",
    "gradient/*": "step",
    "validation/*": "step",
    "profile/*": "profile/distance",
    "results/*": "results/length",
}

Row = dict[str, Any]
Numbers = Sequence[float | None]


# -- identity ---------------------------------------------------------------------------------------------------------


def run_id(cell: Cell, attempt: int) -> str:
    """Return the id of a cell's run: the key, and the number of the attempt at mirroring the cell, from 1."""
    return f"{cell.key}-{attempt}"


def group(cell: Cell) -> str:
    """Return the group of a cell's run: runs of one group have the same task, model and length."""
    return _limited(f"{cell.task}/{cell.model}/T{cell.length}", LONGEST_NAME)


def name(cell: Cell) -> str:
    """Return a run's name, for people."""
    return _limited(cell.label, LONGEST_NAME)


def tags(cell: Cell) -> tuple[str, ...]:
    """Return task, model and length, without options."""
    words = (Entry.parse(cell.task).name, Entry.parse(cell.model).name, f"T{cell.length}")
    return tuple(dict.fromkeys(_limited(word, LONGEST_TAG) for word in words))


def config(cell: Cell, sweep: str, attempt: int) -> Row:
    """Return a run's configuration: its cell's identity, its sweeps' hashes and the number of its attempt."""
    return identity(cell) | {"sweep": sweep, "attempt": attempt}


def identity(cell: Cell) -> Row:
    """Return what a cell is, flat, so that W&B and TensorBoard can filter and group by it.

    Options that are not at their defaults stand apart too, as `model_option_leak`.
    """
    recipe = cell.recipe.values
    options = {
        f"{kind}_option_{foreign.line(name)}": _number(str(value))
        for kind, text in (("task", cell.task), ("model", cell.model))
        for name, value in Entry.parse(text).options
    }
    return {
        "task": foreign.line(cell.task),
        "model": foreign.line(cell.model),
        **options,
        "length": cell.length,
        "seed": cell.seed,
        **{"recipe_version" if name == "version" else name: value for name, value in recipe.items()},
        "task_version": cell.versions.task,
        "model_version": cell.versions.model,
        "code": cell.code,
        "data": cell.data.name if cell.data else None,
        "data_sha256": cell.data.sha256 if cell.data else None,
        "cell": cell.key,
    }


def _number(text: str) -> int | float | str:
    """Return a number where the text is one, so that W&B sorts and draws it as one."""
    if not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text, re.ASCII):
        return foreign.line(text)
    return int(text) if text.lstrip("-").isdigit() else float(text)


def origin(result: Result) -> Row:
    """Return where a result comes from, flat; it is known only after the cell has run."""
    if result.provenance is None:
        return {}
    fields = result.provenance.model_dump(exclude={"libraries"})
    return fields | {f"version_{library}": version for library, version in result.provenance.libraries.items()}


def metric(kind: str, task: str, what: str) -> str:
    """Return the name of a metric. It has no dots, because W&B takes what follows one for a key inside a table."""
    return f"{kind}/{re.sub(r'[^A-Za-z0-9_+=-]', '_', task)}/{foreign.line(what).replace('.', '/')}"


def _limited(text: str, letters: int) -> str:
    """Return `text`, cut where W&B would refuse it; a hash at the end still tells two cut texts apart."""
    safe = foreign.line(text)
    if len(safe) <= letters:
        return safe
    return f"{safe[: letters - 9]}~{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:8]}"


# -- rows -------------------------------------------------------------------------------------------------------------


def training_rows(
    task: str, first: int, losses: Numbers, norms: Numbers, parameter_norms: Mapping[int, Mapping[str, float | None]]
) -> Iterator[Row]:
    """Yield loss and gradient norms of every 25th step. losses, norms: of the steps from `first` on. A row's `step`
    counts the optimisation steps before it, as a validation's does: both are of the same weights."""
    for step in range(first + -first % EVERY, first + len(losses), EVERY):
        parameters = parameter_norms.get(step, {}).items()
        yield _known(
            {
                "step": step,
                metric("train", task, "loss"): losses[step - first],
                metric("gradient", task, "norm"): norms[step - first],
                **{metric("gradient", task, f"parameter/{parameter}"): norm for parameter, norm in parameters},
            }
        )


def validation_rows(task: str, step: int, score: float | None) -> Iterator[Row]:
    """Yield the score of one validation, as one row."""
    yield _known({"step": step, metric("validation", task, "score"): score})


def profile_rows(task: str, when: str, flow: GradientFlow) -> Iterator[Row]:
    """Yield one snapshot of gradient flow, a row per distance: log10 of the median norm of each quantity."""
    for index, distance in enumerate(flow.distances):
        series = {name: profile.log10_median[index] for name, profile in flow.profiles.items()}
        values = {metric("profile", task, f"{when}/{name}"): value for name, value in series.items()}
        yield _known({"profile/distance": distance, **values})


def result_row(result: Result) -> Row:
    """Return the one row that is drawn against length."""
    values = row(result)
    names = ("score", "chance", "skill", "solved_at_step", "memory_horizon", "steps_per_second")
    drawn = {metric("results", result.cell.task, name): values[name] for name in names}
    return _known({"results/length": result.cell.length, **drawn})


def summary(result: Result) -> Row:
    """Return the result as one flat row, named like a data frame's columns. What does not apply is left out."""
    return _known(foreign.throughout(row(result)))


def _known(values: Row) -> Row:
    return {name: value for name, value in values.items() if value is not None}
