"""The store: a folder of immutable, checksummed results."""

from bench.store.store import Store, StoreError

__all__ = ["Store", "StoreError"]
