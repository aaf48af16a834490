"""The derivative of a model's answers with respect to its inputs and states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from models.base import SequenceModel
from tasks.base import Batch, Reads

FOLLOWED = 10_000  # steps back from an answer, at most


# -- the derivative ---------------------------------------------------------------------------------------------------


@contextmanager
def as_probe(model: SequenceModel) -> Iterator[None]:
    """Put a model in float64, on the CPU and in evaluation mode, gradients on; afterwards all is as before.

    Real floating numbers below float64 become float64, complex ones complex128, others stay. Every parameter and buffer
    is a copy for the while, and the original comes back, so that nothing is rounded or counted on; parameters stay the
    same objects. On the CPU because some devices have no float64.
    """
    device = model.device
    modes = {module: module.training for module in model.modules()}
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    for parameter, _ in gradients:
        parameter.grad = None
    with torch.inference_mode(False), torch.enable_grad():
        try:
            with _copied(model.cpu()):
                model.double().eval()  # the copies are wide already: what the model says of its own type follows
                yield
        finally:
            model.to(device)
            for parameter, gradient in gradients:
                parameter.grad = gradient
            for module, training in modes.items():
                module.training = training


@contextmanager
def _copied(model: SequenceModel) -> Iterator[None]:
    """Put wide copies in place of all parameters and buffers of a model on the CPU; the originals come back after."""
    dtype: Any = model.dtype
    parameters = [(parameter, parameter.data) for parameter in model.parameters()]
    buffers = [(module, name, held) for module in model.modules() for name, held in module._buffers.items()]
    copies = {held: _widened(held) for _, _, held in buffers if held is not None}
    for parameter, data in parameters:
        parameter.data = _widened(data)
    for module, name, held in buffers:
        module._buffers[name] = None if held is None else copies[held]
    try:
        yield
    finally:
        for parameter, _ in parameters:
            parameter.grad = None
            parameter.data = torch.empty(0)  # `to` would drop the imaginary half of complex numbers
        for module, name, _ in buffers:
            module._buffers[name] = None
        model.to(dtype)
        for parameter, data in parameters:
            parameter.data = data
        for module, name, held in buffers:
            module._buffers[name] = held


def _widened(values: Tensor) -> Tensor:
    """Return a copy on the CPU: real floating numbers in float64, complex ones in complex128, others as they are."""
    if values.is_complex():
        return values.to("cpu", torch.complex128, copy=True)
    return values.to("cpu", torch.float64 if values.is_floating_point() else values.dtype, copy=True)


def derivatives(model: SequenceModel, batch: Batch, steps: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Return a batch's outputs, ‖∂s/∂q‖ (batch, time) per quantity, and ∂s/∂input (batch, time, width).

    batch: reads its answers at `steps` (`Batch.answered`). Time is that of the unrolled steps, the last ones.
    """
    x, reads = embedded(model, batch.inputs), batch.reads
    start = max(0, int(steps.min()) + 1 - FOLLOWED)
    if start and model.recurrence is not None:
        carried = model.recurrence.after(x[:, :start])
        x = x[:, start:].clone().requires_grad_()
        features, series = model.states(x, Reads(reads.mask[:, start:]), carried)
    else:
        x.requires_grad_()
        features, series = model.states(x, reads)
    outputs = model.decode(features, batch)
    total = model.spec.objective.answer(outputs, batch).sum()
    wanted = {"input": [x]} | {name: _listed(tensors) for name, tensors in series.items()}
    leaves = [tensor for tensors in wanted.values() for tensor in tensors]
    # An answer that depends on nothing (a control that has lost sight of it) has no graph: its gradient is zero.
    reached = torch.autograd.grad(total, leaves, allow_unused=True) if total.requires_grad else [None] * len(leaves)
    remaining = iter(reached)
    norms, input_gradient = {}, torch.zeros_like(x)
    for name, tensors in wanted.items():
        gradients = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(tensors, remaining, strict=False)]
        if name == "input":
            input_gradient = gradients[0]
        norms[name] = norms_of(gradients)
    return outputs.detach(), norms, input_gradient


def _listed(tensors: Sequence[Tensor] | Tensor) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def norms_of(gradients: list[Tensor]) -> Tensor:
    """Return norms (batch, time) of one tensor (batch, time, size), or of one (batch, size) per step."""
    values = gradients[0] if gradients[0].dim() == 3 else torch.stack(gradients, dim=1)
    # Of 1e±180 the square, which a norm is made of, is no longer a float64: take the largest number out first.
    largest = values.abs().amax(-1, keepdim=True)
    scale = torch.where((largest > 0) & largest.isfinite(), largest, 1.0)
    return torch.linalg.vector_norm(values / scale, dim=-1) * scale.squeeze(-1)


def embedded(model: SequenceModel, inputs: Tensor) -> Tensor:
    """Return inputs as the model's vectors, in float64, cut from the embedding's graph."""
    return model.embedding(as_double(inputs)).detach()


def as_double(values: Tensor) -> Tensor:
    """Return real numbers as float64, ids as they are."""
    return values.double() if values.is_floating_point() else values
