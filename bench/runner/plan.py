"""From a Sweep to its cells: every combination that was asked for, and the corpora that these cells need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import catalog
from bench.engines.placement import shard
from bench.records.cell import Cell, DataIdentity, Entry, Recipe, Versions
from bench.records.estimate import Estimate
from bench.records.job import Job, Source
from bench.records.sweep import Sweep


@dataclass(frozen=True)
class Request:
    """A task's request for a corpus. fallback: the corpus that is taken where the one asked for cannot be had. option:
    the task's option that names it."""

    corpus: str
    fallback: str
    option: str = "corpus"


@dataclass(frozen=True)
class Resolved:
    """The corpus that answers a request. note: a line for people, such as that the fallback is used."""

    data: DataIdentity
    source: Source
    note: str | None = None


# Finds a corpus. With False it looks only at this machine, and returns None where a download would be needed. Raises
# BenchError or OSError where the corpus cannot be had.
Resolve = Callable[[Request, bool], Resolved | None]


@dataclass(frozen=True)
class Planned:
    """A cell whose corpus may not be here yet. task: the task's name; options: those that differ from their default."""

    cell: Cell
    task: str
    options: tuple[tuple[str, Any], ...]
    request: Request | None

    def with_data(self, resolved: Resolved | None) -> Job:
        """Return the cell's job: the cell with its data, and where these lie."""
        if resolved is None or self.request is None:
            return Job(self.cell)
        entry = self.cell.task
        if Path(resolved.source.corpus).is_absolute():  # a user's own file is known by its content, not by its path
            options = dict(self.options) | {self.request.option: resolved.data.sha256[:12]}
            entry = Entry(self.task, tuple(options.items())).text
        return Job(self.cell.model_copy(update={"task": entry, "data": resolved.data}), resolved.source)


def plan(sweep: Sweep) -> list[Planned]:
    """Return the cells of a sweep, shortest sequences first.

    Raises:
        CatalogError: an unknown task, model, option or value; a length below a task's minimum.
    """
    planned = []
    for task_entry in sweep.tasks:
        task = catalog.card("task", task_entry.name)
        options = task.values(task_entry.options)
        request = _request(task, options)
        task_text = _canonical(task, options)
        for length in sweep.lengths:
            if length < task.minimum_length:
                raise catalog.CatalogError(
                    f"task {task.name}: length must be at least {task.minimum_length}, got {length}. Change --lengths."
                )
        for model_entry in sweep.models:
            model = catalog.card("model", model_entry.name)
            model_text = _canonical(model, model.values(model_entry.options))
            versions = Versions(task=task.version, model=model.version)
            code = catalog.code(task.name, model.name)
            for length, seed, recipe in _recipes(sweep, task, model):
                cell = Cell(
                    task=task_text,
                    model=model_text,
                    length=length,
                    seed=seed,
                    recipe=recipe,
                    versions=versions,
                    code=code,
                )
                planned.append(Planned(cell, task.name, tuple(options.items()), request))
    return sorted(dict.fromkeys(planned), key=lambda item: item.cell.length)


def _recipes(sweep: Sweep, task: catalog.Card, model: catalog.Card) -> Iterator[tuple[int, int, Recipe]]:
    for length in sweep.lengths:
        for seed in sweep.resolved_seeds:
            for rate in sweep.resolved_rates(model.documented_learning_rate):
                yield length, seed, _settled(sweep.recipe(length, task.tokens_per_step, rate))


def _settled(recipe: Recipe) -> Recipe:
    """Return the recipe with canonical texts of the functions that it names, and its version raised once for each
    change of their numbers."""
    settled: dict[str, Any] = {}
    changes = 0
    for kind in catalog.TABLES:
        text = recipe.values[kind]
        if text is not None:
            entry = Entry.parse(str(text))
            card = catalog.function(kind, entry.name)
            settled[kind] = _canonical(card, card.values(entry.options))
            changes += card.version - 1
    return recipe.model_copy(update=settled | {"version": recipe.version + changes})


def _request(task: catalog.Card, options: dict[str, Any]) -> Request | None:
    option, fallback = task.data_option, task.data_fallback
    if fallback is None or (task.own_data is not None and option not in options):
        return None  # the default of own_data is no data, and no part of the cell's identity
    return Request(options.get(option, task.options[option].default), fallback, option)


def _canonical(card: catalog.Card, options: dict[str, Any]) -> str:
    return Entry(card.name, tuple(options.items())).text


def share(planned: list[Planned], part: tuple[int, int] | None) -> list[Planned]:
    """Return part i of n (from 1) of a sweep's cells, the same wherever it is computed; None: all of them."""
    estimate = Estimate()
    return planned if part is None else shard(planned, lambda item: estimate.seconds(item.cell), *part)
