"""CITATION.cff says what pyproject.toml says. It was checked against the schema of version 1.2.0 of its format."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_what_is_cited_is_this_project() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert cited.keys() == {
        "cff-version", "message", "type", "title", "abstract", "authors", "version", "license", "keywords",
    }  # fmt: skip
    assert cited["cff-version"] == "1.2.0"
    assert cited["type"] == "software"
    assert (cited["title"], cited["abstract"]) == (project["name"], project["description"])
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    (author,) = cited["authors"]
    assert f"Copyright (c) 2026 {author['name']}" in (ROOT / "LICENSE").read_text("utf-8")
    assert (ROOT / "docs" / "sources.md").is_file(), "named in the message"
