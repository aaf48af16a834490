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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.base import SequenceModel
from tasks.base import Batch, Features, Objective, Replacement, Task

SEQUENCES = 8
FOLLOWED = 10_000  # steps back from an answer, at most
SUMMARISED = 256  # distances that summaries use, at most (beside those of true credit): 32,640 pairs
KEPT = 128  # distances that are stored, at most
ROUNDING = 1e-13  # relative to the answer, far above what rounding adds and far below what any figure shows
TOGETHER = 32_768  # positions of replaced sequences in one pass, at most
FEW_CREDITED = 32  # more credited distances than this are no landmarks
VANISHING, EXPLODING = -6.0, 3.0  # powers of ten over the reach; deck 002's band [1e-6, 1e3], of a relative change
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
    """Gradient flow of one model at one moment. loss_weight: mean |w|. credit_alignment: overlap with the task's true
    credit in [0, 1], None where the task has none. reach: steps of the task's longest true dependency. credit: the
    task's true credit at each of `distances`, mean over the batch, its largest value 1; empty where it has none.
    start: the first step of the sequences that was unrolled; above 0 no alignment is stated, for not all is seen."""

    distances: list[int]
    profiles: dict[str, Profile]
    loss_weight: float | None
    credit_alignment: float | None
    reach: int | None = None
    credit: list[float] = field(default_factory=list)
    start: int = 0


def measure(model: SequenceModel, task: Task, batch: Batch) -> Flow:
    """Gradient flow of `model` on a few sequences of `task`; the model is left as it was."""
    steps = task.answer_steps(batch)
    reach = int(steps.max()) if task.reach is None else task.reach
    with as_probe(model):
        outputs, targets, norms, value_gradient = _backward(model, batch, steps)
        weight = _loss_weight(task.spec.objective, outputs, targets)
        start = batch.read.size(1) - value_gradient.size(1)
        alignment = None if start else _alignment(model, task, batch, steps, value_gradient)
    credit = task.credit(batch)
    if start:
        steps, credit = steps - start, None if credit is None else credit[:, start:]
    longest = int(steps.max())
    landmarks = credited_distances(credit, steps)
    summarised = spread(longest, SUMMARISED, landmarks)
    kept = spread(longest, KEPT, landmarks)
    profiles = {name: _profile(series, steps, kept, summarised, reach) for name, series in norms.items()}
    return Flow(kept, profiles, weight, alignment, reach, _credit_profile(credit, steps, kept), start)


# -- the derivative ---------------------------------------------------------------------------------------------------


@contextmanager
def as_probe(model: SequenceModel) -> Iterator[None]:
    """The model in float64, on the CPU and in evaluation mode, gradients on; everything as before afterwards (float32 →
    64 → 32 is exact, and the parameters stay the same objects). On the CPU because some devices have no float64."""
    training, dtype = model.training, next((p.dtype for p in model.parameters()), torch.float32)
    device = model.device
    gradients = [p.grad for p in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = None
    with torch.inference_mode(False), torch.enable_grad():
        model.to("cpu", torch.float64).eval()
        try:
            yield
        finally:
            model.to(device, dtype).train(training)
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter.grad = gradient


def _backward(model: SequenceModel, batch: Batch, steps: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor], Tensor]:
    """Outputs and targets at the answered steps, ‖∂s/∂q‖ (batch, time) per quantity, and ∂s/∂input itself; time is that
    of the unrolled steps, the last ones."""
    targets = batch.targets[target_rows(batch.read, steps)]
    x, read = embedded(model, batch.inputs), answered(batch.read, steps)
    start = max(0, int(steps.min()) + 1 - FOLLOWED)
    state = model.carried(x[:, :start]) if start else None
    if state is None:
        x.requires_grad_()
        features, series = model.unrolled(x, read)
    else:
        x = x[:, start:].clone().requires_grad_()
        features, series = model.unrolled_from(state, x, read[:, start:])
    outputs = model.head(features)
    total = model.spec.objective.answer(outputs, _as_double(targets)).sum()
    wanted = {"input": [x]} | {name: _listed(tensors) for name, tensors in series.items()}
    leaves = [tensor for tensors in wanted.values() for tensor in tensors]
    # An answer that depends on nothing (a control that has lost sight of it) has no graph: its gradient is zero.
    reached = torch.autograd.grad(total, leaves, allow_unused=True) if total.requires_grad else [None] * len(leaves)
    found = iter(reached)
    norms, input_gradient = {}, torch.zeros_like(x)
    for name, tensors in wanted.items():
        gradients = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(tensors, found, strict=False)]
        if name == "input":
            input_gradient = gradients[0]
        norms[name] = _norms(gradients)
    return outputs.detach(), targets, norms, input_gradient


def _listed(tensors: Sequence[Tensor] | Tensor) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _norms(gradients: list[Tensor]) -> Tensor:
    """(batch, time): from one tensor (batch, time, size) or from one (batch, size) per step."""
    values = gradients[0] if gradients[0].dim() == 3 else torch.stack(gradients, dim=1)
    # Of 1e±180 the square, which a norm is made of, is no longer a float64: take the largest number out first.
    largest = values.abs().amax(-1, keepdim=True)
    scale = torch.where((largest > 0) & largest.isfinite(), largest, 1.0)
    return torch.linalg.vector_norm(values / scale, dim=-1) * scale.squeeze(-1)


def embedded(model: SequenceModel, inputs: Tensor) -> Tensor:
    """Inputs as the model's vectors, in float64, cut from the embedding's graph."""
    return model.embedding(_as_double(inputs)).detach()


def _as_double(values: Tensor) -> Tensor:
    return values.double() if values.is_floating_point() else values


def answered(read: Tensor, steps: Tensor) -> Tensor:
    """A mask (batch, time) that reads each sequence at its answered step only."""
    return torch.zeros_like(read).scatter(1, steps[:, None], True)


def target_rows(read: Tensor, steps: Tensor) -> Tensor:
    """Which row of a batch's targets belongs to each sequence's answered step."""
    order = read.flatten().cumsum(0).view_as(read) - 1
    return order.gather(1, steps[:, None]).squeeze(1)


def _loss_weight(objective: Objective, outputs: Tensor, targets: Tensor) -> float | None:
    """Mean |w| in ∂ℓ = w ∂s, from the two gradients with respect to the outputs."""
    outputs = outputs.detach().requires_grad_()
    (of_answer,) = torch.autograd.grad(objective.answer(outputs, _as_double(targets)).sum(), outputs)
    (of_loss,) = torch.autograd.grad(objective.loss(outputs, _as_double(targets)) * len(outputs), outputs)
    weights = (of_loss * of_answer).sum(-1) / of_answer.square().sum(-1)
    return _finite(float(weights.abs().mean()))


# -- profiles ---------------------------------------------------------------------------------------------------------


def by_distance(series: Tensor, steps: Tensor) -> Tensor:
    """Values (batch, time) reordered by distance back from each sequence's answered step: (batch, K + 1), NaN beyond a
    sequence's start."""
    back = steps[:, None] - torch.arange(int(steps.max()) + 1, device=steps.device)
    values = series.gather(1, back.clamp(min=0))
    return torch.where(back >= 0, values, torch.nan)


def credited_distances(credit: Tensor | None, steps: Tensor) -> list[int]:
    """Distances at which some sequence has true credit, where they are few enough to be landmarks."""
    if credit is None:
        return []
    rows, times = credit.nonzero(as_tuple=True)
    found = sorted({int(distance) for distance in steps[rows] - times if distance >= 0})
    return found if len(found) <= FEW_CREDITED else []


def _credit_profile(credit: Tensor | None, steps: Tensor, kept: list[int]) -> list[float]:
    """True credit at the kept distances, mean over the sequences that reach so far back, the largest value 1."""
    if credit is None:
        return []
    mean = torch.nanmean(by_distance(credit.double(), steps), dim=0)
    return [float(value) for value in (mean / mean.max())[kept]] if mean.max() > 0 else []


def spread(longest: int, most: int, landmarks: Sequence[int]) -> list[int]:
    """At most `most` distances, evenly spaced over 0 … longest, with 0, 1, the longest and the landmarks among them."""
    always = {0, min(1, longest), longest, *landmarks}
    if longest < most:
        return list(range(longest + 1))
    even = {round(i * longest / (most - len(always) - 1)) for i in range(most - len(always))}
    return sorted(always | even)


def _profile(series: Tensor, steps: Tensor, kept: list[int], summarised: list[int], reach: int) -> Profile:
    """series (batch, time): one quantity's gradient norms."""
    seen = series[torch.arange(series.size(1)) <= steps[:, None]]
    nonfinite = int((~seen.isfinite()).sum())
    values = by_distance(series, steps)
    medians = torch.nanquantile(values, 0.5, dim=0)
    rate = theil_sen(summarised, medians[summarised])
    return Profile(
        log10_median=_log10(medians[kept]),
        log10_mean=_log10(torch.nanmean(values, dim=0)[kept]),
        zeros=int((seen == 0).sum()),
        nonfinite=nonfinite,
        ratio=_ratio(medians),
        rate=rate,
        half_life=half_life(rate, len(medians) - 1),
        verdict=verdict(rate, reach, medians[summarised], nonfinite),
    )


def theil_sen(distances: Sequence[int], values: Tensor) -> float | None:
    """Median slope of log10 values against distance over all pairs of distances ≥ 1 with positive finite values."""
    k = torch.tensor(distances, dtype=torch.float64)
    usable = (k >= 1) & values.isfinite() & (values > 0)
    k, y = k[usable], values[usable].log10()
    if len(k) < 2:
        return None
    first, second = torch.triu_indices(len(k), len(k), offset=1)
    slopes = (y[second] - y[first]) / (k[second] - k[first])
    return float(torch.quantile(slopes, 0.5)) if len(slopes) < 2**23 else float(slopes.median())


def half_life(rate: float | None, longest: int) -> float | None:
    """Steps over which the gradient halves; None where it doesn't fall, or by too little to be told."""
    if rate is None or rate >= 0:
        return None
    steps = math.log10(2) / -rate
    return steps if steps <= 10 * longest else None


def verdict(rate: float | None, reach: int, values: Tensor, nonfinite: int) -> str:
    """The fall or rise over the task's longest dependency, in one word. values: g at the summarised distances."""
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
    return _finite(float(medians[-1] / medians[1]))


def _log10(values: Tensor) -> list[float | None]:
    logs = values.log10()
    return [float(value) if math.isfinite(value) else None for value in logs.tolist()]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


# -- credit -----------------------------------------------------------------------------------------------------------


def _alignment(model: SequenceModel, task: Task, batch: Batch, steps: Tensor, input_gradient: Tensor) -> float | None:
    """Overlap of the answer's sensitivity with the task's true credit, mean over the batch."""
    credit = task.credit(batch)
    if credit is None:
        return None
    if isinstance(task.spec.inputs, Features):
        sensitivity = input_gradient[..., task.spec.inputs.value].abs()
    else:
        replaced = task.counterfactuals(batch)
        if replaced is None:
            return None
        sensitivity = _replacement(model, batch, steps, replaced)
    return _finite(overlap(sensitivity, credit))


def _replacement(model: SequenceModel, batch: Batch, steps: Tensor, replaced: Sequence[Replacement]) -> Tensor:
    """|Δs| (batch, time) when the token at each candidate position is replaced by another legal one."""
    read = answered(batch.read, steps)
    targets = batch.targets[target_rows(batch.read, steps)]
    changes = torch.zeros(batch.read.shape, dtype=torch.float64)
    with torch.no_grad():
        before = model.spec.objective.answer(model(batch.inputs, read), targets)
        for some in _together(replaced, batch.read.numel()):
            answers = model(torch.cat([inputs for _, inputs in some]), torch.cat([read] * len(some)))
            after = model.spec.objective.answer(answers, torch.cat([targets] * len(some)))
            for (positions, _), own in zip(some, after.split(len(before)), strict=True):
                change = (own - before).abs()
                change[change <= ROUNDING * (1 + before.abs())] = 0.0  # noise of float64 is no sensitivity
                changes.scatter_(1, positions[:, None], change[:, None])
    return changes


def _together(replaced: Sequence[Replacement], size: int) -> Iterator[Sequence[Replacement]]:
    """As many at a time as have `TOGETHER` positions, of which each has `size`: few sequences keep a core waiting."""
    count = max(1, TOGETHER // size)
    for first in range(0, len(replaced), count):
        yield replaced[first : first + count]


def overlap(sensitivity: Tensor, credit: Tensor) -> float:
    """Mean over the batch of Σ_t min(p_t, q_t), p ∝ sensitivity², q ∝ credit² (batch, time): 1 where they agree, 0
    where they never meet, or where the answer is sensitive to nothing. Sequences without credit don't count; NaN where
    none has any, or a sensitivity is not finite."""
    credited = credit.any(1)
    p, q = (_shares(values[credited].double()) for values in (sensitivity, credit))
    return float(torch.minimum(p, q).sum(1).mean())


def _shares(values: Tensor) -> Tensor:
    """Squares as fractions of their row's sum; a row of zeros stays one."""
    relative = values / values.amax(1, keepdim=True)  # so that the squares neither overflow nor vanish
    squares = torch.where((values == 0).all(1, keepdim=True), 0.0, relative.square())
    return squares / squares.sum(1, keepdim=True).where(squares.any(1, keepdim=True), 1.0)
