"""What a lecture shows of an unrolled network: influence of an input, gradient of each copy of a weight, an impulse."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.functional import jvp
from torch.func import functional_call

from bench.probes.probing import as_probe, embedded
from models.base import Recurrence, SequenceModel, States
from tasks.base import Batch, Reads


def influence(model: SequenceModel, batch: Batch) -> Tensor:
    """Return ‖∂h_t/∂x_1‖ (time,), the Frobenius norm, mean over the batch; h_t: the output of the last layer.

    Raises:
        ValueError: the model carries no state.
    """
    recurrence = _recurrence(model)
    with as_probe(model):
        first, *rest = embedded(model, batch.inputs).unbind(1)

        def outputs(x: Tensor) -> Tensor:
            state, after = recurrence.zero_state(first[:, None]), []
            for t, x_t in enumerate((x, *rest)):
                state = recurrence.step(x_t, state, t)
                after.append(state[-1][0])
            return torch.stack(after, dim=1)

        directions = torch.eye(first.size(1), dtype=first.dtype).unbind(0)
        moved = [jvp(outputs, (first,), (each.expand_as(first),))[1] for each in directions]
        return torch.stack(moved).square().sum((0, 3)).sqrt().mean(0)


def copies(model: SequenceModel, batch: Batch, parameter: nn.Parameter) -> Tensor:
    """Return ∂ℓ/∂U^(t) (time, numbers) of the batch's loss ℓ, where step t reads a copy U^(t) of `parameter`.

    Their sum over time is the gradient of the tied parameter. The features of the model must be the outputs of its
    last layer.

    Raises:
        ValueError: the model carries no state, or has no such parameter in its steps.
    """
    recurrence = _recurrence(model)
    step = _Step(recurrence)
    name = next((name for name, own in step.named_parameters() if own is parameter), None)
    if name is None:
        raise ValueError(f"{type(model).__name__}: expected a parameter of its recurrence, got another one")
    with as_probe(model):
        x = embedded(model, batch.inputs)
        own = [parameter.detach().clone().requires_grad_() for _ in range(x.size(1))]
        state, outputs = recurrence.zero_state(x), []
        for t, (x_t, copy) in enumerate(zip(x.unbind(1), own, strict=True)):
            state = functional_call(step, {name: copy}, (x_t, state, t))
            outputs.append(state[-1][0])
        features = model.pick(torch.stack(outputs, dim=1), batch.reads)
        loss = model.spec.objective.loss(model.decode(features, batch), batch)
        gradients = torch.autograd.grad(loss, own, allow_unused=True)
        each = [torch.zeros_like(c) if g is None else g for c, g in zip(own, gradients, strict=True)]
        return torch.stack(each).flatten(1)


def impulse(answers: Callable[[Tensor], Tensor], steps: int) -> Tensor:
    """Return how answers (steps, outputs) change when the first of `steps` inputs, all 0, is 1 instead.

    answers: of inputs (batch, time, 1), at every step: (batch, time, outputs).
    """
    inputs = torch.zeros(2, steps, 1)
    inputs[0, 0] = 1
    with torch.no_grad():
        with_it, without = answers(inputs)
    return with_it - without


def answers(model: SequenceModel, inputs: Tensor) -> Tensor:
    """Return what a model of real numbers answers at every step: inputs (batch, time, numbers) -> (…, outputs)."""
    reads = Reads(torch.ones(inputs.shape[:2], dtype=torch.bool))
    outputs: Tensor = model(Batch(inputs, torch.zeros(inputs.shape[:2]).flatten(), reads))
    return outputs.unflatten(0, inputs.shape[:2])


class _Step(nn.Module):
    """One step of a recurrence as a call, so that it can be made with other parameters."""

    def __init__(self, recurrence: Recurrence) -> None:
        super().__init__()
        self.recurrence = recurrence

    def forward(self, x_t: Tensor, state: States, t: int) -> States:
        return self.recurrence.step(x_t, state, t)


def _recurrence(model: SequenceModel) -> Recurrence:
    if model.recurrence is None:
        raise ValueError(f"{type(model).__name__} carries no state from step to step in one direction")
    return model.recurrence
