from __future__ import annotations

import pytest

from tests.performance import scan


def test_a_ratio_says_how_many_times_as_fast() -> None:
    line = str(scan.Ratio("x", [0.1, 0.2, 0.1], [0.2, 0.2, 0.3], 1.5))
    assert "2.000 (1.000 to 3.000)" in line
    assert line.endswith("target >= 1.5   holds")
    assert str(scan.Ratio("x", [0.2], [0.2], 1.5)).endswith("falls short")


def test_the_quick_form_measures_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    scan.main(["--quick"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(scan.EQUAL_STATE) + len(scan.EQUAL_PARAMETERS)
    assert all("s per step" in line for line in lines[1:])
