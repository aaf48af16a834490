"""What was measured inside a model, as parts of the record."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from bench.probes.flow import Flow
from bench.probes.jacobians import Jacobians
from bench.records.result import GradientFlow, GradientProfile, Jacobian, Picture
from models.base import SequenceModel
from tasks.base import Batch, Reads

UNITS = 8  # gates are shown of the first units
QUERIES = 10  # attention is shown of the last answered steps
STEPS = 128  # of a sequence, at most
EVEN = 0.1  # the largest weight from which whole percent are fine enough
WEIGHTS = 2**24  # of a head, at most


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
    stride = -(-first.steps // STEPS)
    steps = tuple(range(0, first.steps, stride))
    return tuple(
        Picture(name=each, steps=steps, rows=in_parts(100, rows), finer=_finer(rows) if values.dim() == 4 else ())
        for name, values in inside(model, first).items()
        for each, rows in _rows(name, values[0], stride)
    )


def inside(model: SequenceModel, batch: Batch) -> Mapping[str, Tensor]:
    """Return a model's gates (batch, time, units) and attention (batch, heads, queries, time) on a batch, by name.

    Of very long sequences, only the last answered steps are asked for, so that the weights fit into memory.
    """
    reads, span = batch.reads, batch.reads.span
    if (span.stop - span.start) * batch.steps > WEIGHTS:
        mask = torch.zeros_like(reads.mask)
        mask[:, span.stop - QUERIES : span.stop] = True
        reads = Reads(mask).to(batch.inputs.device)
    with torch.no_grad():
        return model.pictures(model.embedding(batch.inputs), reads)


def _rows(name: str, values: Tensor, stride: int) -> list[tuple[str, Tensor]]:
    """Return rows over steps by picture, of one sequence's gate (time, units) or attention (heads, queries, time)."""
    if values.dim() == 2:
        return [(name, values[::stride, :UNITS].T)]
    # The strongest weight of each stretch of steps: a lone spike must not fall between two shown steps.
    strongest = torch.nn.functional.max_pool1d(values[:, -QUERIES:], stride, ceil_mode=True)
    return named(name, strongest)


def named(name: str, heads: Tensor) -> list[tuple[str, Tensor]]:
    """Name the weights of each head (queries, time): `attention`, or `attention.0`, … where there are several."""
    names = [name] if len(heads) == 1 else [f"{name}.{head}" for head in range(len(heads))]
    return list(zip(names, heads, strict=True))


def in_parts(parts: int, values: Tensor) -> tuple[tuple[int, ...], ...]:
    """Return rows of shares as whole numbers, 1 as `parts`."""
    return tuple(tuple(row) for row in (parts * values).round().int().tolist())


def _finer(weights: Tensor) -> tuple[tuple[int, ...], ...]:
    """Weights in ten-thousandths where they are so even that whole percent show nothing; else nothing."""
    return in_parts(10_000, weights) if float(weights.max()) < EVEN else ()


def _thousandths(logs: list[float | None]) -> tuple[float | None, ...]:
    return tuple(None if value is None else round(value, 3) for value in logs)


def rounded(value: float) -> float | None:
    """Return five significant digits, which are more than a curve can show; None where not finite."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
