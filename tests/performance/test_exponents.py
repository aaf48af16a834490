from __future__ import annotations

import pytest

from tests.performance import exponents


def test_the_quick_form_runs_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    exponents.main(["--quick"])
    _, ours, torchs = capsys.readouterr().out.splitlines()
    assert ours.startswith("nn.GRU")
    assert torchs.startswith("gru")
    assert "memory T^" in torchs


def test_what_it_prints_can_be_drawn() -> None:
    text = (
        "# heading\n"
        "rnn          time T^0.98  memory T^0.83   T=100: 0.0038 s 7 MiB  T=1000: 0.0304 s 25 MiB\n"
        "nn.GRU       time T^1.09  memory T^0.95   T=100: 0.0204 s 13 MiB\n"
    )
    found = exponents.points(text)
    assert [(point["model"], point["T"], point["MiB"]) for point in found] == [
        ("rnn", 100, 7), ("rnn", 1000, 25), ("nn.GRU", 100, 13),
    ]  # fmt: skip
    assert exponents.drawn(found).startswith("<svg")
