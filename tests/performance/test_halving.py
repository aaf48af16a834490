from __future__ import annotations

import pytest

from tests.performance import halving


def test_the_quick_form_runs_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    halving.main(["--quick"])
    *_, setting, steps, seconds = capsys.readouterr().out.splitlines()
    assert setting.startswith("adding     rnn   T=4    grid 0.01")
    assert steps.startswith("all: steps ")
    assert seconds.startswith("all: seconds ")
