"""Results with everything that figures draw, made by hand: gradient flow, curves, Jacobians, pictures."""

from __future__ import annotations

import math

from bench.records.result import Closeup, Curves, GradientFlow, GradientProfile, Jacobian, Picture, Result
from tests.support.results import make_result


def make_profile(logs, *, zeros=0, nonfinite=0, rate=-0.1, verdict="healthy"):
    """A profile with these powers of ten."""
    return GradientProfile(
        log10_median=tuple(logs),
        log10_mean=tuple(logs),
        zeros=zeros,
        nonfinite=nonfinite,
        ratio=0.5,
        rate=rate,
        half_life=3.01,
        verdict=verdict,
    )


def make_flow(step=0, slope=-0.1, longest=20, reach=None, credit=(), **profiles):
    """Gradient flow whose input profile is 10^(slope · k); further profiles by keyword."""
    distances = tuple(range(longest + 1))
    profiles = {"input": make_profile([round(slope * k, 3) for k in distances])} | profiles
    return GradientFlow(
        step=step,
        distances=distances,
        profiles=profiles,
        loss_weight=1.0,
        credit_alignment=0.25,
        reach=reach or longest,
        credit=credit,
    )


def make_closeup(**changes) -> Closeup:
    """Five steps of a sequence, of which some are left out, with a gate of two units and two answers of attention."""
    fields = {
        "steps": (0, 1, 7, 8, 9),
        "symbols": {"input": ("a", "b", "␣", "longer", "<&"), "target": ("·", "·", "·", "a", "b")},
        "answered": (8, 9),
        "gates": {"forget": ((0, 2500, 5000, 7500, 10_000), (10_000, 0, 0, 0, 0))},
        "attention": {"attention.block0.1": ((9900, 100, 0, 0, 0), (1, 9999, 0, 0, 0))},
    }
    return Closeup.model_validate(fields | changes)


def make_measured(*arguments, flows=None, slope=-0.1, clip=1.0, norms=(0.5, 2.0, 0.25, 4.0), **keywords) -> Result:
    """`make_result` with gradient flow at initialisation and end, four steps of gradient norms, and inside views."""
    result = make_result(*arguments, clip=clip, **keywords)
    end = result.steps
    flows = (make_flow(0, slope), make_flow(end, slope / 2)) if flows is None else tuple(flows)
    steps = tuple(range(12))
    jacobians = [
        Jacobian(step=at, steps=(0, 5, 9), lowest=(0.01, 0.02, 0.03), median=(0.5, 0.6, 0.7), highest=(1.0, 1.1, 1.2),
                 lyapunov=(-0.1, -0.5, -2.0))
        for at in (0, end)
    ]  # fmt: skip
    pictures = [Picture(name=name, steps=steps, rows=tuple(tuple((7 * s + r) % 101 for s in steps) for r in range(3)))
                for name in ("input", "forget", "attention")]  # fmt: skip
    limit = math.inf if clip is None else clip
    curves = Curves(
        validation=((50, 0.1),),
        train_loss=norms,
        gradient_norm=norms,
        clipped=sum(norm is not None and norm > limit for norm in norms),
    )
    return result.model_copy(
        update={
            "gradient_flow": flows,
            "jacobians": tuple(jacobians),
            "pictures": tuple(pictures),
            "curves": curves,
            "steps_per_second": 100.0,
            "peak_memory_mb": 400.0,
            "memory_horizon": 7.5,
            "context_use": ((1, 3.0), (10, 2.5)),
        }
    )
