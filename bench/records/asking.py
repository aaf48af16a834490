"""What is asked of stored models: which of them, and at which lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from bench.records.entry import Entry
from bench.records.frozen import Frozen, Positive
from bench.records.result import Result
from bench.records.sweep import entries, read_numbers


class Asking(Frozen):
    """The lengths at which stored models are asked, and what selects the models. A field's description is the help of
    its flag.

    tasks, models, trained: () is every one. An entry stands for those written so or, where there are none and it has no
    options, for all of its name.
    """

    lengths: Annotated[
        tuple[Positive, ...], read_numbers(int), Field(description="Lengths to test at, e.g. 10,30,100,300,1000.")
    ]
    tasks: Annotated[
        tuple[Entry, ...], BeforeValidator(entries), Field(description="Only cells of these tasks (all).")
    ] = ()
    models: Annotated[
        tuple[Entry, ...], BeforeValidator(entries), Field(description="Only these models (all): lstm,rnn:carry=1.")
    ] = ()
    trained: Annotated[
        tuple[Positive, ...], read_numbers(int), Field(description="Only models of these trained lengths (all).")
    ] = ()
    probe: Annotated[
        bool, Field(description="Also follow the gradient of the answer back, at every tested length.")
    ] = False

    @field_validator("lengths")
    @classmethod
    def _not_empty(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value:
            raise ValueError("expected at least one, got an empty list")
        return tuple(dict.fromkeys(value))

    def selected(self, results: Sequence[Result]) -> list[Result]:
        """Return the results of the cells that are asked for."""
        tasks = _chosen(self.tasks, {result.cell.task for result in results})
        models = _chosen(self.models, {result.cell.model for result in results})
        return [
            result
            for result in results
            if result.cell.task in tasks
            and result.cell.model in models
            and (not self.trained or result.cell.length in self.trained)
        ]


def _chosen(wanted: tuple[Entry, ...], held: set[str]) -> set[str]:
    """Return the entries, of those held, that the wanted ones stand for."""
    chosen: set[str] = set() if wanted else held
    for each in wanted:
        named = {text for text in held if Entry.parse(text).name == each.name and not each.options}
        chosen |= {each.text} & held or named
    return chosen
