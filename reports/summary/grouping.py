"""Results as groups of seeds, and what may be said of several groups: over lengths, and of one beside another.

A group never mixes data, devices, torch minor versions or recipes; only seed and learning rate vary within it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bench.records.result import ANSWERS, Result
from reports.summary import statistics
from reports.summary.group import Group, Identity


def identity(result: Result) -> Identity:
    """Name what a result shares with its group. Device and torch are None where a failed cell does not know them."""
    cell, made = result.cell, result.provenance
    return Identity(
        task=cell.task,
        model=cell.model,
        length=cell.length,
        data=f"{cell.data.name} {cell.data.sha256[:8]}" if cell.data else None,
        device=made.device if made else None,
        torch=".".join(made.libraries.get("torch", "unknown").split(".")[:2]) if made else None,
        versions=(cell.versions.task, cell.versions.model),
        recipe=tuple(sorted(cell.recipe.model_dump(exclude={"learning_rate"}).items())),
    )


def groups(results: Iterable[Result]) -> list[Group]:
    """Group results by identity, shortest length first; within a group by learning rate, then seed.

    A failed cell that does not know where it ran is counted where the other results of its task were made, if they
    all were made on one kind of device by one version of torch; else it stays apart.
    """
    identified = [(identity(result), result) for result in results]
    places: dict[str, set[tuple[str | None, str | None]]] = {}
    for key, _ in identified:
        if key.device is not None:
            places.setdefault(key.task, set()).add((key.device, key.torch))
    members: dict[Identity, list[Result]] = {}
    for key, result in identified:
        known = places.get(key.task, set())
        if key.device is None and len(known) == 1:
            device, torch = next(iter(known))
            key = key._replace(device=device, torch=torch)
        members.setdefault(key, []).append(result)
    return [
        Group(key, tuple(sorted(members[key], key=lambda r: (r.cell.recipe.learning_rate, r.cell.seed))))
        for key in sorted(members, key=lambda key: (key.length, str(key.recipe)))
    ]


def alone_of(result: Result) -> Group:
    """Group one result alone."""
    return Group(identity(result), (result,))


# -- over lengths: groups of one model in one setting, shortest length first -------------------------------------------


def solved_length(line: Sequence[Group]) -> int | None:
    """Find T*: the largest length such that it and every shorter one is solved by more than half of the seeds.

    A failed seed did not solve. 0 where the shortest length is not solved; None for a task that cannot be solved.
    """
    if all(group.solved is None for group in line):
        return None
    longest = 0
    for group in line:
        if not _by_majority(group):
            break
        longest = group.identity.length
    return longest


def steps_exponent(line: Sequence[Group]) -> float | None:
    """Fit the b of steps-to-solve ∝ length^b, unsolved runs censored at their step budget.

    None where fewer than three lengths are solved by a majority.
    """
    if sum(_by_majority(group) for group in line) < 3:
        return None
    trained = (group for group in line if group.step_budget)
    runs = [result for group in trained for result in group.seeds if result.status in ANSWERS]
    return statistics.power_law(
        [run.cell.length for run in runs],
        [run.solved_at_step or run.cell.recipe.steps for run in runs],
        [run.solved_at_step is not None for run in runs],
    )


def _by_majority(group: Group) -> bool:
    return 2 * (group.solved or 0) > len(group.seeds)


# -- comparisons -------------------------------------------------------------------------------------------------------


def compare(first: Group, second: Group) -> float:
    """Test that two groups of seeds differ; the exact two-sided p.

    Compared are steps to solve where any seed solved (a cell stops when it has solved, so its score says no more), else
    scores. Unsolved and diverged seeds are the worst.

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
