from __future__ import annotations

import pytest

from tests.performance import stacked


def test_the_quick_form_measures_two_seeds_that_agree_with_one_after_another(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stacked.main(["--quick"])
    (line,) = capsys.readouterr().out.splitlines()[1:]
    assert line.startswith("gru 10, 2 seeds: ")
