"""Event files that TensorBoard reads: a run for each cell, made from the cell's record.

A run's name is a path, `copying/lstm/T100/rate=0.003,seed=0,1a2b3c4d`, so that TensorBoard's filter of runs takes
`copying/` or `lstm.*/T100/`. The bytes of a file follow from the record alone: the same record again changes nothing.
TensorBoard keeps numbers in single precision; otherwise every number is the record's. tensorboard is imported only
where files are written.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.mirror import mirrored
from bench.records import foreign
from bench.records.cell import Cell
from bench.records.result import GradientFlow, Result
from bench.records.row import row

FILE = "events.out.tfevents.cell"  # TensorBoard reads every file with `tfevents` in its name
VERSION = "brain.Event:2"
LONGEST = 100  # letters of a task or a model in a run's name
AT_THE_END = ("score", "chance", "skill")


class Scalar(NamedTuple):
    """A number of a run. at: the optimisation step or, where the tag says so, the distance in steps."""

    tag: str
    at: int
    value: float


class Written(NamedTuple):
    """The numbers of runs written, and of those whose files were the same before (there)."""

    sent: int
    there: int


def write(results: Iterable[Result], folder: Path) -> Written:
    """Write the run of each result below `folder`, and leave alone what is there already.

    Raises:
        ImportError: tensorboard is not installed.
        OSError: a file cannot be written.
    """
    new = [_replaced(folder / run_name(result.cell) / FILE, encoded(result)) for result in results]
    return Written(sum(new), len(new) - sum(new))


def _replaced(path: Path, content: bytes) -> bool:
    """Write a file as a whole, unless it holds the same; return whether it was written."""
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".unfinished-{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.replace(path)
    return True


def run_name(cell: Cell) -> str:
    """Return the name of a cell's run: its folder, and what TensorBoard's filter of runs is matched with. The start of
    the key tells apart cells that differ in something else."""
    rate, key = cell.recipe.values["learning_rate"], cell.key[:8]
    return f"{_part(cell.task)}/{_part(cell.model)}/T{cell.length}/rate={rate:g},seed={cell.seed},{key}"


def _part(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_+=.-]", "_", text)[:LONGEST].lstrip(".") or "_"


# -- what a run holds -------------------------------------------------------------------------------------------------


def scalars(result: Result) -> Iterator[Scalar]:
    """Yield the numbers of a result. A training step's `at` counts the optimisation steps before it, as a validation's
    does: both are of the same weights."""
    curves = result.curves
    yield from _series("train/loss", enumerate(curves.train_loss))
    yield from _series("train/gradient_norm", enumerate(curves.gradient_norm))
    yield from _series("validation/score", curves.validation)
    for flow in result.gradient_flow:
        yield from _profiles(flow, {result.steps: "end", 0: "initial"}.get(flow.step))
    at_the_end = row(result)
    for name in AT_THE_END:
        yield from _series(f"test/{name}", [(result.steps, at_the_end[name])])


def _series(tag: str, points: Iterable[tuple[int, float | None]]) -> Iterator[Scalar]:
    return (Scalar(tag, at, value) for at, value in points if value is not None)


def _profiles(flow: GradientFlow, when: str | None) -> Iterator[Scalar]:
    """Yield log10 of the median gradient norm of each quantity against the distance from the answer."""
    for name, profile in flow.profiles.items() if when else ():
        tag = f"with_distance/log10_gradient_at_{name}_{when}"
        yield from _series(tag, zip(flow.distances, profile.log10_median, strict=True))


def parameters(cell: Cell) -> dict[str, str | int | float | bool]:
    """Return what a cell is, for TensorBoard's table of hyperparameters."""
    return {
        name: value if isinstance(value, str | int | float) else json.dumps(value)
        for name, value in mirrored.identity(cell).items()
        if value is not None and name != "cell"  # which is the name of the trial
    }


# -- as a file --------------------------------------------------------------------------------------------------------


def encoded(result: Result) -> bytes:
    """Return the event file of a result.

    The time of a point is worked out from the cell's start and its steps per second.

    Raises:
        ImportError: tensorboard is not installed.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    start = datetime.fromisoformat(result.provenance.started).timestamp() if result.provenance else 0.0
    pace = 1 / result.steps_per_second if result.steps_per_second else 0.0
    file = io.BytesIO()
    records = RecordWriter(file)

    def put(**fields: Any) -> None:
        records.write(Event(**fields).SerializeToString(deterministic=True))

    put(wall_time=start, file_version=VERSION)
    put(wall_time=start, summary=_hyperparameters(result.cell, start))
    for tag, at, value in scalars(result):
        number = Summary.Value(tag=foreign.line(tag), simple_value=value)
        put(wall_time=start + at * pace, step=at, summary=Summary(value=[number]))
    return file.getvalue()


def _hyperparameters(cell: Cell, start: float) -> Any:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    summary = hparams_pb(parameters(cell), trial_id=cell.key, start_time_secs=start)
    data = summary.value[0].metadata.plugin_data
    # tensorboard writes the names in another order in each process.
    data.content = HParamsPluginData.FromString(data.content).SerializeToString(deterministic=True)
    return summary
