"""Gradient flow and Jacobians of one cell: when they are measured, and their records so far."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from bench.mirror.tracking import Observer
from bench.probes import as_record, closeup, flow, jacobians
from bench.records.cell import Recipe
from bench.records.result import Closeup, GradientFlow, Jacobian, Picture
from bench.trial.stopwatch import Stopwatch
from models.base import SequenceModel
from tasks.base import Batch, Task


class Snapshots:
    """What the probes measured in one cell: gradient flow at `recipe.probes` training steps, Jacobians at the first and
    the last of them, and so the alignment of ids with the true credit,
    a pass for every replaced token. With no probes, nothing is measured.

    watch: counts the seconds. observer: is told of gradient flow.
    """

    def __init__(self, recipe: Recipe, task: Task, watch: Stopwatch, observer: Observer | None) -> None:
        self.flows: list[GradientFlow] = []
        self.jacobians: list[Jacobian] = []
        self.notes: list[str] = []
        self._replaced_at: int | None = None
        self._wanted = recipe.probes > 0
        self._between = probe_steps(recipe.steps, recipe.probes, task.block)
        self._task, self._watch, self._observer = task, watch, observer

    @cached_property
    def _batch(self) -> Batch:
        return self._task.probe_batch(flow.SEQUENCES)

    def at_an_end(self, step: int, model: SequenceModel) -> None:
        """Measure gradient flow and Jacobians: at initialisation, and at the end of training."""
        if self._wanted:
            self._follow(step, model, replace=True)
            self._differentiate(step, model)

    def on_the_way(self, step: int, model: SequenceModel) -> None:
        """Measure gradient flow, if it is time."""
        if step in self._between:
            self._follow(step, model, replace=False)

    def pictures(self, model: SequenceModel) -> tuple[Picture, ...]:
        """Return gates and attention on the first probed sequence."""
        if not self._wanted:
            return ()
        with self._watch.during("probe"):
            return as_record.pictures(model, self._batch)

    def closeup(self, model: SequenceModel) -> Closeup | None:
        """Return some steps of the same sequence with their symbols."""
        if not self._wanted:
            return None
        with self._watch.during("probe"):
            return closeup.closeup(model, self._task, self._batch)

    def _follow(self, step: int, model: SequenceModel, replace: bool) -> None:
        told = bool(self.flows) and self.flows[-1].step == step
        if told:
            if not replace or self._replaced_at == step or self._task.counterfactuals(self._batch) is None:
                return
            self.flows.pop()  # measured on the way without replaced tokens, and training ended here
        with self._watch.during("probe"):
            measured = flow.measure(model, self._task, self._batch, replace=replace)
            self.flows.append(as_record.flow_record(step, measured))
            self._replaced_at = step if replace else None
            if measured.start:
                self._note(
                    f"gradient flow was followed back {measured.distances[-1]} steps from the answer, not to the first "
                    f"step; verdicts extend its rate over the whole reach"
                )
            if self._observer is not None and not told:
                self._observer.probed(self.flows[-1])

    def _differentiate(self, step: int, model: SequenceModel) -> None:
        if self.jacobians and self.jacobians[-1].step == step:
            return
        with self._watch.during("jacobian"):
            try:
                measured = jacobians.measure(model, self._batch)
            except jacobians.TooLargeError as error:
                self._note(str(error))
                return
            if measured is not None:
                self.jacobians.append(as_record.jacobian_record(step, measured))

    def _note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)

    def state(self) -> dict[str, Any]:
        """Return what was measured so far as plain containers, for a checkpoint."""
        return {
            "flows": [each.model_dump_json() for each in self.flows],
            "jacobians": [each.model_dump_json() for each in self.jacobians],
            "notes": list(self.notes),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; the observer is told again of its gradient flow."""
        self.flows = [GradientFlow.model_validate_json(text) for text in state["flows"]]
        self.jacobians = [Jacobian.model_validate_json(text) for text in state["jacobians"]]
        self.notes = list(state["notes"])
        if self._observer is not None:
            for each in self.flows:
                self._observer.probed(each)


def probe_steps(steps: int, probes: int, block: int) -> frozenset[int]:
    """Return when gradient flow is measured between initialisation and end: `probes` − 2 steps at ends of blocks of
    `block` steps, evenly spaced on a log scale from the first end on."""
    between = max(0, probes - 2)
    if steps <= block:
        return frozenset()
    spaced = (block * (steps / block) ** (i / between) for i in range(between))
    return frozenset(round(step / block) * block for step in spaced)
