"""The parts of a record beside its score: where making one fails, that costs a note, never the score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import TypeAdapter

from bench.records import foreign
from bench.records.result import Result

Value = TypeVar("Value")
SHOWN = 300  # characters of what went wrong


class Extras:
    """Parts of a record that are tried after the score is known. notes: which of them could not be had, and why."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def tried(self, what: str, otherwise: Value, make: Callable[[], Value]) -> Value:
        """Return what `make` makes; where it raises, add a note and return `otherwise`."""
        try:
            return make()
        except Exception as error:  # whatever a class of one's own does here, the score stands
            self.notes.append(f"no {what.replace('_', ' ')}: {type(error).__name__}: {foreign.message(error)}"[:SHOWN])
            return otherwise

    def field(self, name: str, make: Callable[[], Any]) -> Any:
        """Make a field of the record, as `tried` does; what the field cannot hold costs a note too."""
        field = Result.model_fields[name]
        kind: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
        return self.tried(name, field.default, lambda: kind.validate_python(make()))
