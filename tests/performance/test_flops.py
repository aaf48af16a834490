from __future__ import annotations

import pytest

from tests.performance.flops import counts


def test_an_lstms_products_are_those_of_its_equations() -> None:
    """2 · 4n · (width + n) a step, and the head once; no gradient of the first state and of inputs that are numbers."""
    forward, backward = counts("adding", "lstm", 100)
    n = 61
    assert forward == pytest.approx(100 * 8 * n * (2 + n) + 10 * 2 * n, rel=0.01)
    assert 1.8 < backward / forward < 2.0


def test_attention_grows_with_the_square() -> None:
    short, long = (sum(counts("adding", "transformer", length)) for length in (50, 400))
    assert long / short > 12
