"""What a table's rows have in common, and the lines that say so: headings, captions, legends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from bench.records.recipe import Scalar
from bench.records.result import SHORT
from reports.summary import grouping as summary
from reports.summary.grouping import Group
from reports.text.words import EQUALS_CHANCE, ON_EDGE, number, rate, whole

Rank = Callable[[str, str], tuple[int, str]]  # (kind, name) -> place in a table


class Setting(NamedTuple):
    """What is stated once per table: everything but model, length and what the budget sets by length."""

    task: str
    data: str | None
    device: str | None
    torch: str | None
    task_version: int
    recipe: tuple[tuple[str, Scalar], ...]


def setting(group: Group) -> Setting:
    """The setting that a group was measured in."""
    key = group.identity
    recipe = tuple(item for item in key.recipe if item[0] not in summary.BY_LENGTH)
    return Setting(key.task, key.data, key.device, key.torch, key.versions[0], recipe)


def blocks(groups: Iterable[Group], rank: Rank) -> dict[Setting, list[Group]]:
    """Groups by setting, tasks and, within a length, models in the order of `rank(kind, name)`."""
    found: dict[Setting, list[Group]] = {}
    for group in groups:
        found.setdefault(setting(group), []).append(group)
    for members in found.values():
        members.sort(key=lambda group: (group.identity.length, rank("model", group.identity.model)))
    return {key: found[key] for key in sorted(found, key=lambda key: (rank("task", key.task), repr(key)))}


def heading(key: Setting, members: Sequence[Group], keys: Iterable[Setting]) -> str:
    """`adding · mean squared error ↓ (squared value) · solved if ≤ 0.01`, and what tells it from the task's others."""
    parts = [key.task]
    score = next((group.reference for group in members if group.reference), None)
    if score is not None:
        name, arrow = score.metric.replace("_", " "), "↑" if score.higher_is_better else "↓"
        parts.append(f"{name} {arrow}" + (f" ({score.unit})" if score.unit not in ("", name) else ""))
        if score.solved_threshold is not None:
            parts.append(f"solved if {'≥' if score.higher_is_better else '≤'} {score.solved_threshold:g}")
    rivals = [other for other in keys if other.task == key.task]
    parts += [
        f"{name.replace('_', ' ')} {getattr(key, name) or 'unknown'}"
        for name in ("data", "device", "torch", "task_version")
        if len({getattr(other, name) for other in rivals}) > 1
    ]
    parts += _differing([dict(other.recipe) for other in rivals], dict(key.recipe))
    return " · ".join(parts)


def _differing(all_recipes: Sequence[dict[str, Scalar]], recipe: dict[str, Scalar]) -> list[str]:
    return [
        f"{name.replace('_', ' ')} {value if isinstance(value, str) else format(value, 'g')}"
        for name, value in recipe.items()
        if value is not None and any(other.get(name) != value for other in all_recipes)
    ]


def labels(members: Sequence[Group]) -> dict[int, tuple[str, str]]:
    """Per group (by id): the model's name, with its version where several are shown, and what tells the group from
    the others of that model and length (``, or `steps 300`)."""
    texts = {}
    for group in members:
        key = group.identity
        name = key.model
        if len({other.identity.versions for other in members if other.identity.model == key.model}) > 1:
            name += f" (version {key.versions[1]})"
        alike = [
            dict(other.identity.recipe)
            for other in members
            if (other.identity.model, other.identity.length) == (key.model, key.length)
        ]
        texts[id(group)] = (name, ", ".join(_differing(alike, dict(key.recipe))))
    return texts


def references(members: Sequence[Group]) -> tuple[str, ...]:
    """The data a block was measured on, and the reference scores that stand beside chance."""
    data = sorted({group.identity.data for group in members if group.identity.data})
    scores = [group.reference for group in members if group.reference is not None]
    floors: dict[str, list[float]] = {}
    for score in scores:
        for name, value in score.floors.items():
            floors.setdefault(name, []).append(value)
    texts = []
    lower_is_better = bool(scores) and not scores[0].higher_is_better
    for name, values in sorted(floors.items(), key=lambda item: item[1], reverse=lower_is_better):  # weakest first
        low, high = number(min(values)), number(max(values))
        texts.append(f"{name} {low}" if low == high else f"{name} {low}–{high}")
    lines = [f"data: {', '.join(data)}"] if data else []
    return (*lines, f"reference scores: {', '.join(texts)}") if texts else tuple(lines)


def between(values: Iterable[float], text: Callable[[float], str] = whole) -> str:
    """`300` or `300 to 1,000`."""
    found = sorted(set(values))
    return text(found[0]) if len(found) == 1 else f"{text(found[0])} to {text(found[-1])}"


def caption(groups: Sequence[Group]) -> list[str]:
    """What was measured: n, budget, how the learning rate was found, device."""
    seeds = {len(group.seeds) for group in groups}
    recipes = [dict(group.identity.recipe) for group in groups]
    sizes = [f"{size:,.0f} body parameters" for size in sorted({r["parameters"] or 0 for r in recipes}) if size]
    sizes += [f"hidden size {size:,.0f}" for size in sorted({r["hidden"] or 0 for r in recipes}) if size]
    made = sorted({f"{g.identity.device}, torch {g.identity.torch}" for g in groups if g.identity.device})
    steps = between(group.step_budget for group in groups)
    parts = [f"n: {between(seeds)} seed{'' if seeds == {1} else 's'} per row", f"budget: {steps} steps", *sizes]
    return [" · ".join([*parts, *made]), f"learning rate: {_choice(groups)}"]


def _choice(groups: Sequence[Group]) -> str:
    """How the learning rates were found."""
    single = [group.learning_rate for group in groups if len(group.learning_rates) == 1]
    grid = {value for group in groups if len(group.learning_rates) > 1 for value in group.learning_rates}
    how = [f"{between(single, rate)}, given beforehand"] if single else []
    if grid:
        rates = ", ".join(map(rate, sorted(grid)))
        how.append(f"from {rates}, the best median validation score over seeds ({ON_EDGE}: on the edge of the grid)")
    return "; ".join(how)


def legend(groups: Sequence[Group], by: str) -> list[str]:
    """The marks and words that occur in the groups' tables, explained."""
    kinds = {group.interval.kind for group in groups if group.interval and not group.mixed}
    words = {group.outcome for group in groups}
    solvable = any(group.solved is not None for group in groups)
    mixed, marked = any(group.mixed for group in groups), any(group.equals_chance for group in groups)
    detailed = by != "overview"
    lines = (
        (marked, f"{EQUALS_CHANCE} : merely equals the trivial baseline (skill below 0.05, or interval holds chance)"),
        (detailed, "chance: the trivial baseline · skill: 0 = chance, 1 = perfect, or the best reference score"),
        (detailed and "test sampling" in kinds, "± at n = 1: 95 % interval over the test set; seeds may differ more"),
        (detailed and "range" in kinds, "a–b: range of the seeds' values beside their median; no interval at this n"),
        (detailed and "t" in kinds, "± at n ≥ 5: 95 % t interval of the mean over seeds"),
        (mixed, "k/n solved: seeds disagree (every value, their median, 95 % Wilson interval of the rate)"),
        (solvable, "solved: training stopped there, so compare steps (median), not scores; >n: not within n steps"),
        ("budget-limited" in words, f"budget-limited (short): at chance after fewer than {SHORT:,} steps"),
        (not detailed and solvable, "T*: longest length shown that most seeds solved, as they did all shorter ones"),
        (detailed, "body: parameters without embedding, head and positions · s: seconds per cell (median)"),
    )  # fmt: skip
    return [line for shown, line in lines if shown]
