"""Gradient flow: how strongly a model's answer depends on what it read k steps earlier.

Per sequence b, at the answered step t* (the task says which), the answer's scalar is s = ŷ for a regression and
s = z_y − logsumexp_{j≠y} z_j for classes. For every quantity q (the embedded input, hidden and cell states, …)

    g_q(k) = median over the batch of ‖ ∂s_b / ∂q_{b, t*−k} ‖₂        k = 0 … K

It is the gradient of the answer, not of the loss: ∂ℓ = w · ∂s, and a perfect model's loss gradient is 0/0. The mean |w|
is kept beside it. All derivatives are total (through every later step), in float64, on the step-by-step unroll, also
where training cuts its own gradient. Of a model that carries a state, the last `FOLLOWED` steps are unrolled, from the
state that the steps before them leave: memory and time stay bounded at any length, and K is less than t*.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bench.probes.credit import alignment, finite
from bench.probes.distances import by_distance, credit_profile, credited_distances, spread
from bench.probes.probing import as_probe, derivatives
from models.base import SequenceModel
from tasks.base import Batch, Objective, Task

SEQUENCES = 8


SUMMARISED = 256  # distances that summaries use, at most (beside those of true credit): 32,640 pairs


KEPT = 128  # distances that are stored, at most


VANISHING, EXPLODING = -6.0, 3.0  # powers of ten over the reach; Hanna's band [1e-6, 1e3], of a relative change


LEAST_DISTANCES = 5


@dataclass(frozen=True)
class Profile:
    """One quantity's gradient against distance; lists run beside `Flow.distances`.

    log10_median, log10_mean: over the batch; None where the value is 0 or not finite. zeros, nonfinite: single values
    among all sequences and distances. ratio g(K)/g(1); rate: Theil–Sen slope of log10 g per step over k ≥ 1;
    half_life in steps; verdict: vanishing, exploding, healthy or undetermined.
    """

    log10_median: list[float | None]
    log10_mean: list[float | None]
    zeros: int
    nonfinite: int
    ratio: float | None
    rate: float | None
    half_life: float | None
    verdict: str


@dataclass(frozen=True)
class Flow:
    """Gradient flow of one model at one moment.

    distances: steps back from the answer. profiles: by quantity. loss_weight: mean |w|. credit_alignment: overlap with
    the task's true credit in [0, 1], None where the task has none. reach: steps of the task's longest true dependency.
    credit: the task's true credit at each of `distances`, mean over the batch, its largest value 1; empty where the
    task has none. start: the first step of the sequences that was unrolled; above 0 there is no alignment, because the
    steps before it are left out.
    """

    distances: list[int]
    profiles: dict[str, Profile]
    loss_weight: float | None
    credit_alignment: float | None
    reach: int | None = None
    credit: list[float] = field(default_factory=list)
    start: int = 0


def measure(model: SequenceModel, task: Task, batch: Batch, *, replace: bool = True) -> Flow:
    """Measure gradient flow of `model` on a few sequences of `task`; the model is left as it was.

    replace: whether the alignment of ids is measured, which takes a pass for every replaced token.
    """
    steps = task.answer_steps(batch)
    reach = int(steps.max()) if task.reach is None else task.reach
    with as_probe(model):
        asked = batch.answered(steps).double()
        outputs, norms, value_gradient = derivatives(model, asked, steps)
        weight = _loss_weight(task.spec.objective, outputs, asked)
        start = batch.steps - value_gradient.size(1)
        overlapping = None if start else alignment(model, task, batch, asked, value_gradient, replace)
    credit = task.credit(batch)
    if start:
        steps, credit = steps - start, None if credit is None else credit[:, start:]
    longest = int(steps.max())
    landmarks = credited_distances(credit, steps)
    summarised = spread(longest, SUMMARISED, landmarks)
    kept = spread(longest, KEPT, landmarks)
    profiles = {name: _profile(series, steps, kept, summarised, reach) for name, series in norms.items()}
    return Flow(kept, profiles, weight, overlapping, reach, credit_profile(credit, steps, kept), start)


def _loss_weight(objective: Objective, outputs: Tensor, batch: Batch) -> float | None:
    """Return the mean |w| in ∂ℓ = w ∂s, from the two gradients with respect to the outputs."""
    outputs = outputs.detach().requires_grad_()
    (of_answer,) = torch.autograd.grad(objective.answer(outputs, batch).sum(), outputs)
    (of_loss,) = torch.autograd.grad(objective.loss(outputs, batch) * len(batch), outputs)
    weights = (of_loss * of_answer).sum(-1) / of_answer.square().sum(-1)
    return finite(float(weights.abs().mean()))


def _profile(series: Tensor, steps: Tensor, kept: list[int], summarised: list[int], reach: int) -> Profile:
    """Return the profile of one quantity. series (batch, time): its gradient norms."""
    followed = series[torch.arange(series.size(1)) <= steps[:, None]]
    nonfinite = int((~followed.isfinite()).sum())
    values = by_distance(series, steps)
    medians = torch.nanquantile(values, 0.5, dim=0)
    rate = theil_sen(summarised, medians[summarised])
    return Profile(
        log10_median=_log10(medians[kept]),
        log10_mean=_log10(torch.nanmean(values, dim=0)[kept]),
        zeros=int((followed == 0).sum()),
        nonfinite=nonfinite,
        ratio=_ratio(medians),
        rate=rate,
        half_life=half_life(rate, len(medians) - 1),
        verdict=verdict(rate, reach, medians[summarised], nonfinite),
    )


def theil_sen(distances: Sequence[int], values: Tensor) -> float | None:
    """Return the median slope of log10 values over all pairs of distances ≥ 1 with positive finite values."""
    k = torch.tensor(distances, dtype=torch.float64)
    usable = (k >= 1) & values.isfinite() & (values > 0)
    k, y = k[usable], values[usable].log10()
    if len(k) < 2:
        return None
    first, second = torch.triu_indices(len(k), len(k), offset=1)
    slopes = (y[second] - y[first]) / (k[second] - k[first])
    return float(torch.quantile(slopes, 0.5)) if len(slopes) < 2**23 else float(slopes.median())


def half_life(rate: float | None, longest: int) -> float | None:
    """Return the steps over which the gradient halves; None where it doesn't fall, or by too little to be told."""
    if rate is None or rate >= 0:
        return None
    steps = math.log10(2) / -rate
    return steps if steps <= 10 * longest else None


def verdict(rate: float | None, reach: int, values: Tensor, nonfinite: int) -> str:
    """Return one word for the gradient's fall or rise over `reach` steps. values: g at the summarised distances."""
    if 2 * int((~values.isfinite()).sum()) >= len(values):
        return "undetermined"
    if nonfinite:
        return "exploding"
    if rate is None or int((values[1:] > 0).sum()) < LEAST_DISTANCES:
        return "undetermined"
    if rate * reach < VANISHING:
        return "vanishing"
    return "exploding" if rate * reach > EXPLODING else "healthy"


def _ratio(medians: Tensor) -> float | None:
    if len(medians) < 2:
        return None
    return finite(float(medians[-1] / medians[1]))


def _log10(values: Tensor) -> list[float | None]:
    logs = values.log10()
    return [float(value) if math.isfinite(value) else None for value in logs.tolist()]
