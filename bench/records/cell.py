"""The identity of one measurement: Cell, made of entries and a recipe. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from bench.records import foreign
from bench.records.entry import Entry, Value, written
from bench.records.frozen import Frozen, Line, Natural, Positive, Rate
from bench.records.recipe import Recipe

__all__ = [
    "Cell",
    "DataIdentity",
    "Entry",
    "Frozen",
    "Natural",
    "Positive",
    "Rate",
    "Recipe",
    "Value",
    "Versions",
    "canonical_json",
    "written",
]


class DataIdentity(Frozen):
    """Which data a cell reads: a name for people, the content's sha256 for identity."""

    name: Line
    sha256: str


class Versions(Frozen):
    """Versions of what may change a cell's numbers."""

    task: int
    model: int


class Cell(Frozen):
    """The identity of one measurement. Paths, devices, library versions and engines are provenance, not identity.

    code: sha256 of the source text that the measurement runs, where its task or model is not of this suite; None is
    not written, so that the keys of older cells stay.
    """

    task: str
    model: str
    length: Positive
    seed: Natural
    recipe: Recipe
    versions: Versions
    data: DataIdentity | None = None
    code: str | None = None

    @model_serializer(mode="wrap")
    def _without_code(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if name != "code" or value is not None}

    @property
    def key(self) -> str:
        """Hash of the canonical JSON: 16 hexadecimal digits. Data count by their content, whatever their name."""
        content = canonical_json(self.model_dump(exclude={"data": {"name"}}))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def foreign(self) -> tuple[str, ...]:
        """The cell's task and model as written, where they are given by import path and so not of this suite."""
        return tuple(text for text in (self.task, self.model) if by_path(text))

    @property
    def label(self) -> str:
        """The cell in one line, for people: `copying / lstm / T100 / seed 0 / rate 0.01`."""
        rate = f"{self.recipe.learning_rate:g}"
        return foreign.line(f"{self.task} / {self.model} / T{self.length} / seed {self.seed} / rate {rate}")


def by_path(entry: str) -> bool:
    """Return whether an entry is written by import path, `package.module:Class:option=value`, and not by a name."""
    _, colon, rest = entry.partition(":")
    return bool(colon) and "=" not in rest.partition(":")[0]


def canonical_json(content: Any) -> str:
    """Return `content` as JSON in its one text: keys sorted, no spaces, no NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
