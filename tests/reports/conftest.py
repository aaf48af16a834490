"""What the tests of reports share."""

from __future__ import annotations

import pytest

from bench.store import Store


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    return Store(tmp_path / "results", create=True)
