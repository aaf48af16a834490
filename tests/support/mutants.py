"""Records that somebody forged: a whole record, one value of it replaced, its checksum made anew."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from bench.records.result import Result
from bench.store.sealed import seal

VALUES = (
    None, True, 0, -1, 10**15, -(10**15), 10**30, 1e308, -1e308, 5e-324, "text", "\x1b[2J", [], [1], [[0, 0.5]] * 3, {},
    {"input": 1}, {"a": None},
)  # fmt: skip


def paths(content: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where values stand in a record; of a list, its first element stands for all."""
    if before:
        yield before
    if isinstance(content, dict):
        for key, value in content.items():
            yield from paths(value, (*before, key))
    if isinstance(content, list) and content:
        yield from paths(content[0], (*before, 0))


def mutants(result: Result) -> Iterator[tuple[str, bytes]]:
    """(what was changed, the record's line)."""
    whole = json.loads(result.model_dump_json())
    for path in paths(whole):
        for value in VALUES:
            content = copy.deepcopy(whole)
            place = content
            for part in path[:-1]:
                place = place[part]
            if place[path[-1]] == value and type(place[path[-1]]) is type(value):
                continue
            place[path[-1]] = value
            yield f"{'.'.join(map(str, path))} = {value!r}", seal(content)
