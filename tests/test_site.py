"""The site's own code: what it makes of Markdown and notebooks, and what it takes for another host's.

The site itself is built by .ci/run, in an environment of its own, with warnings as errors.
"""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MARKDOWNS = runpy.run_path(str(ROOT / "docs" / "site" / "markdowns.py"))
CHECK = runpy.run_path(str(ROOT / "docs" / "site" / "check.py"))


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ('<script src="https://cdn.example/x.js"></script>', ".html"),
        ("<img alt='' src='//cdn.example/x.png'>", ".html"),
        ('<link rel="stylesheet" href="https://fonts.example/css">', ".html"),
        ("<style>@import 'https://fonts.example/css';</style>", ".html"),
        ('<p style="background: url(https://cdn.example/x.png)">', ".html"),
        ("@font-face { src: url(//fonts.example/a.woff2) }", ".css"),
    ],
)
def test_what_another_host_would_serve_is_found(text: str, ending: str) -> None:
    (address,) = CHECK["outside"](text, ending)
    assert ".example/" in address


def test_links_and_own_files_are_no_other_hosts() -> None:
    page = '<a href="https://arxiv.org/abs/1">paper</a><img src="data:image/png;base64,//8="><script src="a//b.js">'
    assert CHECK["outside"](page, ".html") == []
    assert CHECK["outside"]("a { background: url(data:image/svg+xml;x) }", ".css") == []


def test_lists_are_lists_and_code_stays() -> None:
    spaced = MARKDOWNS["spaced"]
    assert spaced("Two:\n- a\n  more\n- b\nend") == "Two:\n\n- a\n  more\n- b\nend"
    fenced = "Before:\n```text\nx\n- no list\n```\n"
    assert spaced(fenced) == fenced
    assert spaced(spaced("x\n1. a\n2. b")) == "x\n\n1. a\n2. b"


def test_links_lead_to_where_the_site_has_things() -> None:
    places = {"models/rnn.py": "models.md#models.rnn.RNN", "papers": "papers/README.md"}
    text = "[a](../models/rnn.py) [b](../papers) [c](options.md#x) [d](https://x.org/y) [e](#here)"
    new = MARKDOWNS["linked"](text, "docs/a.md", places.get)
    assert new == (
        "[a](../models.md#models.rnn.RNN) [b](../papers/README.md) [c](options.md#x) [d](https://x.org/y) [e](#here)"
    )
    assert MARKDOWNS["targets"](text, "docs/a.md") == {"models/rnn.py", "papers", "docs/options.md"}


def test_the_tutorial_as_a_page_shows_everything() -> None:
    text = (ROOT / "docs" / "tutorial.ipynb").read_text("utf-8")
    page = MARKDOWNS["notebook"](text)
    cells = json.loads(text)["cells"]
    for cell in cells:
        assert "".join(cell["source"]) in page
    assert page.count("<img alt=") == 2
    assert page.count("<table") == text.count("<table") > 3
    assert "4 cells: 0 stored, 4 to run" in page
    assert "<style" not in page


def test_all_of_the_docs_environment_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pins = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()}
    names = {re.split(r"[\[<>=]", text)[0].lower() for text in project["optional-dependencies"]["docs"]}
    assert names - pins == set()
