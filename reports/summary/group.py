"""One group of seeds, and its statistics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median, median_high, median_low
from typing import Literal, NamedTuple

from bench.records.memory import Memory, memory
from bench.records.recipe import Scalar
from bench.records.result import ANSWERS, Result, Score, below_learning
from reports.summary import statistics
from reports.summary.clusters import apart
from reports.summary.outcomes import AT_CHANCE, outcome_of

Kind = Literal["test sampling", "range", "t"]
ENOUGH_FOR_T = 5  # seeds from which a mean and its t interval may be given


class Scale(NamedTuple):
    """What a score is measured by. chance, best: to six digits."""

    metric: str
    unit: str
    higher_is_better: bool
    solved_threshold: float | None
    chance: float
    best: float

    @property
    def measure(self) -> str:
        """What holds at every length, in words."""
        solved = "never solved" if self.solved_threshold is None else f"solved at {self.solved_threshold:g}"
        return f"{self.metric} ({self.unit}, {'higher' if self.higher_is_better else 'lower'} is better, {solved})"

    @property
    def ends(self) -> str:
        """What depends on the length, in words."""
        return f"chance {self.chance:g}, best {self.best:g}"


class Identity(NamedTuple):
    """What the members of a group have in common. recipe: (field, value) without the learning rate; code: of a task or
    model that is given by import path; scale: None where all scores of the task have one at each length."""

    task: str
    model: str
    length: int
    data: str | None
    device: str | None
    torch: str | None
    versions: tuple[int, int]
    recipe: tuple[tuple[str, Scalar], ...]
    code: str | None
    scale: Scale | None = None


class Interval(NamedTuple):
    """Bounds and what they are: the test-sampling interval of one seed, a plain range, or the t interval of a mean."""

    low: float
    high: float
    kind: Kind


def validation_or_worst(result: Result, higher_is_better: bool) -> float:
    """Return the last validation score as a loss, lower is better; infinity for a diverged or failed cell."""
    if result.status != "ok" or result.score is None or result.score.validation_score is None:
        return math.inf
    return -result.score.validation_score if higher_is_better else result.score.validation_score


@dataclass(frozen=True)
class Group:
    """All results of one identity, and the statistics of its seeds at the learning rate chosen on validation.

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

    @cached_property
    def split(self) -> bool:
        """Whether the seeds fall into two kinds, by solving or by their values: no mean describes them."""
        return self.mixed or apart(self.scores)

    @property
    def solve_interval(self) -> tuple[float, float] | None:
        """Wilson interval of the solve rate, where seeds disagree."""
        return statistics.wilson(self.solved or 0, self.n) if self.mixed else None

    @property
    def averaged(self) -> bool:
        """Whether n allows a mean: five seeds, of one kind, all with a value."""
        return len(self.values) >= ENOUGH_FOR_T and len(self.values) == len(self.seeds) and not self.split

    @cached_property
    def score(self) -> float | None:
        """The mean where n allows one, else the median of the seeds with diverged ones as the worst.

        Of an even number of seeds that fall into two kinds, the worse of the two in the middle, because no seed comes
        near the value between them. None without a value, or where the median seed diverged.
        """
        if not self.values:
            return None
        if self.averaged:
            return fmean(self.values)
        higher = self.scores[0].higher_is_better
        middle_of = (median_low if higher else median_high) if self.split else median
        middle = middle_of([*self.values, *[-math.inf if higher else math.inf] * self.diverged])
        return middle if math.isfinite(middle) else None

    @cached_property
    def interval(self) -> Interval | None:
        """The interval beside the score: at n = 1 the test-sampling interval, at 2–4 (or with diverged, failed or
        seeds of two kinds) the range of the values, from 5 the t interval of the mean. Within the score's bounds.

        Equal values are a range at any n, because they prove no certainty.
        """
        if self.averaged and len(set(self.values)) > 1:
            bounds = statistics.t_interval(self.values)
            if all(map(math.isfinite, bounds)):
                return Interval(*self.scores[0].within(*bounds), "t")
        if len(self.values) > 1:
            return Interval(min(self.values), max(self.values), "range")
        if len(self.seeds) == 1 and self.scores:
            sampled = self.scores[0].interval
            return Interval(*sampled, "test sampling") if sampled else None
        return None

    @property
    def skill(self) -> float | None:
        """0 = the trivial baseline, 1 = perfect or the best floor; of the group's score."""
        if self.score is None:
            return None
        return self.scores[0].skill_of(self.score)

    @property
    def interval_skill(self) -> tuple[float, ...]:
        """The bounds of the interval as skill, in the order of the score; empty without an interval."""
        interval = self.interval
        return tuple(map(self.scores[0].skill_of, interval[:2])) if interval else ()

    @property
    def equals_chance(self) -> bool:
        """Whether the score merely equals the trivial baseline: the outcome says so."""
        return self.outcome in AT_CHANCE

    @cached_property
    def outcome(self) -> str:
        """One word or rate: see `outcome_of`."""
        rate = f"{self.solved}/{self.n}" if self.mixed else None
        return outcome_of(self.seeds, rate, self._mean_at_chance() if self.averaged else None)

    def _mean_at_chance(self) -> bool:
        """Whether the mean merely equals the trivial baseline: skill below .05, or the interval holds chance."""
        interval, chance = self.interval, self.scores[0].chance
        holds = interval is not None and interval.kind == "t" and interval.low <= chance <= interval.high
        return holds or self.skill is None or below_learning(self.skill)

    @property
    def memory(self) -> Memory:
        """Median of the last positions that the seeds use, None where half of the seeds or more tell of none; whether
        more context makes the score of most seeds worse."""
        told = [said for said in map(memory, self.answered) if said.steps is not None]
        if 2 * len(told) <= self.n:
            return Memory(None)
        return Memory(statistics.typical(said.steps for said in told), 2 * sum(said.worse for said in told) > self.n)

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


def seconds_per_step(result: Result) -> float | None:
    """Return the seconds of training that a cell took for one step; None where its speed is not known."""
    return 1 / result.steps_per_second if result.steps_per_second else None


def seconds_to_solve(result: Result) -> float:
    """Return the seconds of training until a cell solved; infinity where it did not, or its speed is not known."""
    step, speed = result.solved_at_step, result.steps_per_second
    return step / speed if step and speed else math.inf
