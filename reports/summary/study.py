"""What the rows of a study say: settings of seeds, reach, exponents, comparisons named in advance, gradients and skill.

A row is a cell as `reports.text.studies` reads it. Only rows that were `chosen` count here.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import Any, Literal, NamedTuple

from bench.records.result import ANSWERS
from reports.summary.grouping import ALPHA
from reports.summary.statistics import holm, power_law, rank_correlation, stratified_test, typical

Row = dict[str, Any]
ENOUGH = 4  # seeds on either side, from which a model may be called better (0023)
ENOUGH_MODELS = 5  # for a rank correlation: three agree wholly, one way or the other, by chance once in three
DRAWS = 2000  # resampled sets of models
LEVELS = (0.025, 0.975)


@dataclass(frozen=True)
class Setting:
    """The seeds of one model on one task at one length, at one recipe."""

    task: str
    model: str
    length: int
    rows: tuple[Row, ...]

    @cached_property
    def answered(self) -> tuple[Row, ...]:
        """The seeds with a scientific answer: a score, or divergence."""
        return tuple(row for row in self.rows if row["status"] in ANSWERS)

    @property
    def n(self) -> int:
        """Seeds with an answer."""
        return len(self.answered)

    @property
    def solved(self) -> int:
        """Seeds that solved the task."""
        return sum(row["solved_at_step"] is not None for row in self.answered)

    @property
    def by_majority(self) -> bool:
        """Whether more than half of the seeds solved; one that failed did not."""
        return 2 * self.solved > len(self.rows)

    @property
    def solved_at(self) -> float:
        """Median step at which the seeds solved; infinity where the median seed did not."""
        return median(_step(row) for row in self.answered) if self.answered else math.inf

    def values(self, column: str) -> list[float]:
        """The values of a column, of the seeds that hold one."""
        return [row[column] for row in self.answered if row[column] is not None]

    def typical(self, column: str) -> float | None:
        """The median of a column, of the seeds that hold a value; None without one."""
        return typical(self.values(column))

    def half_life(self, column: str) -> float:
        """The median half-life; one that is none is longer than any: infinity."""
        lives = [math.inf if row[column] is None else row[column] for row in self.answered]
        return median(lives) if lives else math.inf

    @property
    def budget(self) -> int:
        """Optimisation steps that a seed may take."""
        return max(row["step_budget"] for row in self.rows)

    @property
    def fall(self) -> float | None:
        """Powers of ten by which the gradient before training changes over the task's reach, rate · D*: the median."""
        return self._change("initial_gradient_rate")

    @property
    def fall_after(self) -> float | None:
        """The same after training."""
        return self._change("gradient_rate")

    def _change(self, rate: str) -> float | None:
        return typical(
            row[rate] * row["gradient_reach"]
            for row in self.answered
            if row[rate] is not None and row["gradient_reach"] is not None
        )


def _step(row: Row) -> float:
    step = row["solved_at_step"]
    return math.inf if step is None else step


def settings(rows: Iterable[Row]) -> list[Setting]:
    """Group the reported rows by task, model and length, in the order in which they come, lengths rising."""
    members: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        if row["chosen"]:
            members.setdefault((row["task"], row["model"], row["length"]), []).append(row)
    places = {name: place for place, name in enumerate(dict.fromkeys(n for key in members for n in key[:2]))}
    ordered = sorted(members, key=lambda key: (places[key[0]], places[key[1]], key[2]))
    return [Setting(*key, tuple(members[key])) for key in ordered]


def solvable(line: Iterable[Setting]) -> bool:
    """Whether any seed solved: what no seed of a study solves has no steps to solve."""
    return any(setting.solved for setting in line)


def reach(line: Sequence[Setting]) -> int:
    """Find T*: the largest length that more than half of the seeds solve, as they do every shorter one; 0: none."""
    longest = 0
    for setting in line:
        if not setting.by_majority:
            break
        longest = setting.length
    return longest


def exponent(line: Sequence[Setting]) -> float | None:
    """Fit b of steps to solve ∝ T^b, unsolved seeds censored at their budget; None below three solved lengths."""
    if sum(setting.by_majority for setting in line) < 3:
        return None
    runs = [row for setting in line for row in setting.answered]
    steps = [row["solved_at_step"] or row["step_budget"] for row in runs]
    return power_law([row["length"] for row in runs], steps, [row["solved_at_step"] is not None for row in runs])


class Comparison(NamedTuple):
    """Two models of one task over all lengths that both have. p: None with too few seeds; corrected: p among all
    comparisons. first_at, second_at: the lengths at which the median of the first, of the second comes first."""

    task: str
    first: str
    second: str
    n: tuple[int, int]
    p: float | None
    corrected: float | None
    first_at: tuple[int, ...]
    second_at: tuple[int, ...]

    @property
    def better(self) -> Literal["first", "second"] | None:
        """Which model is ahead at more lengths, where their difference is no chance; None where it may be."""
        lead = len(self.first_at) - len(self.second_at)
        if self.corrected is None or self.corrected >= ALPHA or not lead:
            return None
        return "first" if lead > 0 else "second"


def compared(made: Sequence[Setting], pairs: Iterable[Sequence[str]]) -> list[Comparison]:
    """Compare pairs of models within each task, seeds exchanged at each length; Holm over all that could be tested."""
    at = {(setting.task, setting.model, setting.length): setting for setting in made}
    lengths = sorted({setting.length for setting in made})
    out = []
    for task in dict.fromkeys(setting.task for setting in made):
        for first, second in pairs:
            both = [
                (at[task, first, length], at[task, second, length])
                for length in lengths
                if (task, first, length) in at and (task, second, length) in at
            ]
            if both:
                out.append(_comparison(task, first, second, both))
    corrected = iter(holm([each.p for each in out if each.p is not None]))
    return [each if each.p is None else each._replace(corrected=next(corrected)) for each in out]


def _comparison(task: str, first: str, second: str, both: Sequence[tuple[Setting, Setting]]) -> Comparison:
    n = min(one.n for one, _ in both), min(two.n for _, two in both)
    strata = [_places(one, two) for one, two in both]
    if min(n) < ENOUGH:
        return Comparison(task, first, second, n, None, None, (), ())
    medians = [(one.length, median(a), median(b)) for (one, _), (a, b) in zip(both, strata, strict=True)]
    first_at = tuple(length for length, a, b in medians if a < b)
    second_at = tuple(length for length, a, b in medians if a > b)
    return Comparison(task, first, second, n, stratified_test(strata), None, first_at, second_at)


def _places(first: Setting, second: Setting) -> tuple[list[float], list[float]]:
    """Return where the seeds of two settings stand, lower is better: steps to solve where any solved, else scores."""

    def score(row: Row) -> float:
        if row["status"] != "ok" or row["score"] is None:
            return math.inf
        return -row["score"] if row["higher_is_better"] else row["score"]

    place = _step if first.solved or second.solved else score
    return [place(row) for row in first.answered], [place(row) for row in second.answered]


class Correlation(NamedTuple):
    """A rank correlation over models, averaged over tasks and lengths. low, high: over resampled models."""

    mean: float
    low: float
    high: float
    settings: int
    models: int


def gradients_and_skill(made: Sequence[Setting]) -> Correlation | None:
    """Correlate how far the gradient changes over the reach before training with the skill after it.

    One point per model, within each task and length, so that no task or length makes the correlation; None where
    fewer than five models have both. Lengths at which a task has fewer models than at others do not count: a study
    in progress would be asked about its quickest models. Interval: models are drawn anew, the same ones at every task
    and length.
    """
    present = Counter((setting.task, setting.length) for setting in made)
    whole = {task: max(n for (at, _), n in present.items() if at == task) for task, _ in present}
    points: dict[tuple[str, int], dict[str, tuple[float, float]]] = {}
    for setting in made:
        fall, skill = setting.fall, setting.typical("skill")
        if fall is not None and skill is not None and present[setting.task, setting.length] == whole[setting.task]:
            points.setdefault((setting.task, setting.length), {})[setting.model] = (fall, skill)
    enough = [at for at in points.values() if len(at) >= ENOUGH_MODELS]
    models = sorted({model for at in enough for model in at})
    seen = [*_correlations(enough, models)]
    if not seen:
        return None
    generator = random.Random(0)
    draws = (generator.choices(models, k=len(models)) for _ in range(DRAWS))
    means = sorted(fmean(values) for drawn in draws if (values := [*_correlations(enough, drawn)]))
    low, high = (means[min(len(means) - 1, int(level * len(means)))] for level in LEVELS)
    return Correlation(fmean(seen), low, high, len(seen), len(models))


def _correlations(points: Iterable[dict[str, tuple[float, float]]], models: Sequence[str]) -> Iterator[float]:
    """Yield the rank correlation of every task and length that has one."""
    for at in points:
        held = [at[model] for model in models if model in at]
        if len(held) >= 3 and (value := rank_correlation(*zip(*held, strict=True))) is not None:
            yield value


Lines = dict[str, list[Setting]]  # the settings of one task, by model, lengths rising


def lines(made: Iterable[Setting]) -> dict[str, Lines]:
    """Collect settings by task, then by model; lengths rise."""
    out: dict[str, Lines] = {}
    for setting in made:
        out.setdefault(setting.task, {}).setdefault(setting.model, []).append(setting)
    return out


def models(of: Mapping[str, Lines]) -> list[str]:
    """List the models that any task has, in the order in which they come."""
    return list(dict.fromkeys(model for lines in of.values() for model in lines))


def lengths(of: Lines) -> list[int]:
    """List the lengths that any model of a task has."""
    return sorted({setting.length for line in of.values() for setting in line})
