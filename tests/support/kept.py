"""A second kind of record for the tests of the store: as small as one gets."""

from __future__ import annotations

import hashlib

from bench.records.cell import Frozen, canonical_json
from bench.records.result import Seconds


class Note(Frozen):
    """What somebody wrote about a cell. about: with `page`, the note's identity."""

    schema_number: int = 1
    about: str
    page: int = 0
    text: str = ""
    seconds: Seconds | None = None

    @property
    def key(self) -> str:
        """Hash of the identity: 16 hexadecimal digits."""
        return hashlib.sha256(canonical_json([self.about, self.page]).encode()).hexdigest()[:16]


KIND = ("notes", (Note, 1))  # as an item of `bench.store.store.KINDS`
