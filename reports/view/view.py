"""A view of results, worked out once and handed to tables, figures and page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from bench.records.asked import AskedCell, unanswered
from bench.records.cell import Versions
from bench.records.result import Result
from reports.summary import Group, groups
from reports.summary.grouping import Reach, data_of, recipe_of, solved_length
from reports.view.looks import Look, looks
from reports.view.topic import Heading, Line, Member, Topic, slug

# What a budget sets by length: groups of one setting may differ in these, as the recipe says how.
BY_LENGTH = frozenset({"steps", "batch_size", "evaluate_every", "probes"})


def name_of(entry: str) -> str:
    """Read `lstm` from `lstm:layers=2`; an import path keeps its class, which follows the first colon."""
    parts = entry.split(":")
    return ":".join(parts[:2]) if len(parts) > 1 and "=" not in parts[1] else parts[0]


@dataclass(frozen=True)
class Order:
    """Names of tasks and models in the order of a report; what stands in neither list follows, by name."""

    tasks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    def task(self, entry: str) -> tuple[int, str]:
        """Give the place of a task."""
        return _place(self.tasks, entry)

    def model(self, entry: str) -> tuple[int, str]:
        """Give the place of a model."""
        return _place(self.models, entry)


def _place(names: Sequence[str], entry: str) -> tuple[int, str]:
    name = name_of(entry)
    return (names.index(name) if name in names else len(names), entry)


@dataclass(frozen=True)
class View:
    """What a report shows.

    topics: every task in one setting, in the report's order. looks: how each model label is drawn. order: of tasks and
    models. stopped: the cells without a result whose learning rates were stopped early (`--halving`).
    """

    topics: tuple[Topic, ...]
    looks: Mapping[str, Look]
    order: Order
    stopped: tuple[AskedCell, ...] = ()

    @classmethod
    def of(
        cls,
        results: Collection[Result],
        order: Order = Order(),
        everything: Collection[Result] = (),
        asked: Iterable[AskedCell] = (),
    ) -> View:
        """Work out the view of some results.

        everything: all results of the store where `results` are only some, so that a model keeps its look and its T*
        in every view. asked: the cells that the store's sweeps asked for.
        """
        asked = list(asked)
        made = groups(results, everything)
        whole = groups(everything) if len(everything) > len(results) else made
        reaches = _reaches(whole, unanswered(asked, (result.cell for group in whole for result in group.results)))
        topics = _topics(made, order, reaches)
        others = () if whole is made else _topics(whole, order, reaches)
        return cls(
            topics, looks(label for topic in (*topics, *others) for label in topic.labels), order, _stopped(asked, made)
        )

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Every group of seeds in its topic; a member stands at its place."""
        return tuple(member for topic in self.topics for member in topic.members)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Every group of seeds."""
        return tuple(member.group for member in self.members)

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """Every cell: the groups' cells, by learning rate and seed within a group."""
        return tuple(result for group in self.groups for result in group.results)


def _stopped(asked: Iterable[AskedCell], shown: Iterable[Group]) -> tuple[AskedCell, ...]:
    """Pick the cells that were stopped, of the tasks, models and lengths that are shown."""
    results = [result.cell for group in shown for result in group.results]
    answered, rows = {cell.key for cell in results}, {(cell.task, cell.model, cell.length) for cell in results}
    out = {item.key: item for item in asked if item.stopped is not None and item.key not in answered}
    return tuple(item for item in out.values() if (item.cell.task, item.cell.model, item.cell.length) in rows)


# -- how a view is worked out ------------------------------------------------------------------------------------------


class _Setting(NamedTuple):
    """What is stated once per topic: everything but model, length and what the budget sets by length."""

    task: str
    data: str | None
    device: str | None
    torch: str | None
    task_version: int
    recipe: tuple[tuple[str, Any], ...]
    measure: str | None


def _setting(group: Group) -> _Setting:
    key = group.identity
    recipe = tuple(item for item in key.recipe if item[0] not in BY_LENGTH)
    return _Setting(key.task, key.data, key.device, key.torch, key.versions[0], recipe, key.scale and key.scale.measure)


class _Model(NamedTuple):
    """What a line over length is of: a model, its version and its code, in a setting."""

    setting: _Setting
    model: str
    version: int
    code: str | None


def _model(group: Group) -> _Model:
    return _Model(_setting(group), group.identity.model, group.identity.versions[1], group.identity.code)


Reaches = Mapping[_Model, Reach | None]


def _reaches(every: Iterable[Group], absent: Sequence[AskedCell]) -> Reaches:
    """T* of every line. absent: the cells that have no result; each is missing in every line that it would join."""
    lines: dict[_Model, list[Group]] = {}
    for group in every:
        lines.setdefault(_model(group), []).append(group)
    return {
        line: solved_length(
            [within[length] for within in [standing(members)] for length in sorted(within)],
            [item.cell for item in absent if _joins(item, line)],
        )
        for line, members in lines.items()
    }


def _joins(item: AskedCell, line: _Model) -> bool:
    """Whether an absent cell belongs to a line, wherever it would run; if its corpus is unknown, whatever the data."""
    cell, setting = item.cell, line.setting
    recipe = tuple(entry for entry in recipe_of(cell) if entry[0] not in BY_LENGTH)
    return (
        (cell.task, cell.model, cell.versions, cell.code)
        == (setting.task, line.model, Versions(task=setting.task_version, model=line.version), line.code)
        and recipe == setting.recipe
        and (not item.known or data_of(cell) == setting.data)
    )


def standing(members: Iterable[Group]) -> dict[int, Group]:
    """Pick the group that stands for each length: the one with the most steps, then the largest batch."""
    ranked = sorted(members, key=lambda group: (group.step_budget, group.batch_size))
    return {group.identity.length: group for group in ranked}


def _topics(every: Iterable[Group], order: Order, reaches: Reaches) -> tuple[Topic, ...]:
    by_setting: dict[_Setting, list[Group]] = {}
    for group in every:
        by_setting.setdefault(_setting(group), []).append(group)
    topics: list[Topic] = []
    count = 0
    for setting in sorted(by_setting, key=lambda setting: (order.task(setting.task), repr(setting))):
        within = sorted(by_setting[setting], key=lambda g: (g.identity.length, order.model(g.identity.model)))
        members = _members(within, count)
        score = next((group.reference for group in within if group.reference), None)
        heading = Heading(setting.task, score, _differs(setting, by_setting))
        name = _unused(slug(heading.title), [topic.name for topic in topics])
        topics.append(Topic(name, heading, members, _lines(members, order, reaches)))
        count += len(members)
    return tuple(topics)


def _differs(setting: _Setting, every: Iterable[_Setting]) -> tuple[str, ...]:
    """What tells a setting from the others of its task."""
    rivals = [other for other in every if other.task == setting.task]
    own, all_of = setting._asdict(), [other._asdict() for other in rivals]
    stated = [
        f"{name.replace('_', ' ')} {own[name] or 'unknown'}"
        for name in ("data", "device", "torch", "task_version", "measure")
        if len({other[name] for other in all_of}) > 1
    ]
    differing = _differing([other.recipe for other in rivals], setting.recipe)
    return (*stated, *dict.fromkeys([*_ranges(setting.recipe), *differing]))


def _ranges(recipe: Sequence[tuple[str, Any]]) -> list[str]:
    """`train lengths uniform`: said of every setting that was trained on a range, also where no other is beside it."""
    return [f"train lengths {value}" for name, value in recipe if name == "train_lengths" and value != "fixed"]


def _differing(every: Iterable[Sequence[tuple[str, Any]]], recipe: Sequence[tuple[str, Any]]) -> list[str]:
    """`clip 0.5`: what a recipe sets and some other recipe does not."""
    others = [dict(other) for other in every]
    return [
        f"{name.replace('_', ' ')} {f'{value:g}' if isinstance(value, int | float) else value}"
        for name, value in recipe
        if value is not None and any(other.get(name) != value for other in others)
    ]


def _members(within: Sequence[Group], first: int) -> tuple[Member, ...]:
    """Groups of one setting, named; the first has the place `first`."""
    members = []
    for place, group in enumerate(within, first):
        key = group.identity
        label = key.model
        own = [other.identity for other in within if other.identity.model == key.model]
        if len({other.versions for other in own}) > 1:
            label += f" (version {key.versions[1]})"
        if len({other.code for other in own}) > 1:
            label += f" (code {key.code[:8] if key.code else 'not recorded'})"
        if len({other.scale for other in own if other.length == key.length}) > 1:
            label += f" ({key.scale.ends if key.scale else 'chance and best unknown'})"
        alike = [g.identity for g in within if (g.identity.model, g.identity.length) == (key.model, key.length)]
        difference = ", ".join(_differing([other.recipe for other in alike], key.recipe))
        members.append(Member(group, label, difference, place))
    return tuple(members)


def _lines(members: Iterable[Member], order: Order, reaches: Reaches) -> tuple[Line, ...]:
    by_label: dict[str, dict[int, Member]] = {}
    for member in sorted(members, key=lambda member: (member.group.step_budget, member.group.batch_size)):
        by_label.setdefault(member.label, {})[member.length] = member
    lines = [
        Line(label, tuple(by[length] for length in sorted(by)), reaches[_model(next(iter(by.values())).group)])
        for label, by in by_label.items()
    ]
    return tuple(sorted(lines, key=lambda line: (order.model(line.groups[0].identity.model), line.label)))


def _unused(name: str, taken: Sequence[str]) -> str:
    number, candidate = 2, name
    while candidate.lower() in {other.lower() for other in taken}:
        candidate, number = f"{name}-{number}", number + 1
    return candidate
