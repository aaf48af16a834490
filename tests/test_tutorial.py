"""The tutorial's notebook runs from its first cell to its last without a warning, and shows what is kept in it."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import bench

pytest.importorskip("nbclient", reason="THE TUTORIAL IS NOT RUN: nbclient is not installed")
from tests.support.notebook import TUTORIAL, executed

LARGEST = 400_000  # bytes
MACHINE = re.compile(r"/(?:tmp|home|root|work|Users|private|var)/|[A-Z]:\\")


def kept() -> list[dict[str, Any]]:
    return list(json.loads(TUTORIAL.read_text("utf-8"))["cells"])


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def kinds(cell: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """What a cell shows: of each output its type and its media."""
    return [(output["output_type"], sorted(output.get("data", {}))) for output in cell.get("outputs", [])]


def test_it_runs_and_shows_what_is_kept(tmp_path: Path) -> None:
    ran = executed(tmp_path).cells
    assert [kinds(cell) for cell in ran] == [kinds(cell) for cell in kept()]
    assert [path.name for path in tmp_path.iterdir()] == ["tutorial-results"]
    told = json.dumps([cell.get("outputs", []) for cell in ran])
    assert not MACHINE.search(re.sub(r'"image/png": "[^"]*"', "", told))


def test_what_is_kept_is_small_and_names_no_machine() -> None:
    assert TUTORIAL.stat().st_size < LARGEST
    text = re.sub(r'"image/png": "[^"]*"', "", TUTORIAL.read_text("utf-8"))
    assert not MACHINE.search(text)
    shown = [kinds(cell) for cell in kept()]
    assert sum("image/png" in media for outputs in shown for _, media in outputs) == 2
    assert {kind for outputs in shown for kind, _ in outputs} <= {"display_data", "execute_result"}, "no stderr"
    code = [cell for cell in kept() if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))


def test_it_calls_every_public_name() -> None:
    tree = ast.parse("\n".join(source(cell) for cell in kept() if cell["cell_type"] == "code"))
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name) and node.func.value.id == "bench"
    }  # fmt: skip
    assert called == set(bench.__all__)
