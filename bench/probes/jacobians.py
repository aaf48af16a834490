"""Jacobians of the recurrent models: singular values of ∂state_t/∂state_{t−1}, and the finite-time Lyapunov spectrum.

The state is that of the model's recurrence: h (rnn, gru) or (h, c) (lstm), all layers side by side. Along a real
sequence, with J_t the Jacobian of one step and Q_0 = I, the QR decompositions J_t Q_{t−1} = Q_t R_t give λ_i = mean
over t > time/10 of ln |R_t,ii|, in nats per step (Benettin et al. 1980). The spectrum is the mean over a few sequences,
and its error the standard error of that mean; of long sequences the last `ALONG` steps are looked at, as one step costs
some milliseconds. A step's cost grows with the cube of the state's size: of a state above `USUAL` numbers fewer steps
are looked at, of one above `LARGEST` none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.probes.probing import as_probe, embedded
from models.base import Carried, Recurrence, SequenceModel, States
from tasks.base import Batch

SEQUENCES = 4
# Steps, at most: the last ones. Four times as many move the largest exponent of a default cell by .002 (median; .012 at
# most) and cost four times the time.
ALONG = 250
USUAL, LARGEST = 400, 640  # numbers of a state: of the largest the last 61 steps are looked at
DECOMPOSED = 16  # steps at which singular values are taken, at most: each costs more than twenty steps of the spectrum
WARM_UP = 10  # the first 1/10 of a sequence is left out of the spectrum
# One QR decomposition for a few steps: in float64 a product of four keeps directions that part by e^9 a step.
STEPS_PER_QR = 4
CHUNK = 4  # steps whose Jacobians are taken at once


class TooLargeError(ValueError):
    """A state whose Jacobians would take minutes; the message says how large it may be."""


@dataclass(frozen=True)
class Jacobians:
    """The Jacobians along a few sequences. start: the first step that was looked at. steps: where singular values were
    taken; lowest, median, highest: of the singular values there, mean over the sequences. lyapunov: the spectrum in
    nats per step, largest first; error: beside each, its standard error, empty for one sequence."""

    start: int
    steps: list[int]
    lowest: list[float]
    median: list[float]
    highest: list[float]
    lyapunov: list[float]
    error: list[float]


def measure(model: SequenceModel, batch: Batch) -> Jacobians | None:
    """Measure Jacobians of `model` along the first sequences of `batch`; None where the model carries no state.

    Raises:
        TooLargeError: the state has more than LARGEST numbers.
    """
    recurrence = model.recurrence
    if recurrence is None:
        return None
    with as_probe(model):
        x = embedded(model, batch.inputs[:SEQUENCES])
        size = _flat(recurrence.after(x[:, :0]).state).size(-1)
        if size > LARGEST:
            raise TooLargeError(f"no Jacobians: they are taken of states of up to {LARGEST} numbers, got {size:,}")
        start = max(0, x.size(1) - min(ALONG, round(ALONG * (USUAL / size) ** 3)))
        return _along(x[:, start:], recurrence, recurrence.after(x[:, :start]))


def _along(x: Tensor, recurrence: Recurrence, carried: Carried) -> Jacobians:
    """Measure along x (batch, time, width), from the state that the steps before it left."""
    time = x.size(1)
    wanted = {round(i * (time - 1) / max(1, min(DECOMPOSED, time) - 1)) for i in range(min(DECOMPOSED, time))}
    before = _rolled(x, recurrence, carried)  # (time, batch, size): the state before each step
    frame = torch.eye(before.size(-1), dtype=x.dtype).expand(len(x), -1, -1)
    growth: list[Tensor] = []
    singular: dict[int, Tensor] = {}
    for t, jacobian in enumerate(_each(x, recurrence, before, carried)):
        if t in wanted:
            singular[t] = torch.linalg.svdvals(jacobian)
        frame = jacobian @ frame
        if (t + 1) % STEPS_PER_QR == 0 or t + 1 == time:
            frame, upper = torch.linalg.qr(frame)
            growth.append(upper.diagonal(dim1=-2, dim2=-1).abs().log())
    skipped = time // WARM_UP // STEPS_PER_QR
    each = torch.stack(growth[skipped:]).sum(0) / (time - skipped * STEPS_PER_QR)  # (batch, size)
    spectrum, order = each.mean(0).sort(descending=True)
    error = each[:, order].std(0) / len(each) ** 0.5 if len(each) > 1 else spectrum[:0]
    values = torch.stack(list(singular.values()))  # (steps, batch, size)
    return Jacobians(
        start=carried.start,
        steps=[carried.start + t for t in singular],
        lowest=values[..., -1].mean(1).tolist(),
        median=values.quantile(0.5, dim=-1).mean(1).tolist(),
        highest=values[..., 0].mean(1).tolist(),
        lyapunov=spectrum.tolist(),
        error=error.tolist(),
    )


def _rolled(x: Tensor, recurrence: Recurrence, carried: Carried) -> Tensor:
    """Return the state before each step, parts and layers side by side: (time, batch, size)."""
    state, before = carried.state, []
    with torch.no_grad():
        for t, x_t in enumerate(x.unbind(1), start=carried.start):
            before.append(_flat(state))
            state = recurrence.step(x_t, state, t)
    return torch.stack(before)


def _each(x: Tensor, recurrence: Recurrence, before: Tensor, carried: Carried) -> Iterator[Tensor]:
    """Yield the Jacobian (batch, size, size) of each step; several at once where a step's number changes nothing."""
    chunk = CHUNK if recurrence.timeless else 1
    for start in range(0, x.size(1), chunk):
        inputs = x[:, start : start + chunk].transpose(0, 1)
        yield from step_jacobians(
            recurrence, inputs, before[start : start + chunk], carried.state, carried.start + start
        )


def step_jacobians(recurrence: Recurrence, x: Tensor, before: Tensor, like: States, t: int) -> Tensor:
    """Return ∂state_t/∂state_{t−1} (time, batch, size, size) at states `before` (time, batch, size).

    x: inputs (time, batch, width). like: a state, for the shapes of its parts. t: the number of all of these steps.
    """

    def one(flat: Tensor, x_t: Tensor) -> Tensor:
        return _flat(recurrence.step(x_t[None], _shaped(flat[None], like), t))[0]

    each = torch.vmap(torch.func.jacrev(one))(before.flatten(0, 1), x.flatten(0, 1))
    return each.detach().unflatten(0, before.shape[:2])


def _flat(state: States) -> Tensor:
    """Return a state's parts side by side: (batch, size)."""
    return torch.cat([part.flatten(1) for layer in state for part in layer], dim=-1)


def _shaped(flat: Tensor, like: States) -> States:
    """Return (batch, size) as a state whose parts have the shapes of `like`, but for the batch."""
    parts = iter(flat.split([part[0].numel() for layer in like for part in layer], dim=-1))
    return [tuple(next(parts).reshape(-1, *part.shape[1:]) for part in layer) for layer in like]
