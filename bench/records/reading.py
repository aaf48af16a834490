"""A stored model asked again: the question, and its answer. `docs/results-format.md` is the specification."""

from __future__ import annotations

import hashlib

from bench.records.cell import Cell, DataIdentity, Frozen, Positive, Versions, canonical_json
from bench.records.result import Finite, Provenance, Score, Status

READING_SCHEMA = 1


class Question(Frozen):
    """What a stored model is asked: its task's rule at another length.

    cell: key of the cell that trained the model; weights_sha256: of the model as it is stored. task: the cell's task as
    written; length: the one asked at. versions, data: of what answers the question, as in a cell.
    """

    cell: str
    weights_sha256: str
    task: str
    length: Positive
    versions: Versions
    data: DataIdentity | None = None

    @classmethod
    def of(cls, cell: Cell, weights_sha256: str, length: int) -> Question:
        """Return the question that asks the model of a cell at `length`."""
        return cls(
            cell=cell.key,
            weights_sha256=weights_sha256,
            task=cell.task,
            length=length,
            versions=cell.versions,
            data=cell.data,
        )

    @property
    def key(self) -> str:
        """Hash of the canonical JSON: 16 hexadecimal digits. Data count by their content, whatever their name."""
        content = canonical_json(self.model_dump(exclude={"data": {"name"}}))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """The question in one line, for people: `copying T100 asked of 0123456789abcdef`."""
        return f"{self.task} T{self.length} asked of {self.cell}"


class Reading(Frozen):
    """The answer to a question. score: null unless `ok`. seconds: of the evaluation. error: what went wrong."""

    schema_number: int = READING_SCHEMA
    question: Question
    status: Status
    score: Score | None = None
    seconds: Finite | None = None
    provenance: Provenance | None = None
    error: str | None = None

    @property
    def key(self) -> str:
        """The key of the question."""
        return self.question.key
