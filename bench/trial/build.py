"""From a job to its task and its model."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from bench import catalog
from bench.records.cell import Cell, Entry
from bench.records.job import Job, Source
from bench.trial.recorder import Recorder
from models.base import SequenceModel
from tasks.base import Task, generator

# Optimisation steps per Lightning batch, at most. A block costs one pass through Lightning's loop, so 25 steps pay for
# it together; more would make progress reports coarse.
BLOCK = 25


def build(cell: Cell, source: Source | None) -> tuple[Task, SequenceModel]:
    """The task and the model of a cell, the model's weights drawn from the cell's seed. source: where its data lie.

    Raises:
        ValueError: an option is out of its range, the parameter budget fits no model, data are not the cell's.
        OSError, ImportError: data or an optional dependency are not there.
    """
    recipe = cell.recipe
    task_entry, model_entry = Entry.parse(cell.task), Entry.parse(cell.model)
    task_card, model_card = catalog.card("task", task_entry.name), catalog.card("model", model_entry.name)
    options: dict[str, Any] = {}
    if source is not None:
        options = {"corpus": source.corpus, "folder": source.folder}
    given = [(key, value) for key, value in task_entry.options if key not in options]
    task: Task = task_card.load()(
        cell.length, seed=cell.seed, batch_size=recipe.batch_size, **(task_card.values(given) | options)
    )
    if cell.data is not None and (task.data is None or task.data.sha256 != cell.data.sha256):
        raise ValueError(f"the data of {cell.task} changed since the sweep began: expected sha256 {cell.data.sha256}")
    model_class = model_card.load()
    if not (inspect.isclass(model_class) and issubclass(model_class, SequenceModel)):
        raise ValueError(f"{model_entry.name} must be a subclass of models.base.SequenceModel")
    torch.manual_seed(generator(cell.seed, "initialisation").initial_seed())
    model: SequenceModel = model_class(
        task.spec,
        learning_rate=recipe.learning_rate,
        clip=recipe.clip,
        **({"hidden": recipe.hidden} if recipe.hidden else {"parameters": recipe.parameters}),
        **model_card.values(model_entry.options),
    )
    if recipe.bptt is not None:
        truncate(model, recipe.bptt)
    return task, model


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
    """One message for every distinct fault that keeps a task or model from being built."""
    messages: dict[str, None] = {}
    for cell, source in jobs:
        try:
            build(cell, source)
        except (ValueError, TypeError, OSError) as error:
            messages[str(error)] = None
        except Exception:  # a fault of the model's own code becomes its cell's row, with where it happened
            continue
    return list(messages)


def prepare(job: Job, recorder: Recorder) -> tuple[Task, SequenceModel]:
    """The task and the model of a job, the task set to hand over the recipe's steps in blocks."""
    task, model = build(*job)
    recipe = job[0].recipe
    task.block = max(size for size in range(1, BLOCK + 1) if recipe.evaluate_every % size == 0)
    task.steps = recipe.steps
    recorder.task = task
    return task, model
