"""What was asked of a store: the content of `sweeps/<hash>.json`, one file for each sweep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.records.cell import Cell, canonical_json
from bench.records.sweep import Sweep


class UnreadableError(ValueError):
    """The content of a sweep's file that this version of the suite cannot read."""


def without_data(cell: Cell) -> Cell:
    """Return `cell` as it was asked for before its corpus was known."""
    return cell.model_copy(update={"data": None})


def possible_keys(cell: Cell) -> tuple[str, str]:
    """Return the keys under which a sweep may have asked for `cell`: as it is, and before its corpus was known."""
    return cell.key, without_data(cell).key


@dataclass(frozen=True)
class AskedCell:
    """A cell that a sweep asked for. What is known of its corpus has three states:

    state           in the file      `cell.data`   `known`
    no corpus       "data": null     None          True
    not known yet   no key "data"    None          False
    known           "data": {…}      the corpus    True

    stopped: the step after which its learning rate was stopped (`--halving`); None: it was not.
    """

    cell: Cell
    known: bool = True
    stopped: int | None = None

    @classmethod
    def read(cls, content: Any) -> AskedCell:
        """Read a cell from a sweep's file.

        Raises:
            UnreadableError: another version of the suite wrote cells in another way.
        """
        try:
            content = dict(content)
            stopped = content.pop("stopped", None)
            if not (stopped is None or (type(stopped) is int and stopped > 0)):
                raise ValueError
            return cls(Cell.model_validate_json(canonical_json(content)), "data" in content, stopped)
        except (ValueError, TypeError, AttributeError):  # pydantic's own error is a ValueError
            raise UnreadableError("no cell in the words of this version") from None

    def written(self) -> dict[str, Any]:
        """Return the cell as plain JSON, as it stands in a sweep's file."""
        cell = self.cell.model_dump(mode="json", exclude=None if self.known else {"data"})
        return cell if self.stopped is None else cell | {"stopped": self.stopped}

    @property
    def key(self) -> str:
        """The cell's key as far as the cell is known: one of `possible_keys` of every result that answers it."""
        return self.cell.key


@dataclass(frozen=True)
class Asked:
    """What was asked of a store, and the cells it came to, whether they have run or not.

    sweep: `Sweep.described()` of the version that wrote the file; later versions keep it as it is.
    """

    sweep: dict[str, Any]
    cells: tuple[AskedCell, ...]

    @classmethod
    def of(cls, sweep: Sweep, cells: Iterable[AskedCell]) -> Asked:
        """Make the content of a sweep's file."""
        return cls(json.loads(canonical_json(sweep.described())), tuple(cells))

    @classmethod
    def read(cls, content: Any) -> Asked:
        """Read the content of a sweep's file, of any version from the first on.

        Raises:
            UnreadableError: `content` holds something else, or cells of another version of the suite.
        """
        match content:
            case {
                "sweep": {"tasks": list(tasks), "models": list(models), "lengths": list(lengths), "budget": str()},
                "cells": list(cells),
            } if all(isinstance(text, str) for text in (*tasks, *models)) and all(type(t) is int for t in lengths):
                return cls(content["sweep"], tuple(map(AskedCell.read, cells)))
        raise UnreadableError("no sweep: expected the tables `sweep` and `cells`")

    def written(self) -> dict[str, Any]:
        """Return the content of the sweep's file."""
        return {"sweep": self.sweep, "cells": [cell.written() for cell in self.cells]}

    @property
    def hash(self) -> str:
        """The name of the sweep's file: that of `Sweep.hash`."""
        return hashlib.sha256(canonical_json(self.sweep).encode()).hexdigest()[:16]

    def joined(self, other: Asked) -> Asked:
        """Return the same sweep as two stores know it: a cell whose corpus only one of them knows, with that corpus,
        and a cell whose rate only one of them stopped, as stopped."""
        groups: dict[str, dict[AskedCell, None]] = {}
        for item in (*self.cells, *other.cells):
            groups.setdefault(without_data(item.cell).key, {})[item] = None
        kept = ([item for item in group if item.known] or group for group in groups.values())
        joined: dict[str, AskedCell] = {}
        for item in (item for group in kept for item in group):
            if item.key not in joined or item.stopped is not None:
                joined[item.key] = item
        return Asked(self.sweep, tuple(joined.values()))


def unanswered(asked: Iterable[AskedCell], answered: Iterable[Cell]) -> list[AskedCell]:
    """Pick the cells that were asked for, have no result of any kind and were not stopped, each once. answered: the
    results' cells."""
    asked = list(asked)
    held = {key for cell in answered for key in possible_keys(cell)}
    held |= {item.key for item in asked if item.stopped is not None}
    return list({item.key: item for item in asked if item.key not in held}.values())
