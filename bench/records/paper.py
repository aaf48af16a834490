"""A published table as data: the sweeps that measure it again, and what it claims.

A TOML file:

    title = "Long short-term memory"
    source = "Hochreiter & Schmidhuber 1997, Neural Computation 9(8), table 7"
    departures = ["one learning rate for all weights"]

    [[sweeps]]
    tasks = "adding:marks=early"
    models = "lstm"
    lengths = [100]

    [[claims]]
    task = "adding:marks=early"
    model = "lstm"
    length = 100
    quantity = "solved_at_step"
    value = 74000
    where = "table 7, first row"

A sweep holds the keys of a configuration (`bench.run --config`). A study is a paper without claims. Where two sweeps
run the same cell under two recipes, a claim says which one it is about: `recipe = {hidden = 128}`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from bench.records import toml
from bench.records.entry import Entry
from bench.records.errors import UsageError
from bench.records.frozen import Frozen, Natural, Positive
from bench.records.recipe import FIELDS, Scalar
from bench.records.sweep import Sweep

Text = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Spread = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Record = TypeVar("Record", bound=Frozen)
CLAIMED = tuple(name for name in FIELDS if name != "learning_rate")  # the rate is chosen among those of a cell
SIZES = ("hidden", "parameters")  # fields of a recipe that differ between models of one row


class PaperError(UsageError):
    """A paper's file that cannot be followed: which file, what, expected, got."""


class Claim(Frozen):
    """One number of a published table.

    task, model, length: the cell's, as a sweep of the paper asks for them. recipe: fields of its recipe, where several
    recipes are run. tested: the length at which the trained model is asked, None: its own. quantity: `score`, or the
    metric's name; `error`, 1 − an accuracy; an extra of the score (`exact`); a column of `bench.load`. value: as
    published. spread: half the width of its published interval, None where there is none. chance: what knowing nothing
    gives of this quantity, where the score's own chance is not that. compared: `order`, where the number is of other
    data, and only the order of models can be held against ours. where: in the source.
    """

    task: Text
    model: Text
    length: Positive
    recipe: dict[str, Scalar] = Field(default_factory=dict)
    tested: Positive | None = None
    quantity: Text
    value: Number
    spread: Spread | None = None
    chance: Number | None = None
    compared: Literal["value", "order"] = "value"
    where: Text

    @field_validator("recipe")
    @classmethod
    def _of_a_recipe(cls, value: dict[str, Scalar]) -> dict[str, Scalar]:
        named = {name.replace("-", "_"): field for name, field in value.items()}
        for name in named:
            _known("field", name, CLAIMED)
        return named

    @property
    def row(self) -> tuple[str, int, int, str, tuple[tuple[str, Scalar], ...]]:
        """What claims about several models have in common where their order is published: all but the model."""
        shared = tuple(sorted((name, field) for name, field in self.recipe.items() if name not in SIZES))
        return self.task, self.length, self.tested or self.length, self.quantity, shared


class Paper(Frozen):
    """A published table, or a study.

    departures: what is done otherwise than in the source, a sentence each. tuning: seeds on which the learning rates of
    every sweep are tried; its own seeds then run at the rate chosen there alone, so that no reported seed chose any.
    Empty: each sweep runs as it stands. pairs: models that a study compares, named before it has run.
    """

    title: Text
    source: Text
    sweeps: Annotated[tuple[Sweep, ...], Field(min_length=1)]
    claims: tuple[Claim, ...] = ()
    departures: tuple[Text, ...] = ()
    tuning: tuple[Natural, ...] = ()
    pairs: tuple[tuple[Text, Text], ...] = ()

    @field_validator("pairs", mode="before")
    @classmethod
    def _two_each(cls, value: Any) -> Any:
        if not isinstance(value, tuple):
            return value  # no list of pairs, which the field's type says
        return tuple(tuple(pair) if isinstance(pair, list) else pair for pair in value)

    @model_validator(mode="after")
    def _compared(self) -> Self:
        known = {model.text for sweep in self.sweeps for model in sweep.models}
        for name in {Entry.parse(name).text for pair in self.pairs for name in pair}:
            if name not in known:
                raise ValueError(f"pairs: {name} is no model of a sweep. The sweeps have {', '.join(sorted(known))}")
        pairs = [sorted(Entry.parse(name).text for name in pair) for pair in self.pairs]
        for place, (first, second) in enumerate(pairs):
            if first == second:
                raise ValueError(f"pairs: expected two models, got {first} twice")
            if [first, second] in pairs[:place]:  # Holm would correct for more pairs than there are
                raise ValueError(f"pairs: {first} and {second} are named twice. Name each pair once")
        return self

    @model_validator(mode="after")
    def _apart(self) -> Self:
        for sweep in self.sweeps:
            both = sorted(set(self.tuning) & set(sweep.resolved_seeds))
            if both:
                raise ValueError(f"tuning: expected seeds that no sweep reports, got {both[0]} in both")
        return self


def read(path: Path) -> Paper:
    """Read a paper from its TOML file.

    Raises:
        PaperError: it cannot be read, is not TOML, a key or value does not fit, or a claim names no cell of a sweep.
    """
    return made(path, "paper", _paper)


def made(path: Path, what: str, make: Callable[[Mapping[str, Any]], Record]) -> Record:
    """Make a record of the content of a TOML file. what: the file is, for messages.

    Raises:
        PaperError: the file cannot be read, is not TOML, or `make` raises a ValueError.
    """
    content = toml.read(path, what, PaperError)
    try:
        return make(content)
    except ValueError as error:
        raise PaperError(f"the {what} {path}: {error}") from None


def _paper(content: Mapping[str, Any]) -> Paper:
    lists: dict[str, tuple[Any, ...]] = {
        "sweeps": tables(Sweep, content, "sweeps"),
        "claims": tables(Claim, content, "claims"),
    }
    lists |= {
        name: tuple(content[name]) for name in ("departures", "tuning", "pairs") if isinstance(content.get(name), list)
    }
    paper = record(Paper, {**content, **lists}, "")
    for number, claim in enumerate(paper.claims, start=1):
        if not any(_asks_for(sweep, claim) for sweep in paper.sweeps):
            asked = "; ".join(dict.fromkeys(map(_described, paper.sweeps)))
            raise ValueError(
                f"claim {number} names no cell of a sweep: {claim.task} / {claim.model} / T{claim.length}. Add it to a "
                f"sweep, or correct the claim. The sweeps ask for {asked}."
            )
    return paper


def tables(kind: type[Record], content: Mapping[str, Any], name: str) -> tuple[Record, ...]:
    """Return the records of a list of tables.

    Raises:
        ValueError: it is no list of tables, or a table does not fit.
    """
    held = content.get(name, [])
    if not isinstance(held, list) or not all(isinstance(table, dict) for table in held):
        raise ValueError(f"{name} expects tables, each under [[{name}]], got {held!r}")
    return tuple(record(kind, table, f"[[{name}]] {place}: ") for place, table in enumerate(held, start=1))


def record(kind: type[Record], values: Mapping[str, Any], place: str) -> Record:
    """Return the record of a table. place: of the table, for the message.

    Raises:
        ValueError: a key is unknown, or a value does not fit.
    """
    named = {name.replace("-", "_"): value for name, value in values.items()}
    try:
        for name in named:
            _known("key", name, tuple(kind.model_fields))
    except ValueError as error:
        raise ValueError(f"{place}{error}") from None
    try:
        return kind(**named)
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(map(str, fault["loc"]))
        message = fault["msg"].removeprefix("Value error, ")
        # What is said of a whole record names what it was given itself.
        said = not name or fault["type"] == "missing" or "got" in message
        got = "" if said else f", got {fault['input']!r}"
        raise ValueError(f"{place}{name + ': ' if name else ''}{message[:1].lower()}{message[1:]}{got}") from None


def _known(what: str, name: str, names: Sequence[str]) -> None:
    """Refuse a name that is none of `names`.

    Raises:
        ValueError: it is none; the message holds the nearest one.
    """
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}."
        raise ValueError(f"unknown {what} {name!r}. {hint}")


def _asks_for(sweep: Sweep, claim: Claim) -> bool:
    named = (Entry.parse(claim.task).text, Entry.parse(claim.model).text)
    known = {(task.text, model.text) for task in sweep.tasks for model in sweep.models}
    return named in known and claim.length in sweep.lengths


def _described(sweep: Sweep) -> str:
    parts = (sweep.tasks, sweep.models, [f"T{length}" for length in sweep.lengths])
    return " / ".join(",".join(map(str, part)) for part in parts)
