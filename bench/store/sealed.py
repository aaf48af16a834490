"""Records as text: one line of canonical JSON behind the sha256 of itself, `{"checksum":"<sha256 of the rest>",…}`."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import ValidationError

from bench.records.cell import canonical_json
from bench.records.result import SCHEMA, Result

_PREFIX = b'{"checksum":"'
_HEX = 64


class StoreError(Exception):
    """A store that cannot be used: what, why, how to fix."""


class CorruptRecordError(ValueError):
    """A record whose text does not match its checksum."""


def seal(content: dict[str, Any]) -> bytes:
    """`content` as one line of canonical JSON, its checksum first."""
    body = canonical_json(content).encode()[1:] + b"\n"
    return _PREFIX + hashlib.sha256(body).hexdigest().encode() + b'",' + body


def unseal(line: bytes) -> bytes:
    """The JSON behind the checksum, without its opening brace.

    Raises:
        CorruptRecordError: the text does not match its checksum.
    """
    start = len(_PREFIX) + _HEX + 2
    body = line[start:]
    if line[:start] != _PREFIX + hashlib.sha256(body).hexdigest().encode() + b'",':
        raise CorruptRecordError("the record does not match its checksum")
    return body


def encode(result: Result) -> bytes:
    """The record's one line."""
    return seal(result.model_dump(mode="json"))


def decode(line: bytes) -> Result:
    """The result in a record's line.

    Raises:
        CorruptRecordError: the text does not match its checksum.
        StoreError: the record is of a newer schema, or does not hold what its schema says.
    """
    text = b"{" + unseal(line)
    try:
        result = Result.model_validate_json(text)
        if result.schema_number <= SCHEMA:
            return result
        schema: object = result.schema_number
    except ValidationError as error:
        schema = _schema(text)
        if not isinstance(schema, int) or schema <= SCHEMA:
            raise StoreError(f"a record of schema {schema} cannot be read: {error.errors()[0]['msg']}") from None
    raise StoreError(
        f"a record of schema {schema} was written by a newer version; this one reads up to {SCHEMA}. Upgrade."
    )


def _schema(text: bytes) -> object:
    try:
        return dict(json.loads(text)).get("schema_number")
    except (ValueError, RecursionError):  # a checksum that holds over no JSON at all
        return None
