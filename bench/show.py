"""The command `python -m bench.show NAME`: an example of a task in its own symbols, in the terminal or as a figure.

Exit code: 0, or 2 for bad usage.
"""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from bench import catalog
from bench.catalog import Card
from bench.cli import command
from bench.cli.terminal import Terminal
from bench.records import foreign
from bench.records.entry import Entry
from bench.records.errors import BenchError, UsageError
from bench.store import Store
from reports.text.example import NamedRow, columns, described, paragraphs

if TYPE_CHECKING:
    from bench.records.result import Result
    from tasks.base import Batch, Task

Ending = Literal["svg", "png", "pdf"]
ENDINGS: dict[str, Ending] = {".svg": "svg", ".png": "png", ".pdf": "pdf"}
Parts = Literal["training", "validation", "test"]
# Paragraphs of a docstring that are shown, and how they begin.
STATED = {"rule": "Rule", "length T": "length T", "source": "Source:"}
Blocks = list[list[NamedRow]]

app = App(name="python -m bench.show", help="An example of a task, in its own symbols.", version_flags=[])


@app.default
def show(
    entry: Annotated[str, Parameter(help="A task with options, as in --tasks of bench.run.")],
    /,
    *,
    length: Annotated[int, Parameter(help="T of the sequence.", validator=Number(gte=1))] = 20,
    seed: Annotated[int, Parameter(help="Of the training sequences.", validator=Number(gte=0))] = 0,
    split: Annotated[Parts, Parameter(help="The part that the sequence is the first of.")] = "training",
    data: Annotated[Path | None, Parameter(help="Folder of corpora (default: BENCH_DATA, else the cache).")] = None,
    store: Annotated[
        Path | None,
        Parameter(help="Of a transcript: draw the alignment of the best model that this folder of results holds."),
    ] = None,
    output: Annotated[Path | None, Parameter(help="A figure to write: a file .svg, .png or .pdf.")] = None,
) -> None:
    """Show the first sequence of a task with what it means: inputs, targets and where they are read, step by step."""
    if output is not None and output.suffix.lower() not in ENDINGS:
        raise UsageError(f"--output expects a file that ends in {', '.join(ENDINGS)}, got {str(output)!r}")
    card, options = asked(entry)
    task = built(card, options, length, seed, data)
    blocks = example(task, split)
    name = Entry(card.name, tuple(options.items())).text
    if store is not None:
        said = aligned(task, store, name, first(task, split))
        blocks = [rows + more for rows, more in zip(blocks, said, strict=True)]
    title = f"{name}, T = {length}: the first {split} sequence"
    if output is not None:
        figure(output, blocks, title, stated(task))
        return
    steps, beside = blocks
    lines = [title, "", *paragraphs(stated(task)), "", *columns(steps)]
    lines += ["", *columns(beside, numbered=False)] if beside else []
    terminal = Terminal()
    for line in lines:
        terminal.print(line, highlight=False, markup=False, soft_wrap=True)


def asked(text: str) -> tuple[Card, dict[str, Any]]:
    """Return the card and the options of a task.

    Raises:
        UsageError: it cannot be read, or there is no such task or option.
    """
    try:
        parsed = Entry.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
    card = catalog.card("task", parsed.name)
    return card, card.values(parsed.options)


def built(card: Card, options: dict[str, Any], length: int, seed: int, data: Path | None) -> Task:
    """Build a task; what it warns of is told on stderr.

    Raises:
        UsageError: it is no task, or has no such length, option or data.
    """
    from tasks.base import Task

    given = data or (Path(os.environ["BENCH_DATA"]) if os.environ.get("BENCH_DATA") else None)
    with warnings.catch_warnings(record=True) as told, explained():
        warnings.simplefilter("always")
        kind = card.load()
        if not (inspect.isclass(kind) and issubclass(kind, Task)):
            raise UsageError(f"{card.name} must be a subclass of tasks.base.Task (SyntheticTask)")
        task: Task = kind(length, seed=seed, folder=given, **options)
    for note in told:
        print(foreign.line(str(note.message)), file=sys.stderr)
    return task


def example(task: Task, split: Parts) -> Blocks:
    """Write the first sequence of a split: the rows of its steps, and rows of other lengths.

    Raises:
        UsageError: the task cannot draw or write it.
    """
    with explained(". `python -m bench.check` looks whether the task keeps to its contract"):
        whole = task.written(first(task, split))
        frames = task.frames(split)
    steps: list[NamedRow] = [*whole.steps]
    if frames is not None:
        from tasks.base.written import words

        steps.append(("frame", words(frames, task.notation.targets)))
    return [steps, [*whole.beside]]


def first(task: Task, split: Parts) -> Batch:
    """Return the first batch of a split."""
    if split == "training":
        return task.training_batch(0)
    return next(iter(task.val_dataloader() if split == "validation" else task.test_dataloader()))


def stated(task: Task) -> list[tuple[str, str]]:
    """Return what a task is: named paragraphs of its docstring, and its score with the numbers of this length."""
    said = described(inspect.cleandoc(type(task).__doc__ or ""), STATED)  # its own, and not that of its base
    objective = task.spec.objective
    numbers = [f"chance {task.chance:.4g}", f"best {task.best:.4g}"]
    numbers += [f"{name.replace('_', ' ')} {score:.4g}" for name, score in task.floors.items()]
    numbers += ["solved never" if task.solved_threshold is None else f"solved at {task.solved_threshold:.4g}"]
    better = "higher" if objective.higher_is_better else "lower"
    name = objective.metric_name.replace("_", " ")
    said["score"] = f"{name} ({objective.unit}, {better} is better); {', '.join(numbers)}"
    return [(part, said[part]) for part in ("what", "rule", "length T", "score", "source") if said.get(part)]


def aligned(task: Task, store: Path, name: str, batch: Batch) -> Blocks:
    """Ask the best stored model of a task, by its validation score, for its alignment: rows as those of `example`.

    Raises:
        UsageError: the task has no transcripts, or the store no such model with weights.
    """
    from bench.probes.alignment import alignment, has_frames
    from bench.trial.asking import rebuilt

    if not has_frames(task):
        raise UsageError(f"--store draws the alignment of a transcript, and {name} asks for none. Leave --store out.")
    opened = Store(store)
    stored: list[tuple[float, Result]] = []
    for result in opened.answers():
        score = result.score.validation_score if result.score else None
        same = (Entry.parse(result.cell.task).text, result.cell.length) == (name, task.length)
        if same and score is not None and result.weights_sha256 is not None:
            stored.append((-score if task.spec.objective.higher_is_better else score, result))
    if not stored:
        raise UsageError(
            f"{store} holds no weights of {name} at length {task.length}: run `python -m bench.run --tasks {name} "
            f"--lengths {task.length} --store {store}`, or leave --store out to see the true frames alone"
        )
    cell = min(stored, key=lambda pair: pair[0])[1].cell
    with explained():
        _, model = rebuilt(cell, None, opened.weights(cell.key))
        rows = alignment(task, model, batch)
    print(f"alignment of {foreign.line(cell.label)}", file=sys.stderr)
    return [[*part] for part in rows]


def figure(path: Path, blocks: Blocks, title: str, parts: list[tuple[str, str]]) -> None:
    """Write an example as a figure.

    Raises:
        UsageError: the file cannot be written.
    """
    from reports.figures import example as drawn
    from reports.figures.figures import rendered
    from reports.view import delivery

    caption = paragraphs([("", f"{name}: {text.removeprefix('is ')}") for name, text in parts], margin=0)
    content = rendered(drawn.example(blocks, title, [*caption]), ENDINGS[path.suffix.lower()])
    try:
        delivery.write(path, content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}. Give a file in a writable folder.") from None
    print(foreign.block(str(path)))


@contextmanager
def explained(then: str = "") -> Iterator[None]:
    """Turn what a task or a model raises, which may be one's own, into one message. then: its end.

    Raises:
        UsageError: something was raised.
    """
    try:
        yield
    except BenchError:
        raise
    except (ValueError, OSError) as error:
        raise UsageError(f"{foreign.message(error)}{then}") from None
    except Exception as error:
        raise UsageError(f"{type(error).__name__}: {foreign.message(error)}{then}") from None


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; bad usage ends with one message and exit code 2."""
    return command.run(app, arguments, "bench.show")


if __name__ == "__main__":
    sys.exit(main())
