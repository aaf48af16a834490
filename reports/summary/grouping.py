"""Results as groups of seeds, and statistics of several groups: over lengths, and of one compared with another.

A group never mixes data, devices, torch minor versions, code, recipes or scales of scores; only seed and learning rate
vary within it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bench.records.cell import Cell
from bench.records.recipe import Scalar
from bench.records.result import ANSWERS, Result
from reports.summary import statistics
from reports.summary.group import Group, Identity, Scale


def identity(result: Result) -> Identity:
    """Name what a result shares with its group. Device and torch are None where a failed cell does not know them."""
    cell, made = result.cell, result.provenance
    return Identity(
        task=cell.task,
        model=cell.model,
        length=cell.length,
        data=data_of(cell),
        device=made.device if made else None,
        torch=".".join(made.libraries.get("torch", "unknown").split(".")[:2]) if made else None,
        versions=(cell.versions.task, cell.versions.model),
        recipe=recipe_of(cell),
        code=cell.code,
    )


def data_of(cell: Cell) -> str | None:
    """Name the text that a cell reads, as `name sha256`; None for a synthetic task."""
    return f"{cell.data.name} {cell.data.sha256[:8]}" if cell.data else None


def groups(results: Iterable[Result], everything: Collection[Result] = ()) -> list[Group]:
    """Group results by identity, shortest length first; within a group by learning rate, then seed.

    everything: all results of the store, where `results` are only some, so that a group is told apart as it is there.

    A failed cell that does not know where it ran is counted where the other results of its task were made, if they
    all were made on one kind of device by one version of torch; else it stays apart. A cell without a score is counted
    where the scores of its other seeds are, if these have one scale; else it stays apart.
    """
    results = list(results)
    known = [*map(identity, everything or results)]
    places: dict[str, set[tuple[str | None, str | None]]] = {}
    for key in known:
        if key.device is not None:
            places.setdefault(key.task, set()).add((key.device, key.torch))
    placed = [(_placed(identity(result), places), result) for result in results]
    whole = [(_placed(identity(result), places), result) for result in everything] or placed
    scales = _scales(whole)
    made = [(_scaled(key, result, scales), result) for key, result in placed]
    members: dict[Identity, list[Result]] = {}
    for key, result in made:
        members.setdefault(key, []).append(result)
    return [
        Group(key, tuple(sorted(members[key], key=lambda r: (r.cell.recipe.learning_rate, r.cell.seed))))
        for key in sorted(members, key=lambda key: (key.length, str(key.recipe)))
    ]


def _placed(key: Identity, places: Mapping[str, set[tuple[str | None, str | None]]]) -> Identity:
    """Name where a failed cell ran, if all others of its task ran there."""
    known = places.get(key.task, set())
    if key.device is not None or len(known) != 1:
        return key
    device, torch = next(iter(known))
    return key._replace(device=device, torch=torch)


def _scales(placed: Iterable[tuple[Identity, Result]]) -> dict[Identity, set[Scale]]:
    """Find the scales of each identity, of those tasks whose scores have several at one length."""
    of: dict[Identity, set[Scale]] = {}
    at: dict[tuple[Any, int], set[Scale]] = {}
    for key, result in placed:
        if (scale := scale_of(result)) is not None:
            of.setdefault(key, set()).add(scale)
            at.setdefault((_test(key), key.length), set()).add(scale)
    several = {test for (test, _), scales in at.items() if len(scales) > 1}
    return {key: scales for key, scales in of.items() if _test(key) in several}


def _test(key: Identity) -> tuple[Any, ...]:
    return key.task, key.data, key.versions[0]


def _scaled(key: Identity, result: Result, scales: Mapping[Identity, set[Scale]]) -> Identity:
    """Name the scale of a result's score where its task has several; without a score, the only one of its seeds."""
    known = scales.get(key, set())
    only = next(iter(known)) if len(known) == 1 else None
    return key._replace(scale=(scale_of(result) or only) if known else None)


def scale_of(result: Result) -> Scale | None:
    """Read what a result's score is measured by; None without a score."""
    score = result.score
    if score is None:
        return None
    chance, best = (float(f"{value:.6g}") for value in (score.chance, score.best))
    return Scale(score.metric, score.unit, score.higher_is_better, score.solved_threshold, chance, best)


def alone_of(result: Result) -> Group:
    """Group one result alone."""
    return Group(identity(result), (result,))


# -- over lengths: groups of one model in one setting, shortest length first -------------------------------------------


class Reach(NamedTuple):
    """How far a model solves a task. length: T*, 0 where the shortest length asked for is not solved; shortest: that
    length; complete: False where cells that are missing could make it longer."""

    length: int
    shortest: int
    complete: bool


def solved_length(line: Sequence[Group], absent: Sequence[Cell] = ()) -> Reach | None:
    """Find T*: the largest length that more than half of the seeds solve, as they do every shorter one asked for.

    A failed seed did not solve, nor did a cell that is missing. absent: the cells that were asked for and have no
    result. None for a task that cannot be solved, and without a length.
    """
    at = {group.identity.length: group for group in line}
    lengths = sorted(at.keys() | {cell.length for cell in absent})
    if all(group.solved is None for group in line) or not lengths:
        return None
    longest = 0
    for length in lengths:
        group = at.get(length)
        missing = [cell for cell in absent if cell.length == length and _of_recipe(cell, group)]
        solved, seeds = (group.solved or 0, len(group.seeds)) if group else (0, 0)
        rate = group.learning_rate if group else None
        beside = sum(cell.recipe.learning_rate == rate for cell in missing)
        if not 2 * solved > seeds + beside:
            # Another rate, or more seeds at this one, may solve the length once the cells are there.
            open_ = beside < len(missing) or 2 * (solved + beside) > seeds + beside
            return Reach(longest, lengths[0], complete=not open_)
        longest = length
    return Reach(longest, lengths[0], complete=True)


def _of_recipe(cell: Cell, group: Group | None) -> bool:
    """Whether a missing cell would join a group; where there is no group, any cell of the line opens one."""
    return group is None or recipe_of(cell) == group.identity.recipe


def recipe_of(cell: Cell) -> tuple[tuple[str, Scalar], ...]:
    """Read the recipe of a cell as a group holds it: without the learning rate."""
    return tuple(sorted(item for item in cell.recipe.values.items() if item[0] != "learning_rate"))


def steps_exponent(line: Sequence[Group]) -> float | None:
    """Fit the exponent b of steps-to-solve ∝ length^b, unsolved runs censored at their step budget.

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


ALPHA = 0.05  # p below which two groups are said to differ


def compared_by(first: Group, second: Group) -> str:
    """Name what `compare` compares: steps to solve where any seed solved, else scores."""
    return "steps to solve" if first.solved or second.solved else "score"


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
    by_steps = compared_by(first, second) == "steps to solve"

    def place(result: Result) -> float:
        if by_steps:
            return math.inf if result.solved_at_step is None else result.solved_at_step
        if result.status != "ok" or result.score is None:
            return math.inf
        return -result.score.score if result.score.higher_is_better else result.score.score

    sides = [[place(result) for result in group.seeds if result.status in ANSWERS] for group in (first, second)]
    return statistics.permutation_test(*sides)
