from __future__ import annotations

import argparse
import math
from pathlib import Path

import pytest

from tests.performance.pairs import ROOT, Row, compare, parsed, python


def test_a_row_has_the_geometric_mean_and_its_t_interval() -> None:
    row = Row("x", (1.0, 1.21))
    assert row.mean == pytest.approx(1.1)
    half = 12.706 * math.log(1.21) / 2  # t of one degree of freedom × the standard error of two logarithms
    assert row.interval == pytest.approx((1.1 / math.exp(half), 1.1 * math.exp(half)), rel=1e-3)


@pytest.mark.parametrize(("ratios", "holds"), [((1.0, 1.02, 1.04), True), ((1.1, 1.101, 1.102), False)])
def test_a_row_holds_where_its_interval_reaches_down(ratios: tuple[float, ...], holds: bool) -> None:
    assert Row("x", ratios).holds is holds
    assert str(Row("x", ratios)).endswith("holds" if holds else "falls short")


def test_checkouts_alternate_and_every_ratio_is_this_one_over_the_other(tmp_path: Path) -> None:
    asked: list[Path] = []

    def measure(checkout: Path) -> float:
        asked.append(checkout)
        return 3.0 if checkout == ROOT else 2.0 + 0.001 * len(asked)

    first, mean = compare(3, [("a row", measure)], tmp_path)
    assert asked == [tmp_path, ROOT, ROOT, tmp_path, tmp_path, ROOT]
    assert first.startswith("a row ")
    assert " 1.49" in first
    assert "1.49" in mean
    assert mean.endswith("falls short")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--against", str(ROOT), "--pairs", "1"], "--pairs: expected at least 2, got 1: one pair has no interval"),
        (["--against", "/"], "--against: expected a checkout of this project, got / (no bench/run.py)"),
    ],
)
def test_bad_input_is_one_message(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    with pytest.raises(SystemExit) as ended:
        parsed(parser, words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f"{message}\n")


def test_a_process_uses_the_modules_of_its_checkout(tmp_path: Path) -> None:
    (tmp_path / "bench.py").write_text("print('of the other')")
    assert python(tmp_path, "-c", "import bench") == "of the other\n"
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        python(tmp_path, "-c", "1 / 0")
