"""One task in one setting, as every report shows it: heading, rows, lines over length, reference scores."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from bench.records.result import Result, Score
from reports.summary import Group
from reports.summary.grouping import Reach


def slug(text: str) -> str:
    """Write `adding · clip 0.5` as part of a file name: letters, digits, dots and single dashes, 80 bytes at most."""
    return re.sub(r"[^\w.]+", "-", text).strip("-.").encode()[:80].decode(errors="ignore") or "task"


@dataclass(frozen=True)
class Heading:
    """The heading of a topic.

    score: any score of the task, for its metric, unit, direction and threshold; None without one. differs: what tells
    the setting from the task's others, as `clip 0.5`.
    """

    task: str
    score: Score | None
    differs: tuple[str, ...]

    @property
    def title(self) -> str:
        """`adding · clip 0.5`: the task, and what differs."""
        return " · ".join([self.task, *self.differs])

    @property
    def measure(self) -> str:
        """`mean squared error ↓ (squared value) · solved if ≤ 0.01`; empty without a score."""
        if self.score is None:
            return ""
        higher, unit, threshold = self.score.higher_is_better, self.score.unit, self.score.solved_threshold
        name = self.score.metric.replace("_", " ")
        text = f"{name} {'↑' if higher else '↓'}" + (f" ({unit})" if unit not in ("", name) else "")
        return text if threshold is None else f"{text} · solved if {'≥' if higher else '≤'} {threshold:g}"

    @property
    def metric(self) -> str:
        """`mean squared error`: what an axis of scores is called."""
        return self.score.metric.replace("_", " ") if self.score else "score"

    @property
    def logarithmic(self) -> bool:
        """Whether scores are shown on a logarithmic axis: those that are better the nearer they come to 0."""
        return self.score is not None and not self.score.higher_is_better and self.score.best == 0

    @property
    def full(self) -> str:
        """Task, measure and what differs."""
        return " · ".join(filter(None, [self.task, self.measure, *self.differs]))


@dataclass(frozen=True)
class Member:
    """A group of seeds in its topic.

    label: the model, with its version where the topic shows several. difference: what tells the group from the others
    of that model and length (empty, or `steps 300`). place: among all groups of the view, counted from 0.
    """

    group: Group
    label: str
    difference: str
    place: int

    @property
    def length(self) -> int:
        """T of the group's cells."""
        return self.group.identity.length


@dataclass(frozen=True)
class Line:
    """One model over its lengths, shortest first.

    Where a length was run with several budgets, the one with the most steps (then the largest batch) stands for it.
    solved: T* of the model in the whole store, whatever part of it is shown; None where it does not apply.
    """

    label: str
    members: tuple[Member, ...]
    solved: Reach | None = None

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The groups of seeds, one per length."""
        return tuple(member.group for member in self.members)

    def seeds(self, length: int) -> tuple[Result, ...]:
        """Give the cells of this length at the learning rate chosen on validation."""
        return next((group.seeds for group in self.groups if group.identity.length == length), ())


@dataclass(frozen=True)
class Topic:
    """One task in one setting.

    name: of files. members: every group, by length, then by model in the report's order. lines: a line per model, in
    the report's order.
    """

    name: str
    heading: Heading
    members: tuple[Member, ...]
    lines: tuple[Line, ...]

    @property
    def title(self) -> str:
        """The task, and what tells the setting from the task's others."""
        return self.heading.title

    def file(self, what: str, of: str) -> str:
        """Name a figure's files: what it shows, and of which quantity or model."""
        return f"{self.name}-{what}-{slug(of)}"

    @property
    def groups(self) -> list[Group]:
        """The groups of all members."""
        return [member.group for member in self.members]

    @property
    def lengths(self) -> list[int]:
        """All lengths, shortest first."""
        return sorted({member.length for member in self.members})

    @property
    def labels(self) -> list[str]:
        """The models, in the report's order."""
        return [line.label for line in self.lines]

    @cached_property
    def drawn(self) -> list[tuple[str, Group]]:
        """(label, group) of every line."""
        return [(line.label, group) for line in self.lines for group in line.groups]

    @cached_property
    def seeds(self) -> list[Result]:
        """The cells of every line, at the learning rate chosen on validation."""
        return [result for _, group in self.drawn for result in group.seeds]

    @property
    def data(self) -> list[str]:
        """The texts that were read, as `name sha256`; empty for a synthetic task."""
        return sorted({group.identity.data for group in self.groups if group.identity.data})

    @property
    def references(self) -> list[tuple[str, float, float]]:
        """(name, least, largest) of the reference scores that stand beside chance, the weakest first."""
        scores = [group.reference for group in self.groups if group.reference is not None]
        values: dict[str, list[float]] = {}
        for score in scores:
            for name, value in score.floors.items():
                values.setdefault(name, []).append(value)
        lower_is_better = bool(scores) and not scores[0].higher_is_better
        ranked = sorted(values.items(), key=lambda item: item[1], reverse=lower_is_better)
        return [(name, min(several), max(several)) for name, several in ranked]
