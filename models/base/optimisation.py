"""The learning rate's schedule."""

from __future__ import annotations

WARM_UP = 0.1


DECAY = 0.5


def schedule(step: int, steps: int) -> float:
    """Fraction of the peak learning rate at `step` of `steps`: linear warm-up over the first tenth, constant, then
    linear to 0 over the second half. Constant 1 when the number of steps is open (`steps` ≤ 0)."""
    if steps <= 0:
        return 1.0
    rise = (step + 1) / max(1.0, WARM_UP * steps)
    fall = (steps - step) / max(1.0, DECAY * steps)
    return min(1.0, rise, fall)
