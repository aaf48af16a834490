from __future__ import annotations

import pytest

from tests.performance import exponents


def test_the_quick_form_runs_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    exponents.main(["--quick"])
    _, ours, torchs = capsys.readouterr().out.splitlines()
    assert ours.startswith("nn.GRU")
    assert torchs.startswith("gru")
    assert "memory T^" in torchs
