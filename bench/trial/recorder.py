"""What is seen of one cell while Lightning trains it: curves, time by part, divergence, and when it is solved."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import torch
from lightning import Trainer
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.callbacks import Callback

from bench.mirror.tracking import Observer
from bench.probes import flow as gradients
from bench.probes import jacobians
from bench.probes.as_record import flow_record, jacobian_record, pictures, rounded
from bench.records.cell import Recipe
from bench.records.result import Curves, GradientFlow, Jacobian, Picture, Score, Seconds
from models.base import SequenceModel
from tasks.base import Batch, Block, Task


class Recorder(Callback):
    """Watches one cell: curves, time by part, divergence, and the early stop of a solved cell. observer: is told."""

    def __init__(self, recipe: Recipe, report: Callable[[int, int], None], observer: Observer | None = None) -> None:
        self.recipe = recipe
        self.report = report
        self.observer = observer
        self.task: Task | None = None
        self.started = datetime.now(UTC)
        self.steps = 0
        self.tokens = 0
        self.diverged = False
        self.solved_at: int | None = None
        self.validation: list[tuple[int, float]] = []
        self.flows: list[GradientFlow] = []
        self.jacobians: list[Jacobian] = []
        self.notes: list[str] = []
        self.said: list[str] = []  # lines for people, no part of the record
        self._probed: Batch | None = None
        self._losses: list[torch.Tensor] = []
        self._norms: list[torch.Tensor] = []
        self._parameter_norms: dict[int, torch.Tensor] = {}
        self._spent = dict.fromkeys(("start_up", "data", "train", "evaluation", "probe", "jacobian"), 0.0)
        self._part = "start_up"
        self._begun = self._since = time.perf_counter()

    # -- time, by part ------------------------------------------------------------------------------------------------

    def enter(self, part: str) -> None:
        """From now on, time belongs to `part`."""
        now = time.perf_counter()
        self._spent[self._part] += now - self._since
        self._part, self._since = part, now

    def seconds(self) -> Seconds:
        """Seconds so far, in all and by part."""
        self.enter(self._part)
        parts = {part: round(spent, 4) for part, spent in self._spent.items()}
        return Seconds(total=round(self._since - self._begun, 4), **parts)

    @property
    def steps_per_second(self) -> float | None:
        """Optimisation steps per second of training alone: no evaluation, no probes, no drawing of data."""
        return round(self.steps / self._spent["train"], 3) if self.steps else None

    # -- gradient flow ------------------------------------------------------------------------------------------------

    def inspect(self, model: SequenceModel) -> None:
        """Gradient flow and Jacobians at the present step: at initialisation, and at the end."""
        if self.recipe.probes:
            self._probe(model)
            self._differentiate(model)

    def _probe(self, model: SequenceModel) -> None:
        if self.flows and self.flows[-1].step == self.steps:
            return
        assert self.task is not None
        before = self._part
        self.enter("probe")
        if self._probed is None:
            self._probed = self.task.probe_batch(gradients.SEQUENCES)
        flow = gradients.measure(model, self.task, self._probed)
        self.flows.append(flow_record(self.steps, flow))
        if flow.start and not self.notes:
            self.notes.append(
                f"gradient flow was followed back {flow.distances[-1]} steps from the answer, not to the first step "
                f"(and Jacobians along the last {jacobians.ALONG} steps); verdicts extend its rate over the whole reach"
            )
        if self.observer is not None:
            self.observer.probed(self.flows[-1])
        self.enter(before)

    def _differentiate(self, model: SequenceModel) -> None:
        if self.jacobians and self.jacobians[-1].step == self.steps:
            return
        assert self._probed is not None
        before = self._part
        self.enter("jacobian")
        found = jacobians.measure(model, self._probed)
        if found is not None:
            self.jacobians.append(jacobian_record(self.steps, found))
        self.enter(before)

    def pictures(self, model: SequenceModel) -> tuple[Picture, ...]:
        """Gates and attention on the first probed sequence."""
        if self._probed is None:
            return ()
        self.enter("probe")
        found = pictures(model, self._probed)
        self.enter("start_up")
        return found

    # -- Lightning's hooks --------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        self.enter("data")
        assert self.task is not None
        self._schedule = probe_steps(self.recipe.steps, self.recipe.probes, self.task.block)

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Batch | Block, batch_idx: int) -> None:
        self.enter("train")
        parts = batch if isinstance(batch, Block) else [batch]
        self.tokens += sum(part.reads.mask.numel() for part in parts)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Batch | Block, batch_idx: int
    ) -> None:
        # The one place where a GPU is waited for: after each block of steps, so that its time counts as training, and
        # what was seen survives whatever becomes of the GPU.
        outputs = move_data_to_device(outputs, "cpu")
        self._losses.append(outputs["losses"])
        self._norms.append(outputs["gradient_norms"])
        self._parameter_norms |= outputs["parameter_norms"]
        self.steps = trainer.global_step
        if not bool(torch.isfinite(outputs["losses"]).all() & torch.isfinite(outputs["gradient_norms"]).all()):
            self.diverged = trainer.should_stop = True
        if self.observer is not None:
            self._tell(self.observer, pl_module, outputs)
        self.report(self.steps, self.recipe.steps)
        if self.steps in self._schedule and not self.diverged:
            self._probe(pl_module)
        self.enter("data")

    def _tell(self, observer: Observer, model: SequenceModel, outputs: Any) -> None:
        names = model.parameter_names()
        observer.trained(
            outputs["first_step"],
            _listed(outputs["losses"]),
            _listed(outputs["gradient_norms"]),
            {step: dict(zip(names, _listed(norms), strict=True)) for step, norms in outputs["parameter_norms"].items()},
        )

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        self.enter("evaluation")

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        assert self.task is not None
        score = pl_module.evaluation.score
        self.validation.append((self.steps, score))
        if self.observer is not None:
            self.observer.validated(self.steps, rounded(score))
        if not math.isfinite(score):
            self.diverged = trainer.should_stop = True
        last = self.validation[-2:]
        if len(last) == 2 and all(self.task.solved(score) for _, score in last):
            self.solved_at = last[0][0]
            trainer.should_stop = True
        self.enter("data")

    # -- across processes ---------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that was seen so far, as tensors and plain containers."""
        self.enter(self._part)
        return {
            "started": self.started.isoformat(),
            "steps": self.steps,
            "tokens": self.tokens,
            "validation": self.validation,
            "flows": [flow.model_dump_json() for flow in self.flows],
            "jacobians": [jacobian.model_dump_json() for jacobian in self.jacobians],
            "notes": self.notes,
            "losses": torch.tensor(_concatenated(self._losses)),
            "norms": torch.tensor(_concatenated(self._norms)),
            "parameter_norms": dict(self._parameter_norms),
            "spent": self._spent,
        }

    def restore(self, state: dict[str, Any], model: SequenceModel) -> None:
        """Go on from a state; the observer hears again what it holds. Time that was lost in between does not count."""
        self.started = datetime.fromisoformat(state["started"])
        self.steps, self.tokens = state["steps"], state["tokens"]
        self.validation = [(step, score) for step, score in state["validation"]]
        self.flows = [GradientFlow.model_validate_json(text) for text in state["flows"]]
        self.jacobians = [Jacobian.model_validate_json(text) for text in state["jacobians"]]
        self.notes = list(state["notes"])
        self._losses, self._norms = [state["losses"]], [state["norms"]]
        self._parameter_norms = dict(state["parameter_norms"])
        for part, spent in state["spent"].items():
            self._spent[part] += spent
            self._begun -= spent
        if self.observer is None:
            return
        outputs = {"first_step": 0, "losses": state["losses"], "gradient_norms": state["norms"]}
        self._tell(self.observer, model, outputs | {"parameter_norms": self._parameter_norms})
        for step, score in self.validation:
            self.observer.validated(step, rounded(score))
        for flow in self.flows:
            self.observer.probed(flow)

    # -- what was seen ------------------------------------------------------------------------------------------------

    @property
    def validated(self) -> int | None:
        """The step of the last validation."""
        return self.validation[-1][0] if self.validation else None

    def curves(self, parameter_names: list[str]) -> Curves:
        """The curves so far; at most about 40 rows of per-parameter norms, so that a record stays small."""
        norms = _concatenated(self._norms)
        every = -(-len(self._parameter_norms) // 40) or 1
        kept = dict(list(self._parameter_norms.items())[::every])
        columns = torch.stack(list(kept.values())).T.tolist() if kept and parameter_names else []
        limit = math.inf if self.recipe.clip is None else self.recipe.clip
        return Curves(
            validation=tuple((step, rounded(score)) for step, score in self.validation),
            train_loss=tuple(map(rounded, _concatenated(self._losses))),
            gradient_norm=tuple(map(rounded, norms)),
            clipped=sum(norm > limit for norm in norms),
            parameter_steps=tuple(kept) if columns else (),
            parameter_norms={
                name: tuple(map(rounded, column)) for name, column in zip(parameter_names, columns, strict=False)
            },
        )

    def score(self, model: SequenceModel) -> Score:
        """The test score, after `Trainer.test` left its evaluation on the model."""
        assert self.task is not None
        assert model.evaluation is not None
        task, objective, evaluation = self.task, self.task.spec.objective, model.evaluation
        return Score(
            score=evaluation.score,
            metric=objective.metric_name,
            unit=objective.unit,
            higher_is_better=objective.higher_is_better,
            chance=task.chance,
            best=task.best,
            solved_threshold=task.solved_threshold,
            validation_score=self.validation[-1][1],
            test_n=evaluation.n,
            counted=objective.counted,
            blocks=evaluation.blocks,
            floors=task.floors,
            extras=evaluation.extras,
        )


def probe_steps(steps: int, probes: int, block: int) -> frozenset[int]:
    """When gradient flow is measured between initialisation and end: `probes` − 2 steps, evenly spaced on a log scale
    from one block to the last, at ends of blocks."""
    between = max(0, probes - 2)
    if steps <= block:
        return frozenset()
    spaced = (block * (steps / block) ** (i / between) for i in range(between))
    return frozenset(round(step / block) * block for step in spaced)


def _listed(values: torch.Tensor) -> list[float | None]:
    return [rounded(value) for value in values.tolist()]


def _concatenated(parts: list[torch.Tensor]) -> list[float]:
    return [float(value) for part in parts for value in part.tolist()]
