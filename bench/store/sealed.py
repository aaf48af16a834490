"""Records as text: one line of canonical JSON behind the sha256 of itself, `{"checksum":"<sha256 of the rest>",…}`."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Protocol, Self, TypeVar

from pydantic import ValidationError

from bench.records import foreign
from bench.records.cell import canonical_json
from bench.records.errors import BenchError
from bench.records.result import SCHEMA, Result

_PREFIX = b'{"checksum":"'
_HEX = 64


class Sealed(Protocol):
    """A record as the store writes and reads it: an immutable model with the number of its schema."""

    @property
    def schema_number(self) -> int:
        """The version of the record's fields."""

    @classmethod
    def model_validate_json(cls, json_data: bytes, /) -> Self:
        """Return the record in a JSON text."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Return the record as plain JSON, where `mode` is `json`."""


class Kept(Sealed, Protocol):
    """A sealed record with a key, under which the store keeps it."""

    @property
    def key(self) -> str:
        """The name of the record's file."""


Record = TypeVar("Record", bound=Sealed)


class StoreError(BenchError):
    """A store that cannot be used: what, why, how to fix."""


class UnreadableRecordError(StoreError):
    """A record whose checksum holds, but which does not hold what its schema says."""


class CorruptRecordError(ValueError):
    """A record whose text does not match its checksum."""


def seal(content: dict[str, Any]) -> bytes:
    """Return `content` as one line of canonical JSON, its checksum first."""
    body = canonical_json(content).encode()[1:] + b"\n"
    return _PREFIX + hashlib.sha256(body).hexdigest().encode() + b'",' + body


def unseal(line: bytes) -> bytes:
    """Return the JSON behind the checksum, without its opening brace.

    Raises:
        CorruptRecordError: the text does not match its checksum.
    """
    start = len(_PREFIX) + _HEX + 2
    body = line[start:]
    if line[:start] != _PREFIX + hashlib.sha256(body).hexdigest().encode() + b'",':
        raise CorruptRecordError("the record does not match its checksum")
    return body


def encode(record: Sealed) -> bytes:
    """Return the record's one line."""
    return seal(record.model_dump(mode="json"))


def decode(line: bytes) -> Result:
    """Return the result in a record's line. Raises: as `decode_as`."""
    return decode_as(Result, SCHEMA, line)


def decode_as(kind: type[Record], newest: int, line: bytes) -> Record:
    """Return the record in a line. kind: its type; newest: the newest schema number that this version reads.

    Raises:
        CorruptRecordError: the text does not match its checksum.
        UnreadableRecordError: the record does not hold what its schema says.
        StoreError: the record is of a newer schema.
    """
    text = b"{" + unseal(line)
    try:
        record = kind.model_validate_json(text)
        schema: object = record.schema_number
        if record.schema_number <= newest:
            return record
    except ValidationError as error:
        schema = _schema(text)
        if not isinstance(schema, int) or schema <= newest:
            said = foreign.line(error.errors(include_url=False, include_input=False)[0]["msg"])
            raise UnreadableRecordError(
                f"a record of schema {foreign.line(str(schema))} cannot be read: {said}"
            ) from None
    raise StoreError(
        f"a record of schema {schema} was written by a newer version; this one reads up to {newest}. Upgrade."
    )


def decode_kept(kind: type[Kept], newest: int, name: str, line: bytes) -> Kept:
    """Return the record in the file `name`. Raises: as `decode_as`, and CorruptRecordError where its key is another."""
    record = decode_as(kind, newest, line)
    if record.key != name:
        raise CorruptRecordError(f"{name} holds {record.key}")
    return record


def content(line: bytes) -> Any:
    """Return the plain content of a line; None where the text behind its checksum is no JSON.

    Raises:
        CorruptRecordError: the text does not match its checksum.
    """
    return _plain(b"{" + unseal(line))


def _schema(text: bytes) -> object:
    fields = _plain(text)
    return fields.get("schema_number") if isinstance(fields, dict) else None


def _plain(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # a checksum that holds over no JSON at all
        return None
