"""What every model shares: embedding, width, head, optimiser step and logging. A model file holds equations.

    x = embed(inputs)                (batch, time, width)
    f = encode(x, reads)             (reads, features): the model's own equations, at the positions that are read
    y = decode(f, batch)             (reads, outputs): the head

A model subclasses `SequenceModel`, names its options as keyword-only arguments with literal defaults, calls
`assemble` with a function that builds its body for a given hidden size, and implements `encode`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, cast, final

import torch
from lightning import LightningModule
from torch import Tensor, nn

from models.base.embedding import Embedding
from models.base.optimisation import Optimisation, Series
from models.base.recurrence import STRETCH, Carried, Recurrence
from models.base.sizing import Budget
from tasks.base import Batch, Block, Evaluation, Feed, Reads, Spec

PARAMETER_NORMS_EVERY = 25

# Methods of an older form, and what a model overrides instead.
REPLACED = {
    "unrolled": "states(x, reads, carried=None)",
    "unrolled_from": "states(x, reads, carried=None)",
    "gates": "pictures(x, reads)",
    "attention_weights": "pictures(x, reads)",
    "carried": "recurrence, a property",
    "truncate": "recurrence, a property",
    "stepper": "recurrence, a property",
}


class SequenceModel(LightningModule, ABC):
    """A sequence model for any task's `Spec`, many-to-one or aligned many-to-many.

    spec: what the task lets a model know. hidden: the width of the body; None: solved so that the body (without
    embedding, head and positions) holds `parameters` numbers. learning_rate: the peak rate; None takes the
    model's documented one. clip: the total gradient norm is scaled down to this; None never clips.

    Class attributes, read by the catalog from the source text (so they are literals):
      version: bumped when the model's numbers may change. documented_learning_rate: the default peak rate.

    Raises:
        ValueError: no hidden size comes near the parameter budget; an option is out of its range.
    """

    version: ClassVar[int] = 1
    documented_learning_rate: ClassVar[float] = 1e-2

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Refuse a class that overrides a method of an older form, because nothing calls it.

        Raises:
            TypeError: the class overrides one.
        """
        super().__init_subclass__(**keywords)
        for name in REPLACED.keys() & vars(cls).keys():
            raise TypeError(
                f"{cls.__name__}.{name} would never be called: a model shows its inside by {REPLACED[name]} now. "
                f"See models.base.SequenceModel."
            )

    def __init__(
        self,
        spec: Spec,
        *,
        hidden: int | None = None,
        parameters: int = 16_000,
        learning_rate: float | None = None,
        clip: float | None = 1.0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # one training_step may take all optimisation steps of a `Block`
        self.spec = spec
        self.learning_rate = self.documented_learning_rate if learning_rate is None else learning_rate
        self.clip = clip
        self.optimisation = Optimisation()
        self.notes: list[str] = []
        self.evaluation: Evaluation | None = None
        self._requested_hidden = hidden
        self._budget = Budget(parameters, type(self).__name__)
        self.embedding = Embedding(spec.inputs)
        self.width = self.embedding.width

    def assemble(self, build: Callable[[int], nn.Module], features: Callable[[Any], int], *, multiple: int = 1) -> None:
        """Build the body at the requested or solved hidden size, and the head that reads it.

        build: hidden size -> body. features: body -> size of what `encode` returns per read position. multiple: the
        hidden size must be a multiple of it.

        Raises:
            ValueError: the requested hidden size is no multiple, or none comes near the parameter budget.
        """
        hidden = self._requested_hidden
        self.check_hidden(multiple)
        if hidden is None:
            hidden, notes = self._budget.nearest(build, "hidden size", multiple)
            self.notes += notes
        self.hidden = hidden
        self.body = build(hidden)
        self.head = self._head(features(self.body))

    @final
    def check_hidden(self, multiple: int) -> None:
        """Refuse a requested hidden size that is no multiple of a number.

        Raises:
            ValueError: it is none.
        """
        hidden = self._requested_hidden
        if hidden is not None and hidden % multiple:
            raise ValueError(
                f"{type(self).__name__} expects a hidden size that is a multiple of {multiple}, got --hidden {hidden}. "
                f"Give --hidden {multiple * math.ceil(hidden / multiple)}, or leave it out."
            )

    def assemble_two(
        self,
        build: Callable[[int, int], nn.Module],
        features: Callable[[Any], int],
        *,
        usual: Callable[[int], int],
        multiple: int = 1,
    ) -> None:
        """Build body and head as `assemble` does, for a body whose second width brings its count near to the budget.

        build: (hidden size, second width) -> body. usual: hidden size -> its usual second width.
        A requested hidden size takes the usual one. Otherwise the hidden size is the largest multiple of `multiple`
        whose body with the usual second width fits the budget, and the second width is solved for that hidden size.
        """
        hidden = self._requested_hidden
        if hidden is None:
            solved, _ = self._budget.around(lambda hidden: build(hidden, usual(hidden)), multiple)
            second, notes = self._budget.nearest(lambda width: build(solved, width), f"second width at hidden {solved}")
            hidden = solved
            self.notes += notes
        else:
            second = usual(hidden)
        self.hidden = hidden
        self.second_width = second
        self.body = build(hidden, second)
        self.head = self._head(features(self.body))

    def _head(self, features: int) -> nn.Linear:
        """The head. Its bias starts at the log frequencies of the classes where a task tells them: otherwise the body
        learns them first, and a tanh saturates in doing so."""
        head = nn.Linear(features, self.spec.outputs)
        if self.spec.prior is not None:
            with torch.no_grad():
                head.bias.copy_(self.spec.prior)
        return head

    @abstractmethod
    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        """Compute the features that are read, sequence by sequence: x (batch, time, width) -> (reads, features).

        A model that computes every position ends with `return self.pick(states, reads)`.
        """

    @property
    def recurrence(self) -> Recurrence | None:
        """The state that the model carries from step to step in one direction; None: it carries none.

        With a recurrence a model can be trained by truncated back-propagation, its Jacobians are measured, and its
        gradient flow stays bounded in memory at any length.
        """
        return None

    def states(self, x: Tensor, reads: Reads, carried: Carried | None = None) -> tuple[Tensor, Series]:
        """Return features and states, for the gradient probe: the features of `encode`, and every state by name.

        A state is a tensor of the features' graph: one (batch, size) per step, or (batch, time, size) for all steps.

        carried: what the steps before x left, where the model has a `recurrence`; None: x begins the sequence.

        Names: `hidden`, `cell`, `context`, `residual.b`; `hidden.0`, `hidden.1` … where there are several layers. A
        gradient with respect to such a tensor is total: through every later step. A model that does not override this
        has no states to show; its inputs' gradient is measured all the same.
        """
        return self.encode(x, reads), {}

    def pictures(self, x: Tensor, reads: Reads) -> Mapping[str, Tensor]:
        """Return gates and attention weights by name, numbers in [0, 1]. Default: none.

        x: (batch, time, width). A gate is (batch, time, units); attention is (batch, heads, queries, time), a query
        for each step of `reads.span`, its rows summing to 1.
        """
        return {}

    def state_size(self, length: int) -> int | None:
        """Return how many numbers are carried on after `length` steps, per sequence. None where not stated."""
        return None

    def forward(self, batch: Batch) -> Tensor:
        """Return outputs (reads, outputs) at the positions that the batch reads, sequence by sequence."""
        return self.decode(self.encode(self.embedding(batch.inputs), batch.reads), batch)

    def decode(self, features: Tensor, batch: Batch) -> Tensor:
        """Apply the head: features (reads, features) of a batch -> outputs (reads, outputs).

        A model that decodes in another way overrides this.
        """
        return self.head(features)

    @final
    def generate(self, batch: Batch, feed: Feed, longest: int) -> Tensor:
        """Return the model's own continuation (batch, longest, outputs), from the first step that the batch reads.

        The batch's own inputs are read up to the first answer; from then on `feed` makes each next input of an answer.
        A recurrence reads each input once; another model reads all of them again for every answer.
        """
        first = batch.reads.span.start
        inputs = batch.inputs[:, : first + 1]
        carried: Carried | None = None
        answers: list[Tensor] = []
        for step in range(first + 1, first + longest + 1):
            features, carried = self._continued(inputs, carried)
            so_far = Batch(inputs, batch.targets, _last_read(*inputs.shape[:2]), batch.lengths)
            answers.append(self.decode(features, so_far))
            following = batch.inputs[:, step] if step < batch.steps else None
            inputs = torch.cat([inputs, feed(answers[-1], following)[:, None].to(inputs.dtype)], dim=1)
        return torch.stack(answers, dim=1)

    def _continued(self, inputs: Tensor, carried: Carried | None) -> tuple[Tensor, Carried | None]:
        """Features (batch, features) at the last step of the inputs so far, and what a recurrence carries on."""
        if self.recurrence is None:
            return self.encode(self.embedding(inputs), _last_read(*inputs.shape[:2])), None
        if carried is None:  # inputs before the last stretch only bring the state there
            carried = self.recurrence.after(self.embedding(inputs[:, : (inputs.size(1) - 1) // STRETCH * STRETCH]))
        features, state = self.recurrence.run(self.embedding(inputs[:, carried.start :]), *carried)
        return features[:, -1], Carried(state, inputs.size(1))

    @final
    def present(self, x: Tensor) -> Tensor | None:
        """Tell which positions of embedded inputs x (batch, time, width) hold a token: (batch, time), else false.

        None where no model may look ahead, because there padding on the right reaches no answer.
        """
        if not self.spec.look_ahead:
            return None
        if not self.embedding.tables:
            return x.new_ones(x.shape[:2], dtype=torch.bool)
        return (x != self.embedding.padding(x.device).to(x.dtype)).any(-1)

    @final
    def delimited(self, x: Tensor) -> Tensor:
        """Tell which positions of embedded inputs x (batch, time, width) hold the delimiter: booleans (batch, time).

        Raises:
            ValueError: the task has none.
        """
        if self.spec.delimiter is None:
            raise ValueError("this task states no delimiter (Spec.delimiter)")
        table = cast("nn.Embedding", self.embedding.tables[0]).weight
        column = x[..., self.embedding.real :][..., : table.size(1)]
        return (column == table[self.spec.delimiter]).all(-1)

    @final
    def pick(self, states: Tensor, reads: Reads) -> Tensor:
        """Pick the states that are read: (batch, time or span of the reads, features) -> (reads, features)."""
        return reads.pick(states)

    # -- training: several optimisation steps per Lightning batch, when the task hands over a `Block` --------------

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimisation.optimiser(self.parameters(), self.learning_rate)

    def training_step(self, batch: Batch | Block, batch_index: int) -> dict[str, Any]:
        """Take one optimisation step per batch; return each step's loss, gradient norm before clipping, and whether
        clipping acted."""
        optimizer: Any = self.optimizers()
        parameters = [p for p in self.parameters() if p.requires_grad]
        first = self.trainer.global_step
        losses: list[Tensor] = []
        norms: list[Tensor] = []
        clipped: list[Tensor] = []
        parameter_norms: dict[int, Tensor] = {}
        for step, part in enumerate(batch if isinstance(batch, Block) else (batch,), start=first):
            fraction = self.optimisation.schedule(step, self.trainer.max_steps)
            for group in optimizer.param_groups:  # a group keeps its own peak rate, also in checkpoints
                group["lr"] = group.setdefault("peak_rate", group["lr"]) * fraction
            optimizer.zero_grad()
            loss = self._backward(part)
            if step % PARAMETER_NORMS_EVERY == 0:
                parameter_norms[step] = torch.stack([_norm(p) for p in parameters])
            norm, acted = self._clip(parameters)
            norms.append(norm)
            clipped.append(acted)
            losses.append(loss.detach())
            optimizer.step()
        # One tensor of losses, norms and where clipping acted, because each fetch from a GPU waits.
        curves = torch.stack([torch.stack(row).double() for row in (losses, norms, clipped)])
        self.log("train_loss", curves[0].mean(), batch_size=1)
        self.log("gradient_norm", curves[1].mean(), batch_size=1)
        return {"curves": curves, "first_step": first, "parameter_norms": parameter_norms}

    def _backward(self, batch: Batch) -> Tensor:
        """Take the gradient of the loss, and of the penalty where there is one; returns the loss alone."""
        penalty = self.optimisation.penalty
        if penalty is None:
            loss = self.spec.objective.loss(self(batch), batch)
            self.manual_backward(loss)
            return loss
        features, series = self.states(self.embedding(batch.inputs), batch.reads)
        loss = self.spec.objective.loss(self.decode(features, batch), batch)
        states = _tensors(series)
        for state in states:
            state.retain_grad()
        self.manual_backward(loss, retain_graph=True)
        added = penalty(self, batch, series)
        constants = [state.register_hook(torch.zeros_like) for state in states]
        self.manual_backward(added)
        for constant in constants:
            constant.remove()
        return loss

    def _clip(self, parameters: list[nn.Parameter]) -> tuple[Tensor, Tensor]:
        """Clip the gradients; returns their norm before, and whether clipping acted."""
        largest = self.optimisation.largest_element
        limit = math.inf if self.clip is None or largest is not None else self.clip
        norm = nn.utils.clip_grad_norm_(parameters, limit)
        if largest is None:
            return norm, norm > limit
        elements = torch.stack([p.grad.abs().max() for p in parameters if p.grad is not None])
        nn.utils.clip_grad_value_(parameters, largest)
        return norm, elements.max() > largest

    def parameter_names(self) -> list[str]:
        """Return the names of the trained parameters, in the order of `parameter_norms`."""
        return [name for name, p in self.named_parameters() if p.requires_grad]

    # -- evaluation: the task's own metric --------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        # In a tuple, because a metric that is an attribute would be stored with the weights.
        self._metric = (self.spec.objective.metric().to(self.device),)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        self._metric[0].update(self._scored(batch), batch)

    def _scored(self, batch: Batch) -> Tensor:
        """The outputs that are scored: given the batch's inputs, or on the model's own continuation."""
        if not self.spec.objective.free_running:
            return self(batch)
        assert self.spec.feed is not None
        span = batch.reads.span
        return batch.reads.pick(self.generate(batch, self.spec.feed, span.stop - span.start))

    def evaluated(self) -> Evaluation:
        """Return what the pass over a held-out set has given so far."""
        return self._metric[0].compute()

    def on_validation_epoch_end(self) -> None:
        self.evaluation = self.evaluated()
        self.log("validation_score", self.evaluation.score, batch_size=1)

    def on_test_epoch_start(self) -> None:
        self.on_validation_epoch_start()

    def test_step(self, batch: Batch, batch_index: int) -> None:
        self.validation_step(batch, batch_index)

    def on_test_epoch_end(self) -> None:
        self.evaluation = self.evaluated()
        self.log("test_score", self.evaluation.score, batch_size=1)


@lru_cache(maxsize=64)
def _last_read(sequences: int, steps: int) -> Reads:
    """The reads of each sequence's last step."""
    return Reads((torch.arange(steps) == steps - 1).expand(sequences, steps))


def _norm(parameter: Tensor) -> Tensor:
    """The norm of the parameter's gradient, 0 without one."""
    return parameter.new_zeros(()) if parameter.grad is None else torch.linalg.vector_norm(parameter.grad)


def _tensors(series: Series) -> list[Tensor]:
    """Every state of the series that takes a gradient."""
    states = (state for held in series.values() for state in (held if isinstance(held, list) else [held]))
    return [state for state in states if state.requires_grad]
