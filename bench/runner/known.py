"""What a study's file of results holds: these cells are not measured again (`python -m bench.paper --known`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.records.cell import Cell
from bench.records.entry import Entry
from bench.records.errors import UsageError
from bench.records.paper import Paper
from bench.records.result import ANSWERS
from bench.records.sweep import Sweep
from bench.runner import papers
from bench.runner.plan import plan

Row = dict[str, Any]
Setting = tuple[str, str, str, int]  # the hash of the sweep that tries its rates; task, model, length


@dataclass(frozen=True)
class Known:
    """The cells of a study that a file of results holds.

    rows: by key. cells: those of the rows. rates: of the settings of which it reports a cell; their rates are chosen.
    aside: cells that only tried other rates of these settings, and have no row: nobody needs them any more.
    """

    rows: Mapping[str, Row] = field(default_factory=dict)
    cells: Sequence[Cell] = ()
    rates: Mapping[Setting, float] = field(default_factory=dict)
    aside: Sequence[Cell] = ()

    @classmethod
    def of(cls, rows: Iterable[Row], content: Paper) -> Known:
        """Find the cells of a study among rows; those of other studies and recipes, and failures, are left out.

        Raises:
            UsageError: a row is not about the cell whose key it has.
        """
        answered = {row["key"]: row for row in rows if row["status"] in ANSWERS}
        tried: dict[str, tuple[Cell, Setting]] = {}
        cells: dict[str, Cell] = {}
        rates: dict[Setting, float] = {}
        for sweep in content.sweeps:
            tuning = papers.tuning(sweep, content)
            for cell in (item.cell for item in plan(sweep)):
                if cell.key in answered:
                    cells[cell.key] = cell
                    if answered[cell.key]["chosen"]:
                        rates[_setting(cell, tuning)] = cell.recipe.learning_rate
            tried |= {item.cell.key: (item.cell, _setting(item.cell, tuning)) for item in plan(tuning)}
        cells |= {key: cell for key, (cell, _) in tried.items() if key in answered}
        for key, cell in cells.items():
            _check(answered[key], cell)
        return cls(
            rows={key: answered[key] for key in cells},
            cells=list(cells.values()),
            rates=rates,
            aside=[cell for key, (cell, setting) in tried.items() if setting in rates and key not in cells],
        )

    def rate(self, tuning: Sweep, task: Entry, model: Entry, length: int) -> float | None:
        """Return the rate that was chosen for a setting; None where that is not known."""
        return self.rates.get((tuning.hash, *papers.named(task, model, length), length)) if self.rates else None

    def untried(self, tuning: Sweep) -> list[Sweep]:
        """Return sweeps of the settings whose rates must still be tried: the sweep itself, where no rate is known."""
        parts: dict[tuple[Entry, int], list[Entry]] = {}
        for task in tuning.tasks:
            for length in tuning.lengths:
                for model in tuning.models:
                    if self.rate(tuning, task, model, length) is None:
                        parts.setdefault((task, length), []).append(model)
        if sum(map(len, parts.values())) == len(tuning.tasks) * len(tuning.lengths) * len(tuning.models):
            return [tuning]
        return [
            tuning.model_copy(update={"tasks": (task,), "models": tuple(models), "lengths": (length,)})
            for (task, length), models in parts.items()
        ]

    def unmeasured(self, sweep: Sweep) -> tuple[int, ...] | None:
        """Return the seeds of a sweep of one setting and rate that have no row; as it names them, where none has."""
        cells = [item.cell for item in plan(sweep)]
        missing = tuple(cell.seed for cell in cells if cell.key not in self.rows)
        return sweep.seeds if len(missing) == len(cells) else missing


NOTHING = Known()


def _check(row: Row, cell: Cell) -> None:
    held = tuple(row[name] for name in ("task", "model", "length", "seed", "learning_rate"))
    expected = (cell.task, cell.model, cell.length, cell.seed, cell.recipe.learning_rate)
    if held != expected:
        raise UsageError(
            f"--known: the row with key {cell.key} says {', '.join(map(str, held))}; the cell of this key is "
            f"{', '.join(map(str, expected))}. The file was changed by hand, or two cells were mixed up: leave it out."
        )


def _setting(cell: Cell, tuning: Sweep) -> Setting:
    return tuning.hash, cell.task, cell.model, cell.length
