"""Context use: what a trained model makes of the last c steps, for c = 1, 2, 5, 10, 20, 50 … up to the task's length.

The scored positions are the same at every c, each read from a window of c steps. A window reads up to c/20 neighbouring
positions at its end, because one window per position would cost 1,000 c steps for 1,000 positions: at c = 1,000 a
million, more than the training and evaluation of most cells together. Shared windows cost about 20,000 steps at each c.
Their positions see between .95 c and c steps, a difference much smaller than that from one c to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from tasks.base.batch import Batch
from tasks.base.spec import Objective

SHARE = 20


def contexts(length: int) -> list[int]:
    """Return 1, 2, 5, 10, 20, 50 … below `length`, and `length` itself."""
    rounded = (factor * 10**power for power in range(len(str(length))) for factor in (1, 2, 5))
    return [*(context for context in rounded if context < length), length]


def windows_of(steps: Tensor, number: Tensor, earliest: Tensor, context: int) -> tuple[Tensor, Tensor]:
    """Return windows of `context` steps that read an answer at each of `steps`, in order.

    steps (answers,): where the answers are read; number: their place in a run of consecutive steps (0, 1, 2 …);
    earliest: the first step a window may begin with. A window that would begin before it begins there.

    Result: the windows' first steps (windows,), and where each is read (windows, context).
    """
    opens = number % max(1, context // SHARE) == 0
    closes = torch.cat((opens[1:], opens.new_ones(1)))
    first, last = steps[opens], steps[closes]
    starts = torch.maximum(earliest[opens], last - context + 1)
    places = starts[:, None] + torch.arange(context)
    return starts, (places >= first[:, None]) & (places <= last[:, None])


def scores_by_context(
    model: nn.Module, objective: Objective, length: int, windows: Callable[[int], Iterable[Batch]]
) -> list[tuple[int, float]]:
    """Score a model at each c of `contexts(length)`: (c, score). windows: c -> batches. The model is left as it was."""
    device = next(model.parameters(), torch.zeros(())).device
    training = model.training
    model.eval()
    points = []
    with torch.no_grad():
        for context in contexts(length):
            metric = objective.metric().to(device)
            for batch in windows(context):
                there = batch.to(device)
                metric.update(model(there), there)
            points.append((context, float(metric.compute().score)))
    model.train(training)
    return points
