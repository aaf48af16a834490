"""Build a job's task and model, and find before training what a recipe asks for in vain."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from bench import catalog
from bench.probes.undisturbed import seed_everything
from bench.records import foreign
from bench.records.cell import Cell, Entry
from bench.records.errors import BenchError
from bench.records.job import Job, Source
from bench.records.recipe import ByValue, Recipe
from bench.trial import sources
from models.base import OPTIMISERS, PENALTIES, SCHEDULES, Optimisation, SequenceModel, hidden_states
from tasks.base import Task, UnscorableError, generator

# Optimisation steps per Lightning batch, at most. A block of steps costs one pass through Lightning's loop, so 25 steps
# pay for it together; more would make progress reports coarse.
BLOCK = 25


def build(cell: Cell, source: Source | None) -> tuple[Task, SequenceModel]:
    """Return the task and the model of a cell, the weights drawn from the cell's seed. source: where its data lie.

    Raises:
        ValueError: an option is out of its range, the parameter budget fits no model, data are not the cell's.
        OSError, ImportError: data or an optional dependency are not there.
        CodeChangedError: the source text is not the one that the cell was planned with.
    """
    recipe = cell.recipe
    task_entry, model_entry = Entry.parse(cell.task), Entry.parse(cell.model)
    task_card, model_card = catalog.card("task", task_entry.name), catalog.card("model", model_entry.name)
    options: dict[str, Any] = {}
    if source is not None:
        options = {task_card.data_option: source.corpus, "folder": source.folder}
    given = [(key, value) for key, value in task_entry.options if key not in options]
    task: Task = task_card.load()(
        cell.length, seed=cell.seed, batch_size=recipe.batch_size, **(task_card.values(given) | options)
    )
    if cell.data is not None and (task.data is None or task.data.sha256 != cell.data.sha256):
        raise ValueError(f"the data of {cell.task} changed since the sweep began: expected sha256 {cell.data.sha256}")
    model_class = model_card.load()
    if not (inspect.isclass(model_class) and issubclass(model_class, SequenceModel)):
        raise ValueError(f"{model_entry.name} must be a subclass of models.base.SequenceModel")
    sources.unchanged(cell)
    seed_everything(generator(cell.seed, "initialisation").initial_seed())
    with _sized(model_entry.name, recipe):
        model: SequenceModel = model_class(
            task.spec,
            learning_rate=recipe.learning_rate,
            clip=recipe.largest_norm,
            **({"hidden": recipe.hidden} if recipe.hidden else {"parameters": recipe.parameters}),
            **model_card.values(model_entry.options),
        )
    if any(nn.parameter.is_lazy(parameter) for parameter in model.parameters()):
        with torch.no_grad():
            model(task.training_batch(0))  # the first pass gives lazy parameters their sizes
    if recipe.bptt is not None:
        truncate(model, recipe.bptt)
    model.optimisation = optimisation(recipe)
    _try(recipe, task, model)
    return task, model


@contextmanager
def _sized(name: str, recipe: Recipe) -> Iterator[None]:
    """Name the model that cannot be built without values, as the search for a width builds it, and the way out."""
    try:
        yield
    except (NotImplementedError, RuntimeError, TypeError) as error:
        said = foreign.line(foreign.message(error))
        if recipe.hidden or "meta" not in said.lower():
            raise
        raise ValueError(
            f"{name}: no width for {recipe.parameters} parameters can be found, because the search builds the model "
            f"without values, on the meta device, and its constructor needs some ({type(error).__name__}: {said}). "
            f"Give the width with --hidden"
        ) from error


def optimisation(recipe: Recipe) -> Optimisation:
    """Return the functions that a recipe names, with their options.

    Raises:
        CatalogError: an unknown function or option, or a value that it does not accept.
    """
    return Optimisation(
        optimiser=_function("optimiser", recipe.optimiser, OPTIMISERS),
        schedule=_function("schedule", recipe.schedule, SCHEDULES),
        penalty=None if recipe.penalty is None else _function("penalty", recipe.penalty, PENALTIES),
        largest_element=recipe.clip.value if isinstance(recipe.clip, ByValue) else None,
    )


def _function(kind: catalog.Kind, text: str, table: Mapping[str, Any]) -> Any:
    entry = Entry.parse(text)
    card = catalog.function(kind, entry.name)
    return partial(table[card.name], **card.values(entry.options))


def _try(recipe: Recipe, task: Task, model: SequenceModel) -> None:
    """Try, before training, what a recipe asks for.

    Raises:
        ValueError: an option is out of its range, the model has no hidden state to penalise, the task has one length.
    """
    if recipe.optimiser != Recipe.model_fields["optimiser"].default:
        with _named("--optimiser", recipe.optimiser):
            model.optimisation.optimiser([torch.nn.Parameter(torch.zeros(1))], recipe.learning_rate)
    if recipe.schedule != Recipe.model_fields["schedule"].default:
        with _named("--schedule", recipe.schedule):
            model.optimisation.schedule(0, 1)
    if recipe.penalty is not None:
        batch = task.training_batch(0).select(slice(0, 1))
        with (
            _named("--penalty", recipe.penalty, f"{type(model).__name__} cannot be trained with it: "),
            torch.no_grad(),
        ):
            hidden_states(model.states(model.embedding(batch.inputs), batch.reads)[1])
    if recipe.train_lengths != "fixed":
        with _named("--train-lengths", recipe.train_lengths, f"{type(task).__name__} has no other length: "):
            other = task.at(task.lengths()[0])
            if (other.spec.inputs, other.spec.outputs) != (task.spec.inputs, task.spec.outputs):
                raise ValueError("its inputs or outputs depend on the length")


@contextmanager
def _named(flag: str, value: str, why: str = "") -> Iterator[None]:
    """Name the flag that asked for what cannot be."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ValueError(f"{flag} {value}: {why}{error}. Change {flag}, or leave it out.") from None


def truncate(model: SequenceModel, steps: int) -> None:
    """Have `model` trained by truncated back-propagation, the gradient cut every `steps` steps.

    Raises:
        ValueError: the model carries no state from step to step in one direction.
    """
    if model.recurrence is None:
        raise ValueError(
            f"--bptt {steps} is for models that carry a state from step to step in one direction; "
            f"{type(model).__name__} does not. Leave --bptt out, or leave this model out."
        )
    model.recurrence.stretch = steps


def check(jobs: list[Job]) -> list[str]:
    """Return one message for every distinct fault that keeps a task or model from being built."""
    messages: dict[str, None] = {}
    for job in jobs:
        try:
            build(job.cell, job.source)
        except UnscorableError:  # the data's fault and not the command's: it becomes the cell's row
            continue
        except (BenchError, ValueError, TypeError, OSError) as error:
            messages[foreign.message(error)] = None
        except Exception:  # a fault of the model's own code becomes its cell's row, with where it happened
            continue
    return list(messages)


def prepare(job: Job) -> tuple[Task, SequenceModel]:
    """Return the task and the model of a job, the task set to hand over the recipe's steps in blocks of steps."""
    task, model = build(job.cell, job.source)
    recipe = job.cell.recipe
    task.block = max(size for size in range(1, BLOCK + 1) if recipe.evaluate_every % size == 0)
    task.steps = recipe.steps
    task.train_lengths = recipe.train_lengths
    task.sequences = recipe.sequences
    task.held_out_sequences = recipe.held_out
    return task, model
