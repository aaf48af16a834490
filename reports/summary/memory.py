"""Where more context makes a model worse, in words that table, figures and page share."""

from __future__ import annotations

from collections.abc import Iterable

from reports.summary.group import Group


def worse_with_more(drawn: Iterable[tuple[str, Group]]) -> str:
    """Write which models do best with less context than they were given; empty where none does.

    drawn: (label, group) of every line.
    """
    texts = [
        f"{label} at T = {group.identity.length:,} (best with {group.memory.steps:,.0f})"
        for label, group in drawn
        if group.memory.worse
    ]
    return f"more context makes the score worse: {', '.join(texts)}" if texts else ""
