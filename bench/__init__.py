"""A benchmark suite for long-range dependencies.

For notebooks and scripts: `measure` a sweep, `load` its results, `curves` and `gradients` as data frames, a `figure` as
a chart, the `weights` of a stored model. All of it stands in a store, as with `python -m bench.run`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import altair
    import pandas

    from bench.records.cell import Cell
    from bench.records.job import Source
    from models.base import SequenceModel

__all__ = ["curves", "figure", "gradients", "load", "measure", "weights"]


def measure(*, store: Path | str = "results", **asked: Any) -> pandas.DataFrame:
    """Measure what is missing of a sweep, and return the results of its cells, as `load` does.

    asked: the flags of `python -m bench.run` by name, as text or as values: tasks="copying,adding",
    models=["lstm", "gru:reset=before"], lengths=[10, 100], seeds=[0, 1], workers=2, … The same call again resumes.

    Raises:
        UsageError: an unknown name, or a value that does not fit.
        KeyboardInterrupt: interrupted; what finished is stored.
    """
    from bench import run
    from bench.cli.command import EXIT_INTERRUPTED
    from bench.cli.settings import configured
    from bench.store import Store

    sweep, settings = configured(asked | {"store": str(store)})
    if run.measure([sweep], settings, table=False) == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    held = Store(store)
    keys = {item.key for one in held.sweeps() if one.hash == sweep.hash for item in one.cells}
    frame = held.frame()
    return frame[frame["key"].isin(keys)].reset_index(drop=True)


def load(store: Path | str = "results") -> pandas.DataFrame:
    """Return the results of a store as a DataFrame: one row per cell, columns as in docs/results-format.md.

    Rows are ordered by task, model, length, seed and learning rate.

    Raises:
        StoreError: there is no store at this path, or its records are of a newer schema.
    """
    from bench.store import Store

    return Store(store).frame()


def curves(store: Path | str = "results") -> pandas.DataFrame:
    """Return how training went: one row per cell and optimisation step.

    Columns: key, task, model, length, seed, learning_rate, step (from 1), train_loss, gradient_norm (before clipping),
    validation_score (where there was a validation, else NaN).

    Raises:
        StoreError: as `load`.
    """
    import pandas

    from bench.records.row import CURVE_COLUMNS, curve_rows
    from bench.store import Store

    rows = (row for result in Store(store).ordered() for row in curve_rows(result))
    return pandas.DataFrame(rows, columns=list(CURVE_COLUMNS))


def gradients(store: Path | str = "results") -> pandas.DataFrame:
    """Return gradient flow: one row per cell, probed training step, quantity and distance.

    Columns: key, task, model, length, seed, learning_rate, step, quantity, distance (steps back from the answer),
    log10_norm (median over the probed sequences), and of the whole profile rate, half_life and verdict.

    Raises:
        StoreError: as `load`.
    """
    import pandas

    from bench.records.row import GRADIENT_COLUMNS, gradient_rows
    from bench.store import Store

    rows = (row for result in Store(store).ordered() for row in gradient_rows(result))
    return pandas.DataFrame(rows, columns=list(GRADIENT_COLUMNS))


def figure(
    name: str = "",
    store: Path | str = "results",
    *,
    tasks: Sequence[str] = (),
    models: Sequence[str] = (),
    lengths: Sequence[int] = (),
    label: Mapping[str, str] = MappingProxyType({}),
) -> altair.TopLevelMixin:
    """Return a figure of a report as an Altair chart, which shows itself in a notebook.

    name: as `python -m reports.figure STORE` lists them: "score", "copying-gradient-input". store: a folder of results,
    or a study, by its name or its file. tasks, models, lengths: only these. label: other names for models, by entry.

    Raises:
        StoreError: as `load`.
        UsageError: no such figure, task, model or length; the message names the nearest.
    """
    import altair

    from reports.figure import figures
    from reports.view.command import Naming, chosen

    choice = Naming(
        tasks=",".join(tasks),
        models=",".join(models),
        lengths=",".join(map(str, lengths)),
        label=tuple(f"{entry}={own}" for entry, own in label.items()),
    )
    drawn = figures(choice, str(store))()
    return altair.Chart.from_dict(drawn[chosen("figure", name, drawn)].spec)


def weights(key: str, store: Path | str = "results", *, data: Path | str | None = None) -> SequenceModel:
    """Return the trained model of a stored cell, in evaluation mode. key: as in the column `key`.

    data: the folder of corpora, where the cell's task reads one (default: BENCH_DATA, the cache).

    Raises:
        StoreError: there is no such store, or it holds no such weights.
        UsageError: the cell's corpus cannot be found.
        ValueError: the weights are not those of this model any more.
    """
    from bench.store import Store
    from bench.trial.asking import rebuilt

    held = Store(store)
    stored = held.weights(key)
    answer = held.answer(key)
    assert answer is not None
    return rebuilt(answer.cell, _source(answer.cell, data), stored)[1].eval()


def _source(cell: Cell, data: Path | str | None) -> Source | None:
    """Return where the corpus of a cell lies on this machine; None where its task reads none."""
    from bench.cli.settings import Settings
    from bench.records.errors import UsageError
    from bench.run import resolver
    from bench.runner import questions

    if cell.data is None:
        return None
    if not questions.own_corpus(cell):
        settings = Settings(data=None if data is None else str(data))
        resolved = resolver(settings)(questions.request(cell, {}), True)
        if resolved.data.sha256 == cell.data.sha256:
            return resolved.source
    raise UsageError(f"{cell.data.name}, which cell {cell.key} was trained on, is not found here: give data=FOLDER")
