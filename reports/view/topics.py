"""What a figure is about: one task in one setting, and in it one line per model over its lengths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.records.result import Result
from reports.summary import grouping as summary
from reports.summary.grouping import Group
from reports.view import blocks
from reports.view.blocks import Rank


@dataclass(frozen=True)
class Line:
    """One model: its groups of seeds, shortest length first, one per length."""

    label: str
    groups: tuple[Group, ...]

    def at(self, length: int) -> Group | None:
        """The group of this length."""
        return next((group for group in self.groups if group.identity.length == length), None)

    def seeds(self, length: int) -> tuple[Result, ...]:
        """The cells of this length at the learning rate chosen on validation."""
        group = self.at(length)
        return group.seeds if group else ()


@dataclass(frozen=True)
class Topic:
    """One task in one setting. name: of files. title: task, and what tells the setting from the task's others. score:
    metric, direction, unit, threshold."""

    name: str
    title: str
    score: str
    lines: tuple[Line, ...]

    @property
    def lengths(self) -> tuple[int, ...]:
        """All lengths, shortest first."""
        return tuple(sorted({group.identity.length for line in self.lines for group in line.groups}))

    @property
    def labels(self) -> list[str]:
        """The models, in the report's order."""
        return [line.label for line in self.lines]


def topics(results: Iterable[Result], rank: Rank) -> list[Topic]:
    """The results by task and setting, in the report's order. Where a length was run with several budgets, the one
    with the most steps stands for it (as in summary.series)."""
    by_setting = blocks.blocks(summary.groups(results), rank)
    found: list[Topic] = []
    for key, members in by_setting.items():
        parts = blocks.heading(key, members, by_setting).split(" · ")
        scored = any(group.reference is not None for group in members)
        threshold = len(parts) > 2 and parts[2].startswith("solved if")
        of_score = parts[1 : 3 if threshold else 2] if scored else []
        title = " · ".join([key.task, *parts[1 + len(of_score) :]])
        name = _unused(slug(title), [topic.name for topic in found])
        found.append(Topic(name, title, " · ".join(of_score), _lines(members, rank)))
    return found


def _lines(members: Sequence[Group], rank: Rank) -> tuple[Line, ...]:
    names = blocks.labels(members)
    lines = [Line(names[id(groups[0])][0], tuple(groups)) for groups in summary.series(members).values()]
    return tuple(sorted(lines, key=lambda line: (rank("model", line.groups[0].identity.model), line.label)))


def slug(text: str) -> str:
    """`adding · clip 0.5` as part of a file name: letters, digits, dots and single dashes."""
    return re.sub(r"[^\w.]+", "-", text).strip("-.")[:80] or "task"


def _unused(name: str, taken: Sequence[str]) -> str:
    number, candidate = 2, name
    while candidate.lower() in {other.lower() for other in taken}:
        candidate, number = f"{name}-{number}", number + 1
    return candidate
