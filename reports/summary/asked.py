"""Stored models asked at other lengths: the seeds of a group at every tested length, and how far they stay right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

from bench.records import foreign
from bench.records.reading import Reading
from bench.records.result import GradientFlow, Result, Score, below_learning
from reports.summary import statistics
from reports.summary.group import Group

Held = TypeVar("Held")


class Effective(NamedTuple):
    """How far a model stays right. length: the longest tested length up to which every tested one passes, 0 for none;
    ratio: that length in trained ones; last: it is the longest that was tested."""

    length: int
    ratio: float
    last: bool


@dataclass(frozen=True)
class Asked:
    """A group of seeds at the lengths at which its models were asked.

    group: as trained. at: the seeds at each tested length, whose `solved` are those that pass the task's threshold
    there; the trained length is that of their own test. words: why a length is not defined. flows: the gradient flow of
    seeds at each length where it was asked for. horizons: the last positions that seeds remember at each length.
    carried: what of the task's rule stays as at the trained length.
    """

    group: Group
    at: Mapping[int, Group]
    words: Mapping[int, str]
    flows: Mapping[int, tuple[GradientFlow, ...]]
    horizons: Mapping[int, tuple[float, ...]]
    carried: str

    @property
    def trained(self) -> int:
        """The trained length; the longest of them, where a range was trained on."""
        return self.group.identity.length

    @property
    def uniform(self) -> bool:
        """Whether the models were trained on a range of lengths."""
        return dict(self.group.identity.recipe)["train_lengths"] == "uniform"

    @cached_property
    def effective(self) -> Effective | None:
        """The effective length: the longest tested one such that more than half of the seeds pass there, and at every
        tested one from the trained length on, or from the shortest, where a range was trained on; 0 where the trained
        length itself, or the longest of the range, fails.

        None for a task without a threshold, and where the task's rule stays as at the trained length.
        """
        if self.group.solved is None or self.carried:
            return None
        first = 0 if self.uniform else self.trained
        lengths = [length for length in sorted({*self.at, *self.words}) if length >= first]
        trained, longest = passes(self.at.get(self.trained)), 0
        for length in lengths:
            if not (trained and passes(self.at.get(length))):
                break
            longest = length
        return Effective(longest, longest / self.trained, longest == lengths[-1])

    def horizon(self, length: int) -> float | None:
        """Take the median of the last positions that the seeds remember at a length; None where nothing tells."""
        return statistics.typical(self.horizons.get(length, ()))


def worse_than_chance(group: Group) -> bool:
    """Return whether the seeds' score is worse than the trivial baseline's, by more than its interval."""
    skills = group.interval_skill or ((group.skill,) if group.skill is not None else ())
    return bool(skills) and max(skills) < 0 and below_learning(-(group.skill or 0.0)) is False


def passes(group: Group | None) -> bool:
    """Return whether more than half of the seeds pass the task's threshold."""
    return group is not None and 2 * (group.solved or 0) > len(group.seeds)


ByCell = Mapping[str, Sequence[Reading]]


def by_cell(readings: Iterable[Reading]) -> ByCell:
    """Sort readings by the key of the cell whose model was asked."""
    held: dict[str, list[Reading]] = {}
    for reading in readings:
        held.setdefault(reading.question.cell, []).append(reading)
    return held


def asked(group: Group, readings: ByCell) -> Asked | None:
    """Find what the models of a group answered; None where they were not asked."""
    pairs = [
        (seed, reading)
        for seed in group.seeds
        for reading in readings.get(seed.cell.key, ())
        if reading.question.weights_sha256 == seed.weights_sha256
    ]
    if not pairs:
        return None
    at: dict[int, Group] = {}
    words: dict[int, str] = {}
    scored = [(seed, reading) for seed, reading in pairs if not reading.question.probe]
    for length in sorted({reading.question.length for _, reading in scored} | {group.identity.length}):
        own = [(seed, reading) for seed, reading in scored if reading.question.length == length]
        refused = [reading.error or "" for _, reading in own if reading.status == "undefined"]
        if length == group.identity.length:
            seeds = [_as_there(seed, seed.score) for seed in group.seeds]
        elif refused:
            words[length] = foreign.first_line(refused[0])
            continue
        else:
            lost = [seed for seed in group.seeds if seed.status != "ok"]  # these have no model that could be asked
            seeds = [*(_read(seed, reading) for seed, reading in own), *lost]
        at[length] = Group(group.identity._replace(length=length), tuple(seeds))
    return Asked(
        group,
        at,
        words,
        _collected((r.question.length, r.gradient_flow) for _, r in pairs),
        _collected((r.question.length, r.memory_horizon) for _, r in pairs),
        next((reading.carried for _, reading in scored if reading.carried), ""),
    )


def _collected(pairs: Iterable[tuple[int, Held | None]]) -> dict[int, tuple[Held, ...]]:
    """Collect what is there by length."""
    held: dict[int, list[Held]] = {}
    for length, value in pairs:
        if value is not None:
            held.setdefault(length, []).append(value)
    return {length: tuple(values) for length, values in sorted(held.items())}


def _read(seed: Result, reading: Reading) -> Result:
    """Return a seed as its reading shows it."""
    assert reading.status != "undefined", "a question without an answer has no seed"
    return _as_there(seed.model_copy(update={"status": reading.status, "error": reading.error}), reading.score)


def _as_there(seed: Result, score: Score | None) -> Result:
    """Return a seed with the score of a tested length, which it solved where the score passes the threshold."""
    return seed.model_copy(update={"score": score, "solved_at_step": seed.steps if score and score.passes else None})
