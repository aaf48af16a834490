"""What is said of scores has one owner: reports.summary decides, everything else shows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPORTS = Path(__file__).parents[2] / "reports"
SHOWING = sorted(path for path in REPORTS.rglob("*.py") if "summary" not in path.parts)
SCRIPTS = sorted((REPORTS / "page" / "script").glob("*.js"))

# Attributes by which a score is judged.
JUDGING = {"blocks", "at_chance", "best", "context_use", "memory_horizon", "within"}
MAY = {  # what is drawn as it is stored
    ("reports/figures/memory.py", "context_use"),
    ("reports/page/cells.py", "context_use"),
    ("reports/figures/asked.py", "best"),
    ("reports/figures/lengths.py", "best"),
    ("reports/page/cells.py", "best"),
    ("reports/view/topic.py", "best"),
}


def name_of(path: Path) -> str:
    return path.relative_to(REPORTS.parent).as_posix()


def attributes(path: Path) -> Iterator[str]:
    return (node.attr for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute))


@pytest.mark.parametrize("path", SHOWING, ids=name_of)
def test_nothing_outside_the_summary_judges_a_score(path: Path) -> None:
    assert {(name_of(path), name) for name in attributes(path) if name in JUDGING} <= MAY


@pytest.mark.parametrize("path", SHOWING, ids=name_of)
def test_nothing_outside_the_summary_takes_means_or_compares_with_a_limit(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"^(from|import) statistics\b", text, re.M)
    assert not re.search(r"[<>]=? *(LEARNING|SHORT|0?\.05)\b|- *[\w.]+\.chance", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_the_page_judges_nothing(path: Path) -> None:
    """A skill, a p below .05, what a group solves: all of it comes with the data."""
    text = path.read_text("utf-8")
    assert not re.search(r"[<>]=? *0?\.05\b|- *[\w.]+\.chance|(skill|horizon|solved_length) *[<>]", text)
