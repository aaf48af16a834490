"""The derivative of a model's answers with respect to its inputs and states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from models.base import SequenceModel
from tasks.base import Batch, Reads

FOLLOWED = 10_000  # steps back from an answer, at most


# -- the derivative ---------------------------------------------------------------------------------------------------


@contextmanager
def as_probe(model: SequenceModel) -> Iterator[None]:
    """The model in float64, on the CPU and in evaluation mode, gradients on; everything as before afterwards (float32 →
    64 → 32 is exact, and the parameters stay the same objects). On the CPU because some devices have no float64."""
    training, dtype = model.training, next((p.dtype for p in model.parameters()), torch.float32)
    device = model.device
    gradients = [p.grad for p in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = None
    with torch.inference_mode(False), torch.enable_grad():
        model.to("cpu", torch.float64).eval()
        try:
            yield
        finally:
            model.to(device, dtype).train(training)
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter.grad = gradient


def derivatives(model: SequenceModel, batch: Batch, steps: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Outputs of a batch that reads its answers at `steps` (`Batch.answered`), ‖∂s/∂q‖ (batch, time) per quantity, and
    ∂s/∂input itself; time is that of the unrolled steps, the last ones."""
    x, reads = embedded(model, batch.inputs), batch.reads
    start = max(0, int(steps.min()) + 1 - FOLLOWED)
    state = model.carried(x[:, :start]) if start else None
    if state is None:
        x.requires_grad_()
        features, series = model.unrolled(x, reads)
    else:
        x = x[:, start:].clone().requires_grad_()
        features, series = model.unrolled_from(state, x, Reads(reads.mask[:, start:]))
    outputs = model.decode(features, batch)
    total = model.spec.objective.answer(outputs, batch).sum()
    wanted = {"input": [x]} | {name: _listed(tensors) for name, tensors in series.items()}
    leaves = [tensor for tensors in wanted.values() for tensor in tensors]
    # An answer that depends on nothing (a control that has lost sight of it) has no graph: its gradient is zero.
    reached = torch.autograd.grad(total, leaves, allow_unused=True) if total.requires_grad else [None] * len(leaves)
    found = iter(reached)
    norms, input_gradient = {}, torch.zeros_like(x)
    for name, tensors in wanted.items():
        gradients = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(tensors, found, strict=False)]
        if name == "input":
            input_gradient = gradients[0]
        norms[name] = norms_of(gradients)
    return outputs.detach(), norms, input_gradient


def _listed(tensors: Sequence[Tensor] | Tensor) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def norms_of(gradients: list[Tensor]) -> Tensor:
    """(batch, time): from one tensor (batch, time, size) or from one (batch, size) per step."""
    values = gradients[0] if gradients[0].dim() == 3 else torch.stack(gradients, dim=1)
    # Of 1e±180 the square, which a norm is made of, is no longer a float64: take the largest number out first.
    largest = values.abs().amax(-1, keepdim=True)
    scale = torch.where((largest > 0) & largest.isfinite(), largest, 1.0)
    return torch.linalg.vector_norm(values / scale, dim=-1) * scale.squeeze(-1)


def embedded(model: SequenceModel, inputs: Tensor) -> Tensor:
    """Inputs as the model's vectors, in float64, cut from the embedding's graph."""
    return model.embedding(as_double(inputs)).detach()


def as_double(values: Tensor) -> Tensor:
    """Real numbers as float64, ids as they are."""
    return values.double() if values.is_floating_point() else values
