"""Worked examples of docstrings: rows of words in columns."""

from __future__ import annotations


def columns(text: str | None) -> dict[str, list[str]]:
    """The words behind the first word of each line, by that word; of lines with equal first words the first counts."""
    lines = (line.split() for line in reversed((text or "").splitlines()))
    return {words[0]: words[1:] for words in lines if words}
