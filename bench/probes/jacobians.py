"""Jacobians of the recurrent models: singular values of ∂state_t/∂state_{t−1}, and the finite-time Lyapunov spectrum.

The state is h (rnn, gru) or (h, c) (lstm), all layers side by side. Along a real sequence, with J_t the Jacobian of
one step and Q_0 = I, the QR decompositions J_t Q_{t−1} = Q_t R_t give λ_i = mean over t > time/10 of ln |R_t,ii|, in
nats per step (Benettin et al. 1980). The spectrum is the mean over a few sequences; of long ones the last `ALONG` steps
are looked at, as one step costs some milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bench.probes.probing import as_probe, embedded
from models.base import SequenceModel
from tasks.base import Batch

SEQUENCES = 4
ALONG = 1000  # steps, at most: the last ones
DECOMPOSED = 16  # steps at which singular values are taken, at most: each costs more than twenty steps of the spectrum
WARM_UP = 10  # the first 1/10 of a sequence is left out of the spectrum
CHUNK = 4  # steps whose Jacobians are taken at once
# One QR decomposition for a few steps: in float64 a product of four keeps directions that part by e^9 a step.
STEPS_PER_QR = 4

State = list[tuple[Tensor, ...]]
Step = Callable[[Tensor, State], State]


@dataclass(frozen=True)
class Jacobians:
    """steps: where singular values were taken; lowest, median, highest: of the singular values there, mean over the
    sequences. lyapunov: the spectrum in nats per step, largest first."""

    steps: list[int]
    lowest: list[float]
    median: list[float]
    highest: list[float]
    lyapunov: list[float]


def measure(model: SequenceModel, batch: Batch) -> Jacobians | None:
    """Jacobians of `model` along the first sequences of `batch`; None where the model states no single step."""
    stepper = model.stepper()
    if stepper is None:
        return None
    step, zero_state = stepper
    with as_probe(model):
        x = embedded(model, batch.inputs[:SEQUENCES])
        start = max(0, x.size(1) - ALONG)
        state = model.carried(x[:, :start]) if start else zero_state(x)
        if state is None:
            state = _skipped(x[:, :start], step, zero_state(x))
        found = _along(x[:, start:], step, state)
        return replace(found, steps=[start + t for t in found.steps])


def _along(x: Tensor, step: Step, state: State) -> Jacobians:
    time = x.size(1)
    wanted = {round(i * (time - 1) / max(1, min(DECOMPOSED, time) - 1)) for i in range(min(DECOMPOSED, time))}
    before = _rolled(x, step, state)  # (time, batch, size): the state before each step
    frame = torch.eye(before.size(-1), dtype=x.dtype).expand(len(x), -1, -1)
    growth: list[Tensor] = []
    singular: dict[int, Tensor] = {}
    for start in range(0, time, CHUNK):
        jacobians = step_jacobians(
            step, x[:, start : start + CHUNK].transpose(0, 1), before[start : start + CHUNK], state
        )
        for t, jacobian in enumerate(jacobians, start=start):
            if t in wanted:
                singular[t] = torch.linalg.svdvals(jacobian)
            frame = jacobian @ frame
            if (t + 1) % STEPS_PER_QR == 0 or t + 1 == time:
                frame, upper = torch.linalg.qr(frame)
                growth.append(upper.diagonal(dim1=-2, dim2=-1).abs().log())
    skipped = time // WARM_UP // STEPS_PER_QR
    spectrum = torch.stack(growth[skipped:]).sum(0).mean(0) / (time - skipped * STEPS_PER_QR)
    values = torch.stack(list(singular.values()))  # (steps, batch, size)
    return Jacobians(
        steps=list(singular),
        lowest=values[..., -1].mean(1).tolist(),
        median=values.quantile(0.5, dim=-1).mean(1).tolist(),
        highest=values[..., 0].mean(1).tolist(),
        lyapunov=spectrum.sort(descending=True).values.tolist(),
    )


def _skipped(x: Tensor, step: Step, state: State) -> State:
    """The state after all steps of x (batch, time, width)."""
    with torch.no_grad():
        for x_t in x.unbind(1):
            state = step(x_t, state)
    return state


def _rolled(x: Tensor, step: Step, state: State) -> Tensor:
    """The state before each step, parts and layers side by side: (time, batch, size)."""
    before = []
    with torch.no_grad():
        for x_t in x.unbind(1):
            before.append(_flat(state))
            state = step(x_t, state)
    return torch.stack(before)


def step_jacobians(step: Step, x: Tensor, before: Tensor, like: State) -> Tensor:
    """∂state_t/∂state_{t−1} (time, batch, size, size) at states `before` and inputs x (time, batch, …)."""

    def one(flat: Tensor, x_t: Tensor) -> Tensor:
        return _flat(step(x_t[None], _shaped(flat[None], like)))[0]

    each = torch.vmap(torch.func.jacrev(one))(before.flatten(0, 1), x.flatten(0, 1))
    return each.detach().unflatten(0, before.shape[:2])


def _flat(state: State) -> Tensor:
    return torch.cat([part for layer in state for part in layer], dim=-1)


def _shaped(flat: Tensor, like: State) -> State:
    parts = iter(torch.split(flat, [part.size(-1) for layer in like for part in layer], dim=-1))
    return [tuple(next(parts) for _ in layer) for layer in like]
