"""What a unit of score says beside its name: the values a score can have, and what counts as equal."""

from __future__ import annotations

import math

ANY = (-math.inf, math.inf)
SHARE, POSITIVE = (0.0, 1.0), (0.0, math.inf)
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("fraction correct", "fraction", "share", "accuracy", "F1", "precision", "recall"), SHARE),
    **dict.fromkeys(("%", "percent"), (0.0, 100.0)),
    **dict.fromkeys(("squared value", "fraction of variance", "bits", "nats", "errors per symbol"), POSITIVE),
}
# Scores this near are equal for the effective context: .01 nats, .01 F1, .01 of the tokens.
TOLERANCES = {"bits": 0.014427, "nats": 0.01, "F1": 0.01, "fraction correct": 0.01}


def bounds(unit: str, best: float, higher_is_better: bool) -> tuple[float, float]:
    """Find the least and the largest score in a unit; infinite where the unit sets no bound.

    A unit that is not known here is bounded by a best score of exactly 1 (from above) or 0 (from below) alone: any
    other may be a reference score, which can be beaten.
    """
    if unit in RANGES:
        return RANGES[unit]
    if higher_is_better:
        return (-math.inf, 1.0) if best == 1 else ANY
    return POSITIVE if best == 0 else ANY
