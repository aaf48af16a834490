"""A sweep made by hand with all that a page can show: 300 cells, four seeds a group, some failed or diverged."""

from __future__ import annotations

import math

from bench.records.result import Curves, GradientFlow, GradientProfile, Result
from tests.support.results import METRICS, make_result

MODELS = ("rnn", "gru", "lstm", "attention", "transformer")
LENGTHS = (10, 100, 1000)
SOLVABLE = {"copying", "adding", "running_average"}


def make_profile(distances: tuple[int, ...], slope: float, wobble: float) -> GradientProfile:
    """A gradient that changes by `slope` powers of ten per position; beyond 1e-300 it is exactly 0."""
    values = [slope * k + wobble * math.sin(k / 7) for k in distances]
    logs = tuple(round(value, 4) if value > -300 else None for value in values)
    verdict = "vanishing" if slope * distances[-1] < -6 else "exploding" if slope * distances[-1] > 3 else "healthy"
    return GradientProfile(
        log10_median=logs,
        log10_mean=logs,
        zeros=sum(value is None for value in logs),
        nonfinite=0,
        ratio=10 ** max(-300.0, min(300.0, slope * (distances[-1] - 1))),
        rate=slope,
        half_life=None if slope >= 0 else math.log10(2) / -slope,
        verdict=verdict,
    )


def make_flow(
    length: int, steps: tuple[int, ...], slope: float, quantities: tuple[str, ...]
) -> tuple[GradientFlow, ...]:
    """Snapshots whose slopes flatten through training; up to 128 distances, true credit at half the length."""
    distances = tuple(sorted({round(i * length / 127) for i in range(128)} | {0, 1, length}))
    credit = tuple(1.0 if k == distances[len(distances) // 2] else 0.0 for k in distances)
    return tuple(
        GradientFlow(
            step=step,
            distances=distances,
            profiles={
                name: make_profile(distances, slope / (1 + place) * (1 + 0.1 * number), 0.2)
                for number, name in enumerate(quantities)
            },
            loss_weight=0.5,
            credit_alignment=0.1 * place,
            reach=length,
            credit=credit,
        )
        for place, step in enumerate(steps)
    )


def make_curves(steps: int, start: float, end: float) -> Curves:
    """A loss that decays from start to end, with every step's gradient norm."""
    losses = tuple(round(end + (start - end) * math.exp(-4 * i / steps), 6) for i in range(steps))
    norms = tuple(round(0.5 + 0.4 * math.sin(i / 3) + 3 / (1 + i), 6) for i in range(steps))
    validation = tuple((i, losses[i]) for i in range(0, steps, 50))
    return Curves(validation=validation, train_loss=losses, gradient_norm=norms, clipped=3)


def make_full(task: str, model: str, length: int, seed: int) -> Result:
    """One cell of the sweep: models late in MODELS do better, long sequences are harder, seeds differ a little."""
    chance, best = METRICS[task][3:5]
    place, far = MODELS.index(model), LENGTHS.index(length)
    quality = max(0.0, min(1.0, 0.25 * place + 0.35 - 0.3 * far + 0.04 * seed))
    score = chance + (best - chance) * quality
    solved = 400 + 100 * place + 10 * seed + 300 * far if task in SOLVABLE and quality > 0.9 else None
    failed = {(0, 2, 3): "out_of_memory", (1, 2, 2): "diverged", (2, 2, 1): "error"}.get((place, far, seed))
    status = failed if failed and task == "adding" else "ok"
    lost = status not in ("ok", "diverged")
    error = "RuntimeError: out of memory\n  tried to allocate 3 GiB\n  in step 17" if lost else None
    result = make_result(
        task, model, length, seed, score=score, solved_at=solved, status=status, error=error,
        seconds=3.0 + place + 9 * far, steps=(1000, 600, 300)[far],
    )  # fmt: skip
    if lost:
        return result
    steps = result.steps
    quantities = {"lstm": ("input", "hidden", "cell")}.get(model, ("input", "hidden" if place < 2 else "residual.0"))
    update = {
        "curves": make_curves(steps, chance + 0.01, score),
        "gradient_flow": make_flow(
            length, (0, 20, 50, 120, 250, steps), (-0.3, -0.05, -0.01, 0.001, 0.02)[place], quantities
        ),
        "steps_per_second": 1000.0 / (1 + place + 9 * far),
        "peak_memory_mb": 120.0 + 40 * place * (far + 1),
        "memory_horizon": quality * length if task == "running_average" and status == "ok" else None,
        "sample": f"To be, or not to be: {model} {seed}\n" * 8 if task == "char_lm" else None,
        "context_use": tuple((c, score + 1 / c) for c in (1, 2, 5, 10, 50, 100) if c <= length)
        if task in ("char_lm", "ner")
        else (),
    }
    return result.model_copy(update=update)


def make_full_results(seeds: int = 4) -> list[Result]:
    """5 tasks × 5 models × 3 lengths × seeds: 300 cells at four seeds."""
    return [
        make_full(task, model, length, seed)
        for task in METRICS
        for model in MODELS
        for length in LENGTHS
        for seed in range(seeds)
    ]
