"""The oracle, a control: the task's exact solution in the place of a model."""

from __future__ import annotations

from typing import Any

from models.parts.control import Control
from tasks.base import Spec


class Oracle(Control):
    """Answers by the task's exact solution, from all that has been read.

    y_t = predict(x_1 … x_t)

    Nothing is trained. Its skill of 1, its full memory horizon and its credit alignment of 1 are known beforehand, so a
    diagnostic that reports otherwise is wrong. Features at the read positions are the answers themselves.

    Raises:
        NotImplementedError: the task has no exact solution (real text).
    """

    version = 1

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, window=None, **common)
