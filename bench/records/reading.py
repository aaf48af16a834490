"""A stored model asked again: the question, and its answer. `docs/results-format.md` is the specification."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from bench.records.cell import Cell, DataIdentity, Frozen, Positive, Versions, canonical_json
from bench.records.frozen import Block, Line, Whole
from bench.records.result import ANSWERS, Finite, GradientFlow, Provenance, Score, Status

READING_SCHEMA = 1
Standing = Status | Literal["undefined"]
# What a question's answer may be: `undefined` is one, for no repetition makes the question have a score.
ANSWERED: frozenset[Standing] = frozenset({*ANSWERS, "undefined"})
LATER = {"attempt": 1, "gradient_flow": None, "memory_horizon": None, "carried": ""}  # not written at these values


class Question(Frozen):
    """What a stored model is asked: its task's rule at another length.

    cell: key of the cell that trained the model; weights_sha256: of the model as it is stored. task: the cell's task as
    written; length: the one asked at. versions, data: of what answers the question, as in a cell. probe: the question
    is how the gradient flows there, and not how the model scores; False is not written.
    """

    cell: str
    weights_sha256: str
    task: str
    length: Positive
    versions: Versions
    data: DataIdentity | None = None
    probe: bool = False

    @model_serializer(mode="wrap")
    def _without_probe(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if name != "probe" or value}

    @classmethod
    def of(cls, cell: Cell, weights_sha256: str, length: int, *, probe: bool = False) -> Question:
        """Return the question that asks the model of a cell at `length`."""
        return cls(
            cell=cell.key,
            weights_sha256=weights_sha256,
            task=cell.task,
            length=length,
            versions=cell.versions,
            data=cell.data,
            probe=probe,
        )

    @property
    def key(self) -> str:
        """Hash of the canonical JSON: 16 hexadecimal digits. Data count by their content, whatever their name."""
        content = canonical_json(self.model_dump(exclude={"data": {"name"}}))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """The question in one line, for people: `copying T100 asked of 0123456789abcdef`."""
        return f"{self.task} T{self.length}{' for its gradients' if self.probe else ''} asked of {self.cell}"


class Reading(Frozen):
    """The answer to a question, or an attempt that gave none.

    status: as of a result, where `diverged` is a score that is not finite; or `undefined`, where the question has no
    answer. error: why, in words. score, gradient_flow: the one that was asked for, where `ok`. memory_horizon: how many
    last steps a model of this score remembers, where that can be told. carried: what of the task's rule stayed as at
    the trained length, in words, where a longer sequence then asks for no longer memory. attempt: of those that gave no
    answer. seconds: of the whole.
    """

    schema_number: int = READING_SCHEMA
    question: Question
    status: Standing
    attempt: Whole = 1
    score: Score | None = None
    gradient_flow: GradientFlow | None = None
    memory_horizon: Finite | None = None
    carried: Line = ""
    seconds: Finite | None = None
    provenance: Provenance | None = None
    error: Block | None = None

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if name not in LATER or value != LATER[name]}

    @property
    def key(self) -> str:
        """The key of the question."""
        return self.question.key
