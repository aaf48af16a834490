"""One group of seeds, and what may be said of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import Literal, NamedTuple

from bench.records.result import ANSWERS, LEARNING, Result, Score
from reports.summary import statistics

Kind = Literal["test sampling", "range", "t"]
ENOUGH_FOR_T = 5  # seeds from which a mean and its t interval may be given


class Identity(NamedTuple):
    """What the members of a group have in common. recipe: (field, value) without the learning rate."""

    task: str
    model: str
    length: int
    data: str | None
    device: str | None
    torch: str | None
    versions: tuple[int, int]
    recipe: tuple[tuple[str, float | None], ...]


class Interval(NamedTuple):
    """Bounds and what they are: the test-sampling interval of one seed, a plain range, or the t interval of a mean."""

    low: float
    high: float
    kind: Kind


def validation_or_worst(result: Result, higher_is_better: bool) -> float:
    """Read the last validation score as a loss (down); infinity for a diverged or failed cell."""
    if result.status != "ok" or result.score is None or result.score.validation_score is None:
        return math.inf
    return -result.score.validation_score if higher_is_better else result.score.validation_score


def equals_chance(result: Result) -> bool:
    """Tell whether a score merely equals chance: skill < .05, or the test-sampling interval holds chance."""
    if result.score is None:
        return False
    interval = statistics.ratio_interval(result.score.blocks)
    holds = interval is not None and interval[0] <= result.score.chance <= interval[1]
    return result.score.skill < LEARNING or holds


@dataclass(frozen=True)
class Group:
    """All results of one identity, and what may be said of the seeds at the learning rate chosen on validation.

    seeds (the chosen rate's cells) are n answers, of which `diverged` have no value, and `failed` cells without an
    answer. Neither is ever averaged away: with one of them there is no interval of the mean.
    """

    identity: Identity
    results: tuple[Result, ...]

    @cached_property
    def learning_rates(self) -> tuple[float, ...]:
        """All rates that were run."""
        return tuple(sorted({result.cell.recipe.learning_rate for result in self.results}))

    @cached_property
    def learning_rate(self) -> float:
        """The rate with the best median validation score over its seeds; diverged and failed cells are the worst, a
        tie goes to the smaller rate. Test scores play no part."""
        higher = self.reference is not None and self.reference.higher_is_better

        def typical(rate: float) -> float:
            return median(validation_or_worst(result, higher) for result in self._at(rate))

        return min(self.learning_rates, key=lambda rate: (typical(rate), rate))

    @property
    def on_edge(self) -> bool:
        """Whether the chosen rate is the smallest or largest of several: a better one may lie outside."""
        return len(self.learning_rates) > 1 and self.learning_rate in (self.learning_rates[0], self.learning_rates[-1])

    def _at(self, rate: float) -> list[Result]:
        chosen = (result for result in self.results if result.cell.recipe.learning_rate == rate)
        return sorted(chosen, key=lambda result: result.cell.seed)

    @cached_property
    def seeds(self) -> tuple[Result, ...]:
        """The cells at the chosen rate, by seed."""
        return tuple(self._at(self.learning_rate))

    @cached_property
    def reference(self) -> Score | None:
        """Any score of the group, for what all of them share: metric, unit, direction, chance, best, threshold."""
        return next((result.score for result in self.results if result.score is not None), None)

    @cached_property
    def scores(self) -> tuple[Score, ...]:
        """The scores at the chosen rate, by seed."""
        return tuple(result.score for result in self.seeds if result.status == "ok" and result.score is not None)

    @property
    def values(self) -> tuple[float, ...]:
        """The test scores at the chosen rate, by seed."""
        return tuple(score.score for score in self.scores)

    @property
    def n(self) -> int:
        """Seeds with a scientific answer: a score, or divergence."""
        return len(self.answered)

    @property
    def diverged(self) -> int:
        """Seeds that diverged."""
        return sum(result.status == "diverged" for result in self.seeds)

    @property
    def failed(self) -> int:
        """Seeds without an answer."""
        return len(self.seeds) - self.n

    @property
    def solved(self) -> int | None:
        """Number of seeds that solved the task; None for a task that cannot be solved."""
        if self.reference is None or self.reference.solved_threshold is None:
            return None
        return sum(result.solved_at_step is not None for result in self.seeds)

    @property
    def mixed(self) -> bool:
        """Whether some seeds solved the task and some did not: a mean would describe neither."""
        return bool(self.solved) and self.solved != self.n

    @property
    def solve_interval(self) -> tuple[float, float] | None:
        """Wilson interval of the solve rate, where seeds disagree."""
        return statistics.wilson(self.solved or 0, self.n) if self.mixed else None

    @property
    def averaged(self) -> bool:
        """Whether n allows a mean: five seeds, of one kind, all with a value."""
        return len(self.values) >= ENOUGH_FOR_T and len(self.values) == len(self.seeds) and not self.mixed

    @cached_property
    def score(self) -> float | None:
        """The mean where n allows one, else the median of the seeds with diverged ones as the worst.

        None without a value, or where the median seed diverged.
        """
        if not self.values:
            return None
        if self.averaged:
            return fmean(self.values)
        worst = -math.inf if self.scores[0].higher_is_better else math.inf
        middle = median([*self.values, *[worst] * self.diverged])
        return middle if math.isfinite(middle) else None

    @cached_property
    def interval(self) -> Interval | None:
        """What may stand beside the score: at n = 1 the test-sampling interval, at 2–4 (or with diverged, failed or
        disagreeing seeds) the range of the values, from 5 the t interval of the mean."""
        if self.averaged:
            return Interval(*statistics.t_interval(self.values), "t")
        if len(self.values) > 1:
            return Interval(min(self.values), max(self.values), "range")
        if len(self.seeds) == 1 and self.scores:
            bounds = statistics.ratio_interval(self.scores[0].blocks)
            return Interval(*bounds, "test sampling") if bounds else None
        return None

    @property
    def skill(self) -> float | None:
        """0 = the trivial baseline, 1 = perfect or the best floor; of the group's score."""
        if self.score is None:
            return None
        shared = self.scores[0]
        return (self.score - shared.chance) / (shared.best - shared.chance)

    @cached_property
    def equals_chance(self) -> bool:
        """Whether the score merely equals the trivial baseline, for more than half of the values or for their mean."""
        if self.skill is None:
            return False
        interval, chance = self.interval, self.scores[0].chance
        holds = interval is not None and interval.kind == "t" and interval.low <= chance <= interval.high
        alike = sum(equals_chance(result) for result in self.seeds)
        return self.skill < LEARNING or holds or alike > len(self.values) / 2

    @property
    def outcome(self) -> str:
        """One word: the commonest of the seeds' outcomes and statuses, a tie going to the worse; `k/n solved` where
        seeds disagree on that."""
        if self.mixed:
            return f"{self.solved}/{self.n} solved"
        words = Counter(word_of(result) for result in self.seeds)
        return max(words, key=lambda word: (words[word], _WORSE.index(word) if word in _WORSE else len(_WORSE)))

    @property
    def solved_at_step(self) -> float | None:
        """Median step at which the seeds solved the task; infinity where the median seed did not within its budget;
        None for a task that cannot be solved, or without an answer."""
        if self.solved is None or not self.n:
            return None
        return median(math.inf if run.solved_at_step is None else run.solved_at_step for run in self.answered)

    @property
    def step_budget(self) -> int:
        """Optimisation steps a seed may take."""
        return self.seeds[0].cell.recipe.steps

    @property
    def batch_size(self) -> int:
        """Sequences or windows per step."""
        return self.seeds[0].cell.recipe.batch_size

    @property
    def parameters_body(self) -> int | None:
        """Trained numbers without embedding, head and positions."""
        return next((result.size.parameters_body for result in self.seeds if result.size), None)

    @property
    def answered(self) -> tuple[Result, ...]:
        """The seeds with a scientific answer."""
        return tuple(result for result in self.seeds if result.status in ANSWERS)

    def typical(self, read: Callable[[Result], float | None]) -> float | None:
        """Take the median of a figure over the seeds that answered and hold it; None without one."""
        return statistics.typical(map(read, self.answered))

    @property
    def seconds(self) -> float | None:
        """Median wall-clock seconds of a whole cell."""
        return self.typical(lambda result: result.seconds.total if result.seconds else None)

    @property
    def seconds_to_solve(self) -> float | None:
        """Median seconds of training until a seed solved, infinity for one that did not; None for a task that cannot be
        solved, or without an answer."""
        if self.solved is None:
            return None
        return self.typical(seconds_to_solve)


_WORSE = ("solved", "learning", "at chance", "budget-limited", "untrained", "diverged")  # then failures


def seconds_per_step(result: Result) -> float | None:
    """Find the seconds of training that a cell took for one step; None where its speed is not known."""
    return 1 / result.steps_per_second if result.steps_per_second else None


def seconds_to_solve(result: Result) -> float:
    """Find the seconds of training until a cell solved; infinity where it did not, or where its speed is not known."""
    step, speed = result.solved_at_step, result.steps_per_second
    return step / speed if step and speed else math.inf


def word_of(result: Result) -> str:
    """Name a cell's outcome, its status where it has none, or `untrained` (gradients at initialisation only)."""
    if result.status != "ok":
        return result.status.replace("_", " ")
    return result.outcome or "untrained"
