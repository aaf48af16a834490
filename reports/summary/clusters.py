"""Whether the seeds of a group fall into two clusters, so that a mean would describe none of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from bench.records.result import LEARNING, Score

LEAST = 3  # values of which something can be told
APART = 2.0  # how many times the spread within a cluster the gap must be


def apart(scores: Sequence[Score]) -> bool:
    """Tell whether the largest gap between neighbouring scores parts them into two clusters.

    The gap is more than twice the spread (largest less least) of either side, a skill of .05 at least, and wider than
    the test set leaves open: the test-sampling intervals beside it do not meet. A single value far from the others is a
    cluster too. Of samples of five normal values 16 in 100 are taken for clusters, of ten fewer than 1 in 100. This
    misleads nobody, because every value of a group with clusters is shown.
    """
    if len(scores) < LEAST:
        return False
    ranked = sorted(scores, key=lambda score: score.score)
    gaps = [above.score - below.score for below, above in itertools.pairwise(ranked)]
    place = gaps.index(max(gaps))
    low, high = ranked[: place + 1], ranked[place + 1 :]
    spread = max(side[-1].score - side[0].score for side in (low, high))
    gap, shared = gaps[place], ranked[0]
    if gap <= APART * spread or gap < LEARNING * abs(shared.best - shared.chance):
        return False
    (_, below), (above, _) = (side.interval or (side.score, side.score) for side in (low[-1], high[0]))
    return below < above
