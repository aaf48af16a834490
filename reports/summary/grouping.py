"""What may be said of results: groups of seeds, the choice of a learning rate, and the statistics each n allows.

A group never mixes data, devices, torch minor versions or recipes; only seed and learning rate vary within it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bench.records.result import ANSWERS, Result
from reports.summary import statistics
from reports.summary.group import Group, Identity, Interval, equals_chance, identity

__all__ = [
    "Group", "Identity", "Interval", "compare", "equals_chance", "groups", "identity", "series", "solved_length",
    "steps_exponent",
]  # fmt: skip


def groups(results: Iterable[Result]) -> list[Group]:
    """The results by identity, shortest length first.

    A failed cell that does not know where it ran is counted where the other results of its task were made, if they
    all were made on one kind of device by one version of torch; else it stays apart.
    """
    found = [(identity(result), result) for result in results]
    places: dict[str, set[tuple[str | None, str | None]]] = {}
    for key, _ in found:
        if key.device is not None:
            places.setdefault(key.task, set()).add((key.device, key.torch))
    members: dict[Identity, list[Result]] = {}
    for key, result in found:
        known = places.get(key.task, set())
        if key.device is None and len(known) == 1:
            device, torch = next(iter(known))
            key = key._replace(device=device, torch=torch)
        members.setdefault(key, []).append(result)
    ordered = sorted(members, key=lambda key: (key.length, str(key.recipe)))
    return [Group(key, tuple(members[key])) for key in ordered]


# -- over lengths ------------------------------------------------------------------------------------------------------

# What a budget sets by length: a series of lengths may differ in these, as the recipe says how.
BY_LENGTH = frozenset({"steps", "batch_size", "evaluate_every", "probes"})


def series(members: Iterable[Group]) -> dict[Identity, list[Group]]:
    """Groups that differ only in length and what the budget sets by length, one per length, shortest first.

    Where a length was run with several budgets, the one with the most steps (then the largest batch) stands for it.
    The keys are identities with length 0 and without those parts of the recipe.
    """
    found: dict[Identity, dict[int, Group]] = {}
    for group in sorted(members, key=lambda group: (group.step_budget, group.batch_size)):
        recipe = tuple(item for item in group.identity.recipe if item[0] not in BY_LENGTH)
        key = group.identity._replace(length=0, recipe=recipe)
        found.setdefault(key, {})[group.identity.length] = group
    return {key: [by_length[length] for length in sorted(by_length)] for key, by_length in found.items()}


def _by_majority(group: Group) -> bool:
    return 2 * (group.solved or 0) > len(group.seeds)


def solved_length(line: Sequence[Group]) -> int | None:
    """T*: the largest length of a series such that it and every shorter one is solved by more than half of the seeds
    (a failed seed did not solve). 0 where the shortest is not; None for a task that cannot be solved."""
    if all(group.solved is None for group in line):
        return None
    longest = 0
    for group in line:
        if not _by_majority(group):
            break
        longest = group.identity.length
    return longest


def steps_exponent(line: Sequence[Group]) -> float | None:
    """The b of steps-to-solve ∝ length^b, unsolved runs censored at their step budget; None where fewer than three
    lengths are solved by a majority."""
    if sum(_by_majority(group) for group in line) < 3:
        return None
    trained = (group for group in line if group.step_budget)
    runs = [result for group in trained for result in group.seeds if result.status in ANSWERS]
    return statistics.power_law(
        [run.cell.length for run in runs],
        [run.solved_at_step or run.cell.recipe.steps for run in runs],
        [run.solved_at_step is not None for run in runs],
    )


# -- comparisons -------------------------------------------------------------------------------------------------------


def compare(first: Group, second: Group) -> float:
    """Exact two-sided p that two groups of seeds differ: in steps to solve where any seed solved (a cell stops when it
    has solved, so its score says no more), else in score; unsolved and diverged seeds are the worst.

    Raises:
        ValueError: fewer than four answers in a group, or groups of different task, length or data.
    """
    ours, theirs = first.identity, second.identity
    if (ours.task, ours.length, ours.data) != (theirs.task, theirs.length, theirs.data):
        raise ValueError(f"cannot compare {ours.task} T={ours.length} with {theirs.task} T={theirs.length}")
    by_steps = bool(first.solved or second.solved)

    def place(result: Result) -> float:
        if by_steps:
            return math.inf if result.solved_at_step is None else result.solved_at_step
        if result.status != "ok" or result.score is None:
            return math.inf
        return -result.score.score if result.score.higher_is_better else result.score.score

    sides = [[place(result) for result in group.seeds if result.status in ANSWERS] for group in (first, second)]
    return statistics.permutation_test(*sides)
