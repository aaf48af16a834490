from __future__ import annotations

import pytest

from reports.text.example import SHADES, WIDTH, columns, described, paragraphs, shade

STEPS = ("step", [str(step) for step in range(40)])


def test_cells_stand_below_their_steps() -> None:
    rows = [("step", ["0", "1", "2"]), ("input", ["forty", "two", ":"]), ("target", ["·", "4", "2"])]
    assert columns(rows) == [
        "step        0     1     2",
        "input   forty   two     :",
        "target      ·     4     2",
    ]


def test_what_does_not_fit_goes_on_below() -> None:
    lines = columns([STEPS, ("input", [f"w{step:02}" for step in range(40)])])
    assert all(len(line) <= WIDTH for line in lines)
    assert lines.count("") == len(lines) // 3 >= 1
    shown = [word for line in lines if line.startswith("input") for word in line.split()[1:]]
    assert shown == [f"w{step:02}" for step in range(40)]


def test_single_letters_touch_where_they_do_not_fit_apart() -> None:
    letters = [chr(ord("a") + step % 26) for step in range(40)]
    top, line = columns([STEPS, ("input", letters)])
    assert line == f"input {''.join(letters)}"
    for tenth in (0, 10, 20, 30):
        assert top[6 + tenth :].startswith(str(tenth))
        assert line[6 + tenth] == letters[tenth]


def test_touching_letters_are_cut_at_a_tenth() -> None:
    lines = columns([("step", [str(i) for i in range(200)]), ("input", ["x"] * 200)])
    assert all(len(line) <= WIDTH for line in lines)
    assert [line.split()[1] for line in lines if line.startswith("step")] == ["0", "70", "140"]


def test_a_shade_fills_its_column() -> None:
    assert columns([("step", ["0", "1"]), ("row", [1.0, 0.0])]) == ["step  0 1", "row  ██"]
    assert [shade(value) for value in (-1.0, 0.0, 0.3, 0.5, 0.7, 1.0, 9.0)] == [
        SHADES[0], SHADES[0], SHADES[1], SHADES[2], SHADES[3], SHADES[4], SHADES[4],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "shown"),
    [(" ", "␣"), ("\n", "↵"), ("\x1b[2J", "\\x1b[2J"), ("‮", "\\u202e"), ("x" * 99, f"{'x' * 15}…")],
)  # fmt: skip
def test_a_cell_is_visible_and_harmless(cell: str, shown: str) -> None:
    assert columns([("input", [cell])], numbered=False) == [f"input  {shown}"]


def test_wide_letters_and_marks_keep_the_columns() -> None:
    assert columns([("step", ["0", "1"]), ("in", ["日", "a"])]) == ["step   0  1", "in    日  a"]
    assert columns([("in", ["é", "a"])], numbered=False) == ["in  é a"]


def test_what_a_docstring_says() -> None:
    """Paragraphs by how they begin; the sentence before an example is left out."""
    rule = "Rule: they are\nmarked. For example:\n\n    1 2"
    text = f"Sum two numbers.\n\n{rule}\n\nlength T is how many.\n\nSource: a book."
    beginnings = {"rule": "Rule", "length T": "length T", "source": "Source:"}
    said = described(text, beginnings)
    assert said == {
        "what": "Sum two numbers.", "rule": "they are marked.", "length T": "is how many.", "source": "a book.",
    }  # fmt: skip
    assert list(paragraphs([("rule", "word " * 30)]))[1].startswith(" " * 10 + "word")
