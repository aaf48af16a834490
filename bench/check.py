"""The command `python -m bench.check`: look whether a model or task of one's own keeps to the contract.

Exit code: 0, or 1 where something is broken, or 2 for bad usage.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from bench import catalog
from bench.cli import command
from bench.cli.settings import configured
from bench.cli.terminal import Terminal
from bench.records import foreign
from bench.records.entry import Entry
from bench.records.errors import UsageError
from bench.records.job import Job, Surroundings
from bench.runner.plan import plan

if TYPE_CHECKING:
    from models.base import SequenceModel
    from tasks.base import Task

EXIT_BROKEN = 1
# One task of each kind: an answer at every step, at the end, recalls of tokens, text, reading ahead allowed.
TASKS = ("running_average", "adding", "copying", "char_lm:corpus=python", "ner:corpus=generated")
MODELS = ("gru",)
STEPS = 2

app = App(name="python -m bench.check", help="Whether a model or a task keeps to the contract.", version_flags=[])


@dataclass(frozen=True)
class Line:
    """One thing that was looked at: where, what, and why it is broken or noted."""

    mark: Literal["holds", "note", "broken"]
    where: str
    what: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.mark:<8}{self.where:<24}{self.what}{f': {self.why}' if self.why else ''}"


def kind_of(entry: Entry) -> Literal["task", "model"]:
    """Return whether an entry is a task or a model.

    Raises:
        CatalogError: it is neither.
    """
    if ":" not in entry.name:
        known = [*catalog.names("task"), *catalog.names("model")]
        if entry.name in catalog.names("task"):
            return "task"
        if entry.name in known:
            return "model"
        raise catalog.CatalogError(f"unknown task or model: {entry.name!r}. Available: {', '.join(known)}")
    from models.base import SequenceModel
    from tasks.base import Task

    loaded = catalog.card("model", entry.name).load()
    for kind, base in (("task", Task), ("model", SequenceModel)):
        if isinstance(loaded, type) and issubclass(loaded, base):
            return kind  # type: ignore[return-value]
    raise catalog.CatalogError(
        f"{entry.name} must be a subclass of models.base.SequenceModel or of tasks.base.Task (SyntheticTask)"
    )


def lines(task: str, model: str, length: int, where: str) -> Iterator[Line]:
    """Look at one task and one model together; yield a line on each thing, up to the first that is broken."""
    from bench.trial import build

    sweep, _ = configured(
        {
            "tasks": (task,),
            "models": (model,),
            "lengths": (length,),
            "seeds": (0,),
            "steps": STEPS,
            "batch_size": 4,
            "hidden": 8,
        }
    )
    (planned,) = plan(sweep)
    job = Job(planned.cell)
    try:
        built, module = build.prepare(job)
    except Exception as error:  # a class of one's own may raise anything
        yield Line("broken", where, "is built", f"{type(error).__name__}: {foreign.message(error)}")
        return
    yield Line("holds", where, "is built")
    for what, look in looks(built, module, planned.cell.recipe):
        line = looked(where, what, look)
        yield line
        if line.mark == "broken":
            return  # what comes after needs what came before
    yield from measured(job, where)


def looks(task: Task, model: SequenceModel, recipe: Any) -> list[tuple[str, Callable[[], Any]]]:
    """Return what is looked at, ordered so that each thing needs only those before it."""
    from bench.trial import contract, drawing, optimisers

    return [
        ("chance and best can be told apart", lambda: contract.states(task)),
        ("training and held-out data are batches", lambda: drawing.are_batches(task)),
        ("the same batches are drawn again", lambda: drawing.draws_alike(task)),
        ("the validation set can be scored", lambda: contract.can_be_scored(task, "validation")),
        ("the test set can be scored", lambda: contract.can_be_scored(task, "test")),
        ("each step has sequences of its own", lambda: drawing.draws_anew(task)),
        ("there are a body and a head", lambda: contract.is_assembled(model)),
        ("features, outputs and loss have their shapes", lambda: contract.fits(task, model)),
        ("an answer can be fed back", lambda: contract.feeds(task)),
        ("an example can be written", lambda: can_be_written(task)),
        ("what the row says trains it", lambda: optimisers.honoured(model, recipe)),
        ("run, step, states and encode agree, cut or not", lambda: contract.agrees(task, model)),
        ("answers depend on what they may", lambda: contract.sees(task, model, training=True)),
    ]


def can_be_written(task: Task) -> None:
    """Write an example, as `bench.show` does; it raises what writing raises."""
    task.written(task.training_batch(task.first_step))


def looked(where: str, what: str, look: Callable[[], Any]) -> Line:
    """Look at one thing; return the line about it."""
    from bench.trial.faults import InvalidError

    try:
        notes = look()
    except InvalidError as error:
        return Line("broken", where, what, foreign.message(error))
    except Exception as error:  # a class of one's own may raise anything
        return Line("broken", where, what, f"{type(error).__name__}: {foreign.message(error)}")
    return Line("note", where, what, "; ".join(notes)) if notes else Line("holds", where, what)


def measured(job: Job, where: str) -> Iterator[Line]:
    """Measure a cell of a few steps twice; yield lines about its outcome."""
    from bench.trial import trial

    first, second = (trial.run(job, Surroundings()) for _ in range(2))
    result = first.result
    if result.status != "ok":
        why = result.error or "its loss or its gradient is not finite"
        yield Line("broken", where, f"{STEPS} steps are trained and scored", f"{result.status}: {why}".strip())
        return
    yield Line("holds", where, f"{STEPS} steps are trained and scored")
    for note in result.notes:
        yield Line("note", where, "said of the result", note)
    if first.weights == second.weights:
        yield Line("holds", where, "the same cell gives the same weights")
    else:
        why = "weights differ: seed what it draws"
        yield Line("broken", where, "the same cell gives the same weights", why)


@app.default
def check(
    entry: Annotated[str, Parameter(help="A name, or an import path package.module:Class, with options.")],
    /,
    *,
    length: Annotated[int, Parameter(help="Of the sequences.", validator=Number(gte=1))] = 20,
) -> int:
    """Look at a model on one task of each kind, or at a task with one model, and say what holds and what does not."""
    try:
        parsed = Entry.parse(entry)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if kind_of(parsed) == "model":
        pairs = [(task, entry, task.partition(":")[0]) for task in TASKS]
    else:
        pairs = [(entry, model, model) for model in MODELS]
    terminal, broken = Terminal(), 0
    for task, model, where in pairs:
        for line in lines(task, model, length, where):
            broken += line.mark == "broken"
            terminal.print(str(line), highlight=False, markup=False, soft_wrap=True)
    count = "1 thing is" if broken == 1 else f"{broken} things are"
    terminal.print(f"{count} broken." if broken else "The contract is kept.", highlight=False)
    return EXIT_BROKEN if broken else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; bad usage ends with one message and exit code 2."""
    return command.run(app, arguments, "bench.check")


if __name__ == "__main__":
    sys.exit(main())
