from __future__ import annotations

import pytest

from bench.records.result import Seconds
from tests.performance.estimates import ratios
from tests.support.factories import a_cell, a_recipe, a_result


def test_the_rest_is_held_against_what_was_known_before_it() -> None:
    """Cells that all take ten times as long as guessed: known from the first one on."""
    taken = Seconds(**(dict.fromkeys(Seconds.model_fields, 0.0) | {"total": 40.0}))
    results = [a_result(a_cell(seed=seed, recipe=a_recipe(steps=20)), seconds=taken) for seed in range(6)]
    first, after_three, after_five = ratios(results)
    assert (first[0], after_three[0], after_five[0]) == (0, 3, 5)
    assert first[1] < 0.5
    assert after_three[1] == after_five[1] == pytest.approx(1.0, rel=0.05)
