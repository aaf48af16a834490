"""What is recorded of one cell while Lightning trains it: curves, divergence, and when it is solved."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from lightning import Trainer
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from bench.mirror.tracking import Observer
from bench.probes.as_record import rounded
from bench.records.cell import Recipe
from bench.records.result import Curves
from bench.records.sampling import ratio_interval
from bench.trial.contract import is_finite
from bench.trial.history import History
from bench.trial.snapshots import Snapshots
from bench.trial.stopwatch import Stopwatch
from models.base import SequenceModel
from tasks.base import Batch, Block, Evaluation, Task


def _unheard(step: int, steps: int) -> None:
    pass


DECIDED = 0.9999  # level of the interval by which an unfinished validation says that a task is not solved
FEWEST = 64  # units that such a validation has seen


class Recorder(Callback):
    """Watches the training of one cell on `task`, and stops it where it diverged or is solved.

    until: the cell is paused after this step, where it has not ended; None: never. report: is told (step, steps) after
    every block of steps. observer: is told of curves and probes. watch: counts the
    cell's seconds, from before its task and model were built.

    Attributes: seen, the curves so far; paused, the validation of the whole set at which the cell was paused;
    snapshots, what the probes measured; said, lines for people, no part of the record.
    """

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        report: Callable[[int, int], None] = _unheard,
        observer: Observer | None = None,
        watch: Stopwatch | None = None,
        until: int | None = None,
    ) -> None:
        self.recipe, self.task, self.until = recipe, task, until
        self.report, self.observer = report, observer
        self.watch = watch or Stopwatch()
        self.seen = History()
        self.snapshots = Snapshots(recipe, task, self.watch, observer)
        self.diverged = False
        self.solved_at: int | None = None
        self.paused: Evaluation | None = None
        self._part: Evaluation | None = None  # what a validation that must see the whole set would have ended with
        self.said: list[str] = []

    def curves(self, parameter_names: list[str]) -> Curves:
        """Return the curves so far, as the record holds them."""
        return self.seen.curves(parameter_names)

    def inspect(self, model: SequenceModel) -> None:
        """Measure gradient flow and Jacobians at the present step: at initialisation, and at the end."""
        self.snapshots.at_an_end(self.seen.steps, model)

    # -- Lightning's hooks --------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Count the seconds of drawing data from now on."""
        self.watch.enter("data")

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Batch | Block, batch_idx: int) -> None:
        """Count a batch, before it is trained on."""
        self.watch.enter("train")
        parts = batch if isinstance(batch, Block) else [batch]
        self.seen.tokens += sum(part.reads.mask.numel() for part in parts)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Batch | Block, batch_idx: int
    ) -> None:
        """Take in the curves of a block of steps; stop where they are not finite."""
        # The one place where a GPU is waited for: after each block of steps, so that the GPU's time counts as training,
        # and the curves are kept even if the GPU fails later.
        outputs = move_data_to_device(outputs, "cpu")
        seen = self.seen
        losses, norms, clipped = outputs["curves"]
        seen.losses += losses.tolist()
        seen.norms += norms.tolist()
        seen.clipped += int(clipped.sum())
        seen.parameter_norms |= {step: norms.tolist() for step, norms in outputs["parameter_norms"].items()}
        seen.steps = trainer.global_step
        if not bool(torch.isfinite(losses).all() & torch.isfinite(norms).all()):
            self._blame_data(batch, losses, seen.steps - len(losses))
            self.diverged = trainer.should_stop = True
        if self.observer is not None:
            seen.tell(self.observer, pl_module.parameter_names(), outputs["first_step"])
        self.report(seen.steps, self.recipe.steps)
        if not self.diverged:
            self.snapshots.on_the_way(seen.steps, pl_module)
        self.watch.enter("data")

    def _blame_data(self, batch: Batch | Block, losses: Tensor, first: int) -> None:
        """Tell data that are not finite from a model that diverged.

        Raises:
            InvalidError: the first batch whose loss is not finite is itself not.
        """
        parts = batch if isinstance(batch, Block) else [batch]
        for number in (~losses.isfinite()).nonzero()[:1].flatten().tolist():
            is_finite(self.task, parts[number], f"training batch {first + number}")

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Count the seconds of evaluation from now on."""
        self.watch.enter("evaluation")

    def on_validation_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Batch, *_: Any) -> None:
        """End a validation as soon as it says that the task is not solved. One that solves it, and the last one, whose
        score chooses rates, see the whole set."""
        if self.seen.steps == self.recipe.steps or self._part or not _not_solved(self.task, pl_module.evaluated()):
            return
        if self.seen.steps == self.until:
            self._part = pl_module.evaluated()
        else:
            self.task.decided = True

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Take in a validation's score; stop where it is not finite, or where the last two solve the task."""
        self.task.decided = False
        evaluation, self._part = self._part or pl_module.evaluation, None
        score = evaluation.score
        self.seen.validation.append((self.seen.steps, score))
        self.seen.validation_n.append(evaluation.n)
        if self.observer is not None:
            self.observer.validated(self.seen.steps, rounded(score))
        if not math.isfinite(score):
            self.diverged = trainer.should_stop = True
        validation = self.seen.validation
        passed = [self.task.solved(score) for _, score in validation]
        twice = (step for (step, _), *both in zip(validation, passed, passed[1:], strict=False) if all(both))
        self.solved_at = next(twice, None)
        if self.solved_at is not None and self.recipe.stop == "solved":
            trainer.should_stop = True
        elif self.seen.steps == self.until and not self.diverged:
            self.paused = pl_module.evaluation
            trainer.should_stop = True
        self.watch.enter("data")

    # -- across processes ---------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return all that was seen so far as plain containers, for a checkpoint."""
        return {
            "seen": vars(self.seen),
            "watch": self.watch.state(),
            "snapshots": self.snapshots.state(),
            "paused": self.paused is not None,
        }

    def restore(self, state: dict[str, Any], model: SequenceModel) -> None:
        """Go on from a state; the observer is told again what the state holds."""
        self.seen = History(**state["seen"])
        self.watch.restore(state["watch"])
        if self.observer is not None:
            self.seen.tell(self.observer, model.parameter_names())
            for step, score in self.seen.validation:
                self.observer.validated(step, rounded(score))
        self.snapshots.restore(state["snapshots"])


def _not_solved(task: Task, evaluation: Evaluation) -> bool:
    """Return whether no score within the interval of a part of the validation set solves the task."""
    if task.solved_threshold is None or evaluation.n < FEWEST:
        return False
    interval = ratio_interval(evaluation.blocks, DECIDED)
    return interval is not None and not any(map(task.solved, interval))
