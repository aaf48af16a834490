"""The self-describing record of one cell. `docs/results-format.md` is its specification.

A record holds all a report needs, so that no report ever asks a task or a model. Strict JSON both ways: unknown keys,
NaN and infinities are errors; what does not apply is null. Text is made safe and short on its way in and out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from bench.records import measure, sampling
from bench.records.cell import Cell
from bench.records.frozen import Block, Frozen, Line, Whole

SCHEMA = 2

Status = Literal["ok", "diverged", "out_of_memory", "timeout", "crashed", "error", "unavailable", "invalid"]
ANSWERS: frozenset[Status] = frozenset({"ok", "diverged"})
Finite = Annotated[float, Field(allow_inf_nan=False)]
Power = Annotated[float, Field(allow_inf_nan=False, ge=-1000, le=1000)]  # of ten, in which all numbers lie
Norm = Annotated[float, Field(allow_inf_nan=False, ge=0)]
Measure = Annotated[float, Field(allow_inf_nan=False, ge=-1e100, le=1e100)]  # squares of it are finite too
LEARNING = 0.05  # skill from which a cell counts as learning
SHORT = 1000  # steps below which a cell at chance is called budget-limited


def below_learning(skill: float) -> bool:
    """Return whether a skill is too small to be called learning; .05 is learning, also where its last bit is lost."""
    return skill < LEARNING - 1e-9


Part = TypeVar("Part", bound=Frozen)


def _beside(part: Part, name: str, along: Sequence[Any], *lists: Sequence[Any]) -> Part:
    """Return the part of a record, whose lists must all be as long as the list `along`, called `name`."""
    for values in lists:
        if len(values) != len(along):
            raise ValueError(f"expected lists as long as {name}, {len(along)}, got one of {len(values)}")
    return part


class Score(Frozen):
    """What the test set says, beside the trivial baseline.

    score: in `unit`, by `metric`. chance: the trivial baseline's score; best: the score at skill 1. validation_score:
    of the last validation. counted: what test_n counts. blocks: (numerator, denominator) of at most 64
    blocks of consecutive test units, score = Σ numerators / Σ denominators. floors: named reference scores. extras:
    further figures.
    """

    score: Measure
    metric: Line
    unit: Line
    higher_is_better: bool
    chance: Measure
    best: Measure
    solved_threshold: Measure | None
    validation_score: Measure | None
    test_n: Whole
    counted: Line
    blocks: tuple[tuple[Measure, Measure], ...]
    floors: dict[Line, Measure]
    extras: dict[Line, Measure]

    @model_validator(mode="after")
    def _tells_skill(self) -> Self:
        if self.best == self.chance or not math.isfinite(self.skill):
            raise ValueError(f"chance {self.chance!r} equals the best score {self.best!r}, so no skill can be told")
        return self

    @property
    def skill(self) -> float:
        """0 = the trivial baseline, 1 = perfect or the best known floor."""
        return self.skill_of(self.score)

    def skill_of(self, score: float) -> float:
        """Find the skill of another score of the same test."""
        return (score - self.chance) / (self.best - self.chance)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest value that such a score can have; infinite where nothing bounds it."""
        return measure.bounds(self.unit, self.best, self.higher_is_better)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The test-sampling interval, within the score's bounds; None where the blocks of test units cannot tell."""
        interval = sampling.ratio_interval(self.blocks)
        return None if interval is None else self.within(*interval)

    def within(self, low: float, high: float) -> tuple[float, float]:
        """Cut an interval at the bounds of the score."""
        least, largest = self.bounds
        return max(low, least), min(high, largest)

    @property
    def passes(self) -> bool:
        """Whether the score passes the task's threshold; never where there is none."""
        threshold = self.solved_threshold
        if threshold is None:
            return False
        return self.score >= threshold if self.higher_is_better else self.score <= threshold

    @property
    def at_chance(self) -> bool:
        """Whether the score merely equals the trivial baseline: skill < .05, or the test-sampling interval holds
        chance."""
        interval = self.interval
        holds = interval is not None and interval[0] <= self.chance <= interval[1]
        return holds or below_learning(self.skill)


class Curves(Frozen):
    """How training went. Non-finite values are null.

    validation: (step, score). validation_n: the units that each of them scored; empty: the whole set. train_loss,
    gradient_norm: one value per step, the norm before clipping. clipped: number of steps at which clipping acted.
    parameter_norms: per parameter, the gradient norm at each of parameter_steps.
    """

    validation: tuple[tuple[Whole, Finite | None], ...] = ()
    validation_n: tuple[Whole, ...] = ()
    train_loss: tuple[Finite | None, ...] = ()
    gradient_norm: tuple[Norm | None, ...] = ()
    clipped: Whole = 0
    parameter_steps: tuple[Whole, ...] = ()
    parameter_norms: dict[Line, tuple[Norm | None, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _as_long(self) -> Self:
        _beside(self, "validation", self.validation, *([self.validation_n] if self.validation_n else []))
        return _beside(self, "parameter_steps", self.parameter_steps, *self.parameter_norms.values())

    @model_serializer(mode="wrap")
    def _without_sizes(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if name != "validation_n" or value}


class GradientProfile(Frozen):
    """One quantity's gradient against distance, lists beside the snapshot's `distances`.

    log10_median, log10_mean: of the norm over the probed sequences, null where 0 or not finite. zeros, nonfinite:
    single values. ratio: g(K)/g(1). rate: log10 per step. half_life: steps. verdict: vanishing, exploding, healthy or
    undetermined.
    """

    log10_median: tuple[Power | None, ...]
    log10_mean: tuple[Power | None, ...]
    zeros: Whole
    nonfinite: Whole
    ratio: Finite | None
    rate: Finite | None
    half_life: Finite | None
    verdict: Line


class GradientFlow(Frozen):
    """Gradient flow of the answer at one training step.

    distances: steps back from the answer, beside which each profile runs. loss_weight: mean |∂ℓ/∂s|. credit_alignment:
    overlap with the task's true credit in [0, 1]. reach: steps of the task's longest true dependency, over which the
    verdicts are taken. credit: the task's true credit beside `distances`, mean over the probed sequences, its largest
    value 1; empty where the task has none.
    """

    step: Whole
    distances: tuple[Whole, ...]
    profiles: dict[Line, GradientProfile]
    loss_weight: Finite | None
    credit_alignment: Finite | None
    reach: Whole | None = None
    credit: tuple[Finite, ...] = ()

    @model_validator(mode="after")
    def _as_long(self) -> Self:
        profiles = self.profiles.values()
        lists = [values for profile in profiles for values in (profile.log10_median, profile.log10_mean)]
        return _beside(self, "distances", self.distances, *lists, *([self.credit] if self.credit else []))


class Jacobian(Frozen):
    """Jacobians of a recurrent model at one training step. steps: of a sequence, where singular values were taken;
    lyapunov: the finite-time spectrum, nats per step, largest first; lyapunov_error: of each, its standard error
    over the sequences; empty in older records."""

    step: Whole
    steps: tuple[Whole, ...]
    lowest: tuple[Finite | None, ...]
    median: tuple[Finite | None, ...]
    highest: tuple[Finite | None, ...]
    lyapunov: tuple[Finite | None, ...]
    lyapunov_error: tuple[Finite | None, ...] = ()

    @model_serializer(mode="wrap")
    def _without_error(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if name != "lyapunov_error" or value}

    @model_validator(mode="after")
    def _as_long(self) -> Self:
        return _beside(self, "steps", self.steps, self.lowest, self.median, self.highest)


class Picture(Frozen):
    """An inside view of the trained model on one sequence: rows by name, each over the same `steps` of the sequence, in
    percent (0 … 100). Gates: one row per unit; attention: one row per answered step.

    finer: the rows of attention in ten-thousandths, where all weights are small; else empty.
    """

    name: Line
    steps: tuple[Whole, ...]
    rows: tuple[tuple[Whole, ...], ...]
    finer: tuple[tuple[Whole, ...], ...] = ()

    @model_validator(mode="after")
    def _as_long(self) -> Self:
        return _beside(self, "steps", self.steps, *self.rows, *self.finer)

    @model_serializer(mode="wrap")
    def _without_finer(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if name != "finer" or value}


class Closeup(Frozen):
    """Some steps of the pictured sequence one by one: the first, the last, and those that its last answer depends on.

    symbols: rows of words beside `steps`, as the task writes an example. answered: a step for each row of
    attention. gates: by name, a row per unit; attention: by name, a row per answered step; both beside `steps`, in
    ten-thousandths.
    """

    steps: tuple[Whole, ...]
    symbols: dict[Line, tuple[Line, ...]]
    answered: tuple[Whole, ...]
    gates: dict[Line, tuple[tuple[Whole, ...], ...]]
    attention: dict[Line, tuple[tuple[Whole, ...], ...]]

    @model_validator(mode="after")
    def _as_long(self) -> Self:
        _beside(self, "answered", self.answered, *self.attention.values())
        rows = [row for held in (*self.gates.values(), *self.attention.values()) for row in held]
        return _beside(self, "steps", self.steps, *self.symbols.values(), *rows)


class Size(Frozen):
    """How large a model is. parameters: all trained numbers; parameters_body: without embedding, head and positions;
    state_bytes: carried from step to step per sequence after `length` steps, null where the model does not tell."""

    parameters: Whole
    parameters_body: Whole
    hidden: Whole
    state_bytes: Whole | None


class Seconds(Frozen):
    """Wall-clock seconds of the whole cell, and of its parts. start_up holds building, set-up and loading of data;
    evaluation the validations, the test, the sample and context use; probe gradient flow and pictures."""

    total: Finite
    start_up: Finite
    data: Finite
    train: Finite
    evaluation: Finite
    probe: Finite
    jacobian: Finite


class Provenance(Frozen):
    """Where the numbers come from; no part of a cell's identity."""

    started: Line
    device: Line
    platform: Line
    python: Line
    libraries: dict[Line, Line]
    threads: Whole
    git_commit: Line | None
    git_dirty: bool | None


class Result(Frozen):
    """The record of one cell. A failed cell holds what is known of it, and `error`."""

    schema_number: int = SCHEMA
    cell: Cell
    status: Status
    attempt: Whole = 1
    error: Block | None = None
    score: Score | None = None
    solved_at_step: Whole | None = None
    steps: Whole = 0
    tokens_seen: Whole = 0
    curves: Curves = Curves()
    gradient_flow: tuple[GradientFlow, ...] = ()
    jacobians: tuple[Jacobian, ...] = ()
    pictures: tuple[Picture, ...] = ()
    closeup: Closeup | None = None
    memory_horizon: Finite | None = None
    context_use: tuple[tuple[Whole, Finite], ...] = ()
    size: Size | None = None
    seconds: Seconds | None = None
    steps_per_second: Finite | None = None
    peak_memory_mb: Finite | None = None
    sample: Block | None = None
    notes: tuple[Block, ...] = ()
    provenance: Provenance | None = None
    weights_sha256: str | None = None

    @model_serializer(mode="wrap")
    def _without_closeup(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if name != "closeup" or value is not None}

    @property
    def key(self) -> str:
        """The key of the cell."""
        return self.cell.key

    @property
    def outcome(self) -> str | None:
        """One word beside the score: solved, learning, at chance (see `Score.at_chance`), or budget-limited (at chance,
        and too few steps to say more). None without a score."""
        if self.score is None:
            return None
        if self.solved_at_step is not None:
            return "solved"
        return self.at_chance_word if self.score.at_chance else "learning"

    @property
    def at_chance_word(self) -> str:
        """What a score that equals chance is called here: budget-limited where training was short, else at chance."""
        trained = self.size is None or self.size.parameters > 0
        return "budget-limited" if trained and self.steps < SHORT else "at chance"
