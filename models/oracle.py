"""The oracle, a control: the task's exact solution in a model's place."""

from __future__ import annotations

from typing import Any

from models.parts.control import Control
from tasks.base import Spec


class Oracle(Control):
    """Answers by the task's exact solution, from all that has been read.

    y_t = predict(x_1 … x_t)

    Nothing is trained. Skill 1, the whole memory horizon and credit alignment 1 are known beforehand, so a diagnostic
    that says otherwise of this row is wrong. Features at the read positions are the answers themselves.

    Raises:
        NotImplementedError: the task has no exact solution (real text).
    """

    version = 1

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, window=None, **common)
