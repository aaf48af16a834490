from __future__ import annotations

import pytest
from altair.utils.schemapi import debug_mode

from reports.figures import layout
from reports.figures.drawing import PAGE
from reports.figures.example import example
from reports.figures.figures import rendered

STEPS = [("step", ["0", "1", "2"]), ("row", [0.0, 0.5, 1.0]), ("input", ["forty", "two", "<b>"])]


def test_every_cell_is_drawn_in_its_place() -> None:
    with debug_mode(True):
        spec = layout.spec(example([STEPS, [], [("transcript", ["4", "2"])]], "a title", ["a line"]))
    assert len(spec["concat"]) == 2, "an empty block has no panel"
    rows = [row for name in spec["datasets"] for row in spec["datasets"][name]]
    assert [row["shade"] for row in rows if "shade" in row] == [0.0, 0.5, 1.0]
    by_word = {row["word"]: row for row in rows if "word" in row}
    assert {"step", "row", "input", "transcript", "0", "forty", "two", "<b>", "4"} <= by_word.keys()
    assert by_word["0"]["x"] == by_word["forty"]["x"] < by_word["two"]["x"]
    assert by_word["0"]["y"] < by_word["forty"]["y"]


def test_a_long_sequence_goes_on_below() -> None:
    spec = layout.spec(example([[("step", [str(step) for step in range(100)])]], "a title", []))
    assert len(spec["concat"]) > 1
    assert all(panel["width"] <= PAGE for panel in spec["concat"])
    shown = [row["word"] for name in spec["datasets"] for row in spec["datasets"][name] if row["align"] == "center"]
    assert shown == [str(step) for step in range(100)]


@pytest.mark.parametrize(("ending", "first"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_each_form_of_file(ending: str, first: bytes) -> None:
    content = rendered(example([[("input", ["\x00\x1b[2J‮"])]], "\x00", ["\x07"]), ending)  # type: ignore[arg-type]
    assert content.startswith(first)
