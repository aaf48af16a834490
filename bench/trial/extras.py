"""What a record holds beside its score: whatever fails there costs a note, never the score."""

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
        """What `make` makes; `otherwise`, and a note, where it raises."""
        try:
            return make()
        except Exception as error:  # whatever a class of one's own does here, the score stands
            self.notes.append(f"no {what.replace('_', ' ')}: {type(error).__name__}: {foreign.message(error)}"[:SHOWN])
            return otherwise

    def field(self, name: str, make: Callable[[], Any]) -> Any:
        """As `tried`, of a field of the record: what the field cannot hold costs a note too."""
        field = Result.model_fields[name]
        kind: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
        return self.tried(name, field.default, lambda: kind.validate_python(make()))
