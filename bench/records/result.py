"""The self-describing record of one cell. `docs/results-format.md` is its specification.

A record holds all a report needs, so that no report ever asks a task or a model. Strict JSON both ways: unknown keys,
NaN and infinities are errors; what does not apply is null.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bench.records import measure, sampling
from bench.records.cell import Cell, Frozen

SCHEMA = 2

Status = Literal["ok", "diverged", "out_of_memory", "timeout", "crashed", "error", "unavailable", "invalid"]
ANSWERS: frozenset[Status] = frozenset({"ok", "diverged"})
Finite = Annotated[float, Field(allow_inf_nan=False)]
LEARNING = 0.05  # skill from which a cell counts as learning
SHORT = 1000  # steps below which a cell at chance is called budget-limited


def below_learning(skill: float) -> bool:
    """Tell whether a skill is too small to be called learning; .05 is learning, also where its last bit is lost."""
    return skill < LEARNING - 1e-9


class Score(Frozen):
    """What the test set says, beside the trivial baseline.

    score: in `unit`, by `metric`. chance: the trivial baseline's score; best: the score at skill 1. validation_score:
    of the last validation. counted: what test_n counts. blocks: (numerator, denominator) of at most 64 runs of
    consecutive test units, score = Σ numerators / Σ denominators. floors: named reference scores.
    extras: further figures.
    """

    score: Finite
    metric: str
    unit: str
    higher_is_better: bool
    chance: Finite
    best: Finite
    solved_threshold: Finite | None
    validation_score: Finite | None
    test_n: int
    counted: str
    blocks: tuple[tuple[Finite, Finite], ...]
    floors: dict[str, Finite]
    extras: dict[str, Finite]

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
        """The test-sampling interval, within the score's bounds; None where the blocks cannot tell."""
        found = sampling.ratio_interval(self.blocks)
        return None if found is None else self.within(*found)

    def within(self, low: float, high: float) -> tuple[float, float]:
        """Cut an interval at the bounds of the score."""
        least, largest = self.bounds
        return max(low, least), min(high, largest)

    @property
    def at_chance(self) -> bool:
        """Whether the score merely equals the trivial baseline: skill < .05, or the test-sampling interval holds
        chance."""
        interval = self.interval
        holds = interval is not None and interval[0] <= self.chance <= interval[1]
        return holds or below_learning(self.skill)


class Curves(Frozen):
    """How training went. Non-finite values are null.

    validation: (step, score). train_loss, gradient_norm: one value per step, the norm before clipping. clipped: number
    of steps at which clipping acted. parameter_norms: per parameter, the gradient norm at each of parameter_steps.
    """

    validation: tuple[tuple[int, Finite | None], ...] = ()
    train_loss: tuple[Finite | None, ...] = ()
    gradient_norm: tuple[Finite | None, ...] = ()
    clipped: int = 0
    parameter_steps: tuple[int, ...] = ()
    parameter_norms: dict[str, tuple[Finite | None, ...]] = Field(default_factory=dict)


class GradientProfile(Frozen):
    """One quantity's gradient against distance, lists beside the snapshot's `distances`.

    log10_median, log10_mean: of the norm over the probed sequences, null where 0 or not finite. zeros, nonfinite:
    single values. ratio: g(K)/g(1). rate: log10 per step. half_life: steps. verdict: vanishing, exploding, healthy or
    undetermined.
    """

    log10_median: tuple[Finite | None, ...]
    log10_mean: tuple[Finite | None, ...]
    zeros: int
    nonfinite: int
    ratio: Finite | None
    rate: Finite | None
    half_life: Finite | None
    verdict: str


class GradientFlow(Frozen):
    """Gradient flow of the answer at one training step. distances: steps back from the answer, beside which each
    profile runs. loss_weight: mean |∂ℓ/∂s|. credit_alignment: overlap with the task's true credit in [0, 1]. reach:
    steps of the task's longest true dependency, over which the verdicts are taken. credit: the task's true credit
    beside `distances`, mean over the probed sequences, its largest value 1; empty where the task states none."""

    step: int
    distances: tuple[int, ...]
    profiles: dict[str, GradientProfile]
    loss_weight: Finite | None
    credit_alignment: Finite | None
    reach: int | None = None
    credit: tuple[Finite, ...] = ()


class Jacobian(Frozen):
    """Of a recurrent model at one training step. steps: of a sequence, where singular values were taken; lyapunov: the
    finite-time spectrum, nats per step, largest first."""

    step: int
    steps: tuple[int, ...]
    lowest: tuple[Finite | None, ...]
    median: tuple[Finite | None, ...]
    highest: tuple[Finite | None, ...]
    lyapunov: tuple[Finite | None, ...]


class Picture(Frozen):
    """An inside view of the trained model on one sequence: rows by name, each over the same `steps` of the sequence, in
    percent (0 … 100). Gates: one row per unit; attention: one row per answered step."""

    name: str
    steps: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]


class Size(Frozen):
    """parameters: all trained numbers; parameters_body: without embedding, head and positions; state_bytes: carried
    from step to step per sequence after `length` steps, null where the model does not state it."""

    parameters: int
    parameters_body: int
    hidden: int
    state_bytes: int | None


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

    started: str
    device: str
    platform: str
    python: str
    libraries: dict[str, str]
    threads: int
    git_commit: str | None
    git_dirty: bool | None


class Result(Frozen):
    """The record of one cell. A failed cell holds what is known of it, and `error`."""

    schema_number: int = SCHEMA
    cell: Cell
    status: Status
    attempt: int = 1
    error: str | None = None
    score: Score | None = None
    solved_at_step: int | None = None
    steps: int = 0
    tokens_seen: int = 0
    curves: Curves = Curves()
    gradient_flow: tuple[GradientFlow, ...] = ()
    jacobians: tuple[Jacobian, ...] = ()
    pictures: tuple[Picture, ...] = ()
    memory_horizon: Finite | None = None
    context_use: tuple[tuple[int, Finite], ...] = ()
    size: Size | None = None
    seconds: Seconds | None = None
    steps_per_second: Finite | None = None
    peak_memory_mb: Finite | None = None
    sample: str | None = None
    notes: tuple[str, ...] = ()
    provenance: Provenance | None = None
    weights_sha256: str | None = None

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
