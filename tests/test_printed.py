"""Pages hold what the commands above their tables print, not what they printed once."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def printed():
    spec = importlib.util.spec_from_file_location("printed", ROOT / "docs" / "printed.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_hold_what_their_commands_print(printed):
    texts = {path.name: path.read_text("utf-8") for path in printed.PAGES}
    assert {name for name, text in texts.items() if printed.MARKED.search(text)} >= {"README.md", "memory.md"}
    stale = [name for name, text in texts.items() if printed.filled(text) != text]
    assert not stale, "python docs/printed.py writes them again"


def test_a_number_that_was_changed_by_hand_is_seen(printed):
    page = "a\n\n<!-- python -m reports.compare remedies --format markdown: What was run -->\nold\n<!-- end -->\n\nb\n"
    made = printed.filled(page)
    assert "old" not in made
    assert "| cells |" in made
    assert made.startswith("a\n\n<!-- python -m reports.compare remedies")
    assert made.endswith("<!-- end -->\n\nb\n")
    assert printed.filled(made) == made
    assert printed.filled(made.replace("456", "457")) == made
