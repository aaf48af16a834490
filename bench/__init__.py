"""A benchmark suite for long-range dependencies. Public API: `bench.load(store)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pandas

__all__ = ["load"]


def load(store: Path | str = "results") -> pandas.DataFrame:
    """Return the results of a store as a DataFrame: one row per cell, columns as in docs/results-format.md.

    Raises:
        StoreError: there is no store at this path, or its records are of a newer schema.
    """
    from bench.store import Store

    return Store(store).frame()
