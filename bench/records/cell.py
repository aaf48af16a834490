"""The identity of one measurement: Entry, Recipe, Cell.

Imports nothing of ours, and no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

Value = bool | int | float | str | None | tuple[int, ...]


Positive = Annotated[int, Field(ge=1)]


Natural = Annotated[int, Field(ge=0)]


Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Frozen(BaseModel):
    """An immutable record; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True)
class Entry:
    """A name with options as the user wrote them: `lstm:layers=2`, or `package.module:Class:width=3`."""

    name: str
    options: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Entry:
        """Read `name:key=value:…`. A second part without `=` belongs to the name (an import path's class).

        Raises:
            ValueError: an empty name, or an option without `=`.
        """
        name, *parts = text.strip().split(":")
        if parts and "=" not in parts[0]:
            name = f"{name}:{parts.pop(0)}"
        options = []
        for part in parts:
            key, equals, value = part.partition("=")
            if not (key and equals):
                raise ValueError(f"cannot read option {part!r} in {text!r}: write name:option=value")
            options.append((key.strip(), value))
        if not name.strip(":"):
            raise ValueError(f"an empty name in {text!r}: write name or name:option=value")
        return cls(name, tuple(options))

    @property
    def text(self) -> str:
        """The entry as it is written on the command line, options sorted by name."""
        return ":".join([self.name, *(f"{key}={written(value)}" for key, value in sorted(self.options))])

    def __str__(self) -> str:
        return self.text


def written(value: Value) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    return "none" if value is None else str(value)


class Recipe(Frozen):
    """Budget and optimisation of one cell, fully resolved. Adam; the learning rate rises over the first tenth of the
    steps, stays, and falls linearly to 0 over the second half.

    steps: optimisation steps (0: gradients at initialisation only). batch_size: sequences, or windows of text.
    clip: total gradient norm above which gradients are scaled down; None: never. parameters: budget of the body, or
    None where `hidden` fixes the width. evaluate_every: steps between validations. probes: snapshots of gradient flow.
    bptt: training cuts the gradient every so many steps of a sequence, the state carried on; None: never, and then it
    is written nowhere, so that recipes are what they were before it could be cut.
    """

    steps: Natural
    batch_size: Positive
    learning_rate: Rate
    clip: Rate | None
    parameters: Positive | None
    hidden: Positive | None
    evaluate_every: Positive
    probes: Natural
    version: int = 1
    bptt: Positive | None = None

    @model_serializer(mode="wrap")
    def _without_whole(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if name != "bptt" or value is not None}


class DataIdentity(Frozen):
    """Which data a cell reads: a name for eyes, the content's sha256 for identity."""

    name: str
    sha256: str


class Versions(Frozen):
    """Versions of what may change a cell's numbers."""

    task: int
    model: int


class Cell(Frozen):
    """The identity of one measurement. Paths, devices, library versions and engines are provenance, not identity."""

    task: str
    model: str
    length: Positive
    seed: Natural
    recipe: Recipe
    versions: Versions
    data: DataIdentity | None = None

    @property
    def key(self) -> str:
        """Hash of the canonical JSON: 16 hexadecimal digits. Data count by their content, whatever their name."""
        content = canonical_json(self.model_dump(exclude={"data": {"name"}}))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """For eyes: `copying / lstm / T100 / seed 0 / rate 0.01`."""
        return f"{self.task} / {self.model} / T{self.length} / seed {self.seed} / rate {self.recipe.learning_rate:g}"


def canonical_json(content: Any) -> str:
    """The one text of `content`: keys sorted, no spaces, no NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
