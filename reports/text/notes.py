"""The lines around tables that say what was measured and how to read it: captions, legends, reference scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bench.records.asked import AskedCell
from bench.records.result import LEARNING, SHORT
from reports.summary import Group
from reports.summary.memory import worse_with_more
from reports.text.words import EQUALS_CHANCE, ON_EDGE, cut, number, rate, whole
from reports.view import Topic


def references(topic: Topic) -> tuple[str, ...]:
    """Write the data that a topic was measured on, the reference scores that stand beside chance, and where more
    context makes a model worse."""
    texts = []
    for name, least, largest in topic.references:
        low, high = number(least), number(largest)
        texts.append(f"{name} {low}" if low == high else f"{name} {low}–{high}")
    lines = [f"data: {', '.join(topic.data)}"] if topic.data else []
    lines += [f"reference scores: {', '.join(texts)}"] if texts else []
    return (*lines, *filter(None, [worse_with_more(topic.drawn)]))


def notes(groups: Sequence[Group], kinds: Sequence[str], stopped: Sequence[AskedCell] = ()) -> list[str]:
    """Write caption and legend of the tables of some groups. kinds: of table: group, cell, overview. stopped: cells
    beside them whose rates were stopped."""
    if not groups:
        return []
    return [
        *caption(groups),
        *_stopped(stopped),
        *dict.fromkeys(line for kind in kinds for line in _legend(groups, kind)),
    ]


def _between(values: Iterable[float], text: Callable[[float], str] = whole) -> str:
    """`300` or `300 to 1,000`."""
    every = sorted(set(values))
    return text(every[0]) if len(every) == 1 else f"{text(every[0])} to {text(every[-1])}"


def caption(groups: Sequence[Group]) -> list[str]:
    """Write what was measured: n, budget, device, and how the learning rate was chosen."""
    seeds = {len(group.seeds) for group in groups}
    recipes = [dict(group.identity.recipe) for group in groups]
    sizes = [f"{size:,.0f} body parameters" for size in sorted({r["parameters"] or 0 for r in recipes}) if size]
    sizes += [f"hidden size {size:,.0f}" for size in sorted({r["hidden"] or 0 for r in recipes}) if size]
    made = sorted({f"{g.identity.device}, torch {g.identity.torch}" for g in groups if g.identity.device})
    steps = _between(group.step_budget for group in groups)
    parts = [f"n: {_between(seeds)} seed{'' if seeds == {1} else 's'} per row", f"budget: {steps} steps", *sizes]
    return [" · ".join([*parts, *made]), f"learning rate: {_choice(groups)}"]


def _stopped(cells: Sequence[AskedCell]) -> list[str]:
    """Which rates were not trained to their end."""
    if not cells:
        return []
    rates = ", ".join(map(rate, sorted({item.cell.recipe.learning_rate for item in cells})))
    steps = _between(item.stopped for item in cells if item.stopped is not None)
    count = "1 cell" if len(cells) == 1 else f"{len(cells):,} cells"
    return [f"stopped at {steps} steps: {count} of rates {rates}, where another was better by more than both intervals"]


def _choice(groups: Sequence[Group]) -> str:
    """How the learning rates were chosen."""
    single = [group.learning_rate for group in groups if len(group.learning_rates) == 1]
    grid = {value for group in groups if len(group.learning_rates) > 1 for value in group.learning_rates}
    how = [f"{_between(single, rate)}, given beforehand"] if single else []
    if grid:
        rates = ", ".join(map(rate, sorted(grid)))
        how.append(f"from {rates}, the best median validation score over seeds ({ON_EDGE}: on the edge of the grid)")
    return "; ".join(how)


def _legend(groups: Sequence[Group], kind: str) -> list[str]:
    """The marks and words that occur in the groups' tables, explained."""
    intervals = {group.interval.kind for group in groups if group.interval and not group.split}
    words = {group.outcome for group in groups}
    solvable = any(group.solved is not None for group in groups)
    mixed, marked = any(group.mixed for group in groups), any(group.equals_chance for group in groups)
    clustered = any(group.split and not group.mixed for group in groups)
    detailed = kind != "overview"
    lines = (
        (marked,
         f"{EQUALS_CHANCE} : merely equals the trivial baseline (skill below {LEARNING:g}, or interval holds chance)"),
        (detailed, "chance: the trivial baseline · skill: 0 = chance, 1 = perfect, or the best reference score"),
        (detailed and "test sampling" in intervals,
         "± at n = 1: 95 % interval over the test set; seeds may differ more"),
        (detailed and "range" in intervals,
         "a–b: range of the seeds' values beside their median; no interval at this n"),
        (detailed and "t" in intervals, "± at n ≥ 5: 95 % t interval of the mean over seeds"),
        (detailed and any(map(cut, groups)), "[a, b]: such an interval, cut at the least or largest score"),
        (clustered, "several values: seeds fall into two clusters (every value, their median; no interval of a mean)"),
        (any(word.endswith(" learning") for word in words),
         "k/n learning: the other seeds merely equal the trivial baseline"),
        (mixed, "k/n solved: seeds disagree (every value, their median, 95 % Wilson interval of the rate)"),
        (solvable, "solved: training stopped there, so compare steps (median), not scores; >n: not within n steps"),
        ("budget-limited" in words, f"budget-limited (short): at chance after fewer than {SHORT:,} steps"),
        (not detailed and solvable,
         "T*: longest length that most seeds solved, as they did all shorter ones asked for; missing is not solved"),
        (detailed, "body: parameters without embedding, head and positions · s: seconds per cell (median)"),
    )  # fmt: skip
    return [line for shown, line in lines if shown]
