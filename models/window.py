"""The window, a control: the best predictor that sees the last k steps only."""

from __future__ import annotations

from typing import Any

from models.parts.control import Control
from tasks.base import Spec


class Window(Control):
    """Answers by the task's exact solution, from the last `k` steps: the best that a memory of k steps can do.

    y_t = predict(x_{t−k+1} … x_t)

    Nothing is trained. On adding its skill is k/T; on running_average its memory horizon is k; on copying it recalls
    everything from k = T+11 on and nothing below. Its gradient is zero beyond distance k−1. Features at the read
    positions are the answers themselves.

    k: how many steps are seen, the present one included.

    Raises:
        ValueError: k below 1.
        NotImplementedError: the task has no exact solution (real text).
    """

    version = 1

    def __init__(self, spec: Spec, *, k: int = 10, **common: Any) -> None:
        if k < 1:
            raise ValueError(f"option k: expected at least 1, got {k}")
        super().__init__(spec, window=k, **common)
