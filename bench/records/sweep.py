"""What is asked: a Sweep, and the budgets that fill in a recipe."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from bench.records import foreign
from bench.records.cell import canonical_json
from bench.records.entry import IN_A_FILE, Entry, Value
from bench.records.frozen import Frozen, Natural, Positive, Rate
from bench.records.recipe import FEWER, LONG, MOST, Clip, Recipe, Training, as_clip

TASKS = ("copying", "adding", "running_average", "char_lm", "ner")


MODELS = ("rnn", "gru", "lstm", "attention", "transformer")


def entries(value: Any) -> Any:
    """Read entries from `a,b:x=1`, from a list of such, or from tables {name = …, option = …} (configuration files)."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if isinstance(value, list | tuple):
        return tuple(_writable(_entry(item)) for item in value)
    if isinstance(value, dict):
        raise ValueError(f"expected a list of names or of tables, got a table. {IN_A_FILE}")
    return value


def _writable(entry: Entry) -> Entry:
    """Return the entry; raise ValueError where a record cannot hold it, or its name can be no name."""
    shown = foreign.line(entry.text)
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in entry.text):
        raise ValueError(f"{shown!r} holds a control character, or a byte that is not UTF-8. Rename what it names")
    module, colon, _ = entry.name.partition(":")
    if "/" in module or "\\" in module or ("." in module and not colon):
        raise ValueError(f"{shown!r} is no name: write name, name:option=value or package.module:Class. {IN_A_FILE}")
    return entry


def _entry(item: Any) -> Entry:
    if isinstance(item, Entry):
        return item
    if isinstance(item, str):
        return Entry.parse(item)
    if isinstance(item, dict) and isinstance(item.get("name"), str):
        return Entry(item["name"], tuple((key, _option(key, item[key])) for key in item if key != "name"))
    raise ValueError(f"expected an entry as text, or a table with its name, got {item!r}")


def _option(key: str, value: Any) -> Value:
    plain = bool | int | float | str
    if isinstance(value, list) and all(isinstance(item, plain) for item in value):
        return tuple(value)
    if isinstance(value, plain):
        return value
    raise ValueError(f"option {key!r} expects a number, text, true, false or a list, got {value!r}")


def read_numbers(kind: type[int | float]) -> Any:
    """Return a converter from `1,2,3`, a number or a list to a tuple of numbers."""
    expected = "whole numbers" if kind is int else "numbers"

    def convert(value: Any) -> Any:
        items = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            items = (items,)
        try:
            numbers = tuple(kind(item) for item in items if item != "")
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"expected {expected} separated by commas, got {value!r}") from None
        whole = kind is float or not any(isinstance(item, float) and item != int(item) for item in items)
        if not whole or any(isinstance(item, bool) for item in items):
            raise ValueError(f"expected {expected}, got {value!r}")
        return numbers

    return BeforeValidator(convert)


class Budget(Frozen):
    """How much work a cell may do. `tiers`: (largest length, steps, sequences per step, steps between validations) for
    tasks counted in sequences; the last tier also serves longer lengths. `text_steps` for tasks counted in tokens.

    Memory beyond length 1,000, where a step takes 8 sequences: one float32 array over all steps takes 32 · T · n bytes,
    at T = 100,000 and 16,000 parameters 400 MB (rnn, n = 125), 230 MB (gru, 71), 200 MB (lstm, 61). With every position
    read, a process that trains back through all of it peaked at 2.0, 3.9 and 3.6 GB; cut every 1,000 steps (`bptt`) at
    1.6, 1.6 and 1.0 GB, which are the features, their gradient and a copy of each; cut, and with only the last position
    read, at 0.45 GB. Evaluation holds the features of one batch, at most 8 sequences.
    """

    tiers: tuple[tuple[int, int, int, int], ...]
    text_steps: int
    text_evaluate_every: int
    seeds: tuple[int, ...]
    learning_rates: tuple[float, ...] | None  # None: each model's documented rate


BUDGETS = {
    # smoke: does everything run? Nothing is learned.
    "smoke": Budget(tiers=((1000, 20, 8, 10),), text_steps=20, text_evaluate_every=20, seeds=(0,), learning_rates=None),
    # quick: the whole default table in ten minutes on two cores.
    "quick": Budget(
        tiers=((10, 1000, 32, 50), (100, 600, 32, 50), (1000, 300, 8, 100)),
        text_steps=600,
        text_evaluate_every=100,
        seeds=(0,),
        learning_rates=None,
    ),
    # study: within these steps most seeds of gru and some of lstm solve copying at T = 10 (docs/decisions/0035). The
    # rate is chosen on validation.
    "study": Budget(
        tiers=((200, 5000, 32, 50), (1000, 5000, 8, 100)),
        text_steps=2000,
        text_evaluate_every=100,
        seeds=(0, 1, 2, 3, 4),
        learning_rates=(1e-3, 3e-3, 1e-2, 3e-2),
    ),
    # full: what a paper needs; the rate is chosen on validation.
    "full": Budget(
        tiers=((100, 10_000, 32, 100), (1000, 10_000, 32, 250)),
        text_steps=6000,
        text_evaluate_every=250,
        seeds=(0, 1, 2, 3, 4),
        learning_rates=(3e-4, 1e-3, 3e-3, 1e-2),
    ),
}


class Sweep(Training):
    """What was asked: tasks × models × lengths × seeds × learning rates, and what overrides the budget's recipe.

    A field's description is the help of its flag; a field of a recipe has the recipe's.

    None for seeds, learning_rates, steps or batch_size takes the budget's; none for both parameters and hidden takes
    a budget of 16,000 body parameters.
    """

    lengths: Annotated[
        tuple[Positive, ...], read_numbers(int), Field(description="Sequence lengths, e.g. 10,100,1000 (the default).")
    ] = (10, 100, 1000)
    tasks: Annotated[
        tuple[Entry, ...],
        BeforeValidator(entries),
        Field(description="Tasks, with options: copying,adding:marks=anywhere."),
    ] = tuple(Entry(name) for name in TASKS)
    models: Annotated[
        tuple[Entry, ...],
        BeforeValidator(entries),
        Field(description="Models, with options, or package.module:Class."),
    ] = tuple(Entry(name) for name in MODELS)
    seeds: Annotated[
        tuple[Natural, ...] | None, read_numbers(int), Field(description="Seeds, e.g. 0,1,2 (default: the budget's).")
    ] = None
    learning_rates: Annotated[
        tuple[Rate, ...] | None,
        read_numbers(float),
        Field(description="A grid, chosen on validation (default: the budget's)."),
    ] = None
    budget: Annotated[
        Literal["smoke", "quick", "study", "full"], Field(description="smoke, quick (the default), study or full.")
    ] = "quick"
    steps: Natural | None = None
    batch_size: Positive | None = None
    parameters: Positive | None = None
    hidden: Positive | None = None
    clip: Annotated[Clip, BeforeValidator(as_clip)] = 1.0
    halving: Annotated[
        bool, Field(description="Stop rates early that another one beats by more than both intervals.")
    ] = False

    @field_validator("tasks", "models", "lengths", "seeds", "learning_rates")
    @classmethod
    def _not_empty(cls, value: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if value is not None and not value:
            raise ValueError("expected at least one, got an empty list")
        return None if value is None else tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _together(self) -> Sweep:
        if self.parameters is not None and self.hidden is not None:
            raise ValueError("--parameters and --hidden exclude each other: give the budget or the width, not both")
        if self.penalty is not None and self.bptt is not None:
            raise ValueError("--penalty and --bptt exclude each other: a penalty needs the whole gradient")
        rates = self.learning_rates or BUDGETS[self.budget].learning_rates or ()
        if self.halving and len(rates) < 2:
            raise ValueError("--halving: expected several rates to choose from. Give --learning-rates 1e-3,3e-3,1e-2")
        return self

    @property
    def resolved_seeds(self) -> tuple[int, ...]:
        """The seeds asked for, or the budget's."""
        return self.seeds or BUDGETS[self.budget].seeds

    def resolved_rates(self, documented: float) -> tuple[float, ...]:
        """Return the learning rates asked for, or the budget's, or the model's documented one."""
        return self.learning_rates or BUDGETS[self.budget].learning_rates or (documented,)

    def recipe(self, length: int, tokens_per_step: int | None, learning_rate: float) -> Recipe:
        """Return the resolved recipe of a cell. tokens_per_step: None for tasks counted in sequences."""
        budget = BUDGETS[self.budget]
        if tokens_per_step is None:
            tier = next((tier for tier in budget.tiers if length <= tier[0]), budget.tiers[-1])
            steps, batch_size, evaluate_every = tier[1:]
        else:  # equal text per step at every length, else a gain from context would be a gain from more data
            steps, evaluate_every = budget.text_steps, budget.text_evaluate_every
            batch_size = max(1, round(tokens_per_step / length))
        steps = steps if self.steps is None else self.steps
        return Recipe(
            steps=steps,
            batch_size=self.batch_size or batch_size,
            learning_rate=learning_rate,
            clip=self.clip,
            parameters=None if self.hidden else self.parameters or 16_000,
            hidden=self.hidden,
            evaluate_every=min(evaluate_every, steps) or 1,
            probes=6 if length < 1000 else 4,
            **{name: getattr(self, name) for name in Training.model_fields if name != "held_out"},
            held_out=self._held_out(length) if tokens_per_step is None else None,
        )

    def _held_out(self, length: int) -> int | None:
        """Return how many sequences a held-out set of this length has; None: as many as usual."""
        count = self.held_out or (MOST if length < LONG else FEWER)
        return None if count == MOST else count

    @property
    def hash(self) -> str:
        """Name of the sweep's file in a store: hash of its canonical JSON, 16 hexadecimal digits."""
        return hashlib.sha256(canonical_json(self.described()).encode()).hexdigest()[:16]

    def described(self) -> dict[str, Any]:
        """Return the sweep as plain JSON, entries written as on the command line."""
        content = self.model_dump(exclude={"tasks", "models"} | (set() if self.halving else {"halving"}))
        own = [name for name in content if name not in Training.model_fields]
        content = {name: content[name] for name in (*own, *Training.model_fields) if name in content}
        return {"tasks": [e.text for e in self.tasks], "models": [e.text for e in self.models], **content}
