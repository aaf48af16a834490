"""What was measured inside a model, as parts of the record."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench.probes.flow import Flow
from bench.probes.jacobians import Jacobians
from bench.records.result import GradientFlow, GradientProfile, Jacobian, Picture
from models.base import SequenceModel
from tasks.base import Batch

UNITS = 8  # gates are shown of the first units
QUERIES = 10  # attention is shown of the last answered steps
STEPS = 128  # of a sequence, at most


def flow_record(step: int, flow: Flow) -> GradientFlow:
    """Return gradient flow at training step `step`; powers of ten have three decimals, a quarter of a percent."""
    profiles = {
        name: GradientProfile(
            log10_median=_thousandths(profile.log10_median),
            log10_mean=_thousandths(profile.log10_mean),
            zeros=profile.zeros,
            nonfinite=profile.nonfinite,
            ratio=profile.ratio,
            rate=profile.rate,
            half_life=profile.half_life,
            verdict=profile.verdict,
        )
        for name, profile in flow.profiles.items()
    }
    return GradientFlow(
        step=step,
        distances=tuple(flow.distances),
        profiles=profiles,
        loss_weight=flow.loss_weight,
        credit_alignment=flow.credit_alignment,
        reach=flow.reach,
        credit=tuple(float(f"{value:.4g}") for value in flow.credit),
    )


def jacobian_record(step: int, found: Jacobians) -> Jacobian:
    """Return Jacobians at training step `step`."""
    return Jacobian(
        step=step,
        steps=tuple(found.steps),
        lowest=tuple(map(rounded, found.lowest)),
        median=tuple(map(rounded, found.median)),
        highest=tuple(map(rounded, found.highest)),
        lyapunov=tuple(map(rounded, found.lyapunov)),
        lyapunov_error=tuple(map(rounded, found.error)),
    )


def pictures(model: SequenceModel, batch: Batch) -> tuple[Picture, ...]:
    """Return gate activations and attention weights on the batch's first sequence; empty where the model has none."""
    first = batch.select(slice(1))
    with torch.no_grad():
        shown = model.pictures(model.embedding(first.inputs), first.reads)
    stride = -(-first.steps // STEPS)
    steps = tuple(range(0, first.steps, stride))
    return tuple(
        Picture(name=each, steps=steps, rows=_percent(rows))
        for name, values in shown.items()
        for each, rows in _rows(name, values[0], stride)
    )


def _rows(name: str, values: Tensor, stride: int) -> list[tuple[str, Tensor]]:
    """Return rows over steps by picture, of one sequence's gate (time, units) or attention (heads, queries, time)."""
    if values.dim() == 2:
        return [(name, values[::stride, :UNITS].T)]
    # The strongest weight of each stretch of steps: a lone spike must not fall between two shown steps.
    strongest = torch.nn.functional.max_pool1d(values[:, -QUERIES:], stride, ceil_mode=True)
    names = [name] if len(values) == 1 else [f"{name}.{head}" for head in range(len(values))]
    return list(zip(names, strongest, strict=True))


def _percent(values: Tensor) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in (100 * values).round().int().tolist())


def _thousandths(logs: list[float | None]) -> tuple[float | None, ...]:
    return tuple(None if value is None else round(value, 3) for value in logs)


def rounded(value: float) -> float | None:
    """Return five significant digits, which are more than a curve can show; None where not finite."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
