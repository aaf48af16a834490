"""How a model is trained: optimisers, schedules of the learning rate, penalties. A recipe names them with options.

The tables at the end are all that a recipe can name. Options are keyword-only arguments with literal defaults, because
the catalog reads them from this text without importing it.

- optimiser(groups, rate, **options): parameters, or groups of them, and their peak rate -> torch's optimiser.
- schedule(step, steps, **options): the fraction of each group's rate at `step` of `steps`; 1 where `steps` ≤ 0 (open).
- penalty(model, batch, series, **options): a number that is added to the loss. series: the states of the training step
  by name, as `SequenceModel.states` gives them, each with the loss's gradient in `.grad`. The states count as
  constants when the penalty's own gradient is taken.

To change a function's numbers, raise its count in `CHANGES`: this changes the recipes that name it, and no others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tasks.base import Batch

Groups = Iterable[nn.Parameter] | Iterable[dict[str, Any]]
Series = Mapping[str, list[Tensor] | Tensor]  # states by name: one tensor per step, or one for all steps

# -- optimisers -------------------------------------------------------------------------------------------------------


def adam(groups: Groups, rate: float, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Optimizer:
    """Build Adam (Kingma & Ba 2015, arXiv:1412.6980)."""
    return torch.optim.Adam(groups, lr=rate, betas=(beta1, beta2), eps=epsilon, fused=True)


def adamw(
    groups: Groups,
    rate: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> Optimizer:
    """Build Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101)."""
    return torch.optim.AdamW(groups, lr=rate, betas=(beta1, beta2), eps=epsilon, weight_decay=weight_decay, fused=True)


def sgd(
    groups: Groups, rate: float, *, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0
) -> Optimizer:
    """Build stochastic gradient descent."""
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)


def rmsprop(
    groups: Groups, rate: float, *, smoothing: float = 0.99, momentum: float = 0.0, epsilon: float = 1e-8
) -> Optimizer:
    """Build RMSprop (Tieleman & Hinton 2012, Coursera lecture 6.5); `smoothing` of the mean square."""
    return torch.optim.RMSprop(groups, lr=rate, alpha=smoothing, momentum=momentum, eps=epsilon)


# -- schedules --------------------------------------------------------------------------------------------------------


def trapezoid(step: int, steps: int, *, warm_up: float = 0.1, decay: float = 0.5) -> float:
    """Rise linearly over the fraction `warm_up` of the steps, stay, fall linearly to 0 over the fraction `decay`."""
    if steps <= 0:
        return 1.0
    rise = _rise(step, steps, warm_up)
    fall = (steps - step) / max(1.0, _fraction("decay", decay) * steps)
    return min(1.0, rise, fall)


def constant(step: int, steps: int, *, warm_up: float = 0.0) -> float:
    """Rise linearly over the fraction `warm_up` of the steps, then stay."""
    return 1.0 if steps <= 0 else min(1.0, _rise(step, steps, warm_up))


def linear(step: int, steps: int, *, warm_up: float = 0.0) -> float:
    """Rise linearly over the fraction `warm_up` of the steps, then fall linearly to 0."""
    return 1.0 if steps <= 0 else min(_rise(step, steps, warm_up), 1.0 - _past(step, steps, warm_up))


def cosine(step: int, steps: int, *, warm_up: float = 0.0) -> float:
    """Rise linearly over the fraction `warm_up` of the steps, then fall to 0 as half a cosine (Loshchilov & Hutter
    2017, arXiv:1608.03983, one period)."""
    if steps <= 0:
        return 1.0
    return min(_rise(step, steps, warm_up), (1.0 + math.cos(math.pi * _past(step, steps, warm_up))) / 2)


def _rise(step: int, steps: int, warm_up: float) -> float:
    """The warm-up's fraction of the rate, 1 or more after it."""
    return (step + 1) / max(1.0, _fraction("warm_up", warm_up) * steps)


def _past(step: int, steps: int, warm_up: float) -> float:
    """How much of the steps after the warm-up is over, from 0 to 1."""
    first = warm_up * steps
    return min(1.0, max(0.0, (step - first) / max(1.0, steps - first)))


def _fraction(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"option {name!r} expects a fraction of the steps from 0 to 1, got {value}")
    return value


# -- penalties --------------------------------------------------------------------------------------------------------


def pascanu(model: nn.Module, batch: Batch, series: Series, *, weight: float = 1.0) -> Tensor:
    """Penalise gradients that change their norm from one hidden state to the one before.

    Pascanu, Mikolov & Bengio 2013 (arXiv:1211.5063), eq. 9:
        Ω = Σ_k (‖(∂E/∂h_{k+1}) (∂h_{k+1}/∂h_k)‖ / ‖∂E/∂h_{k+1}‖ − 1)²,
    and eq. 10: its gradient is the immediate one, with all states and ∂E/∂h_{k+1} constant; in an rnn it reaches the
    recurrent weights alone. Our readings: h is the state after the nonlinearity (the paper's x lies before it); Ω is
    the mean over sequences and the sum over layers; a step that no gradient of E reaches adds nothing. weight: of Ω
    beside the loss.
    """
    total = torch.zeros((), device=batch.inputs.device)
    for states in hidden_states(series):
        for before, after in itertools.pairwise(states):
            if after.grad is not None:
                total = total + _change(before, after, after.grad)
    return weight * total


def _change(before: Tensor, after: Tensor, gradient: Tensor) -> Tensor:
    """(‖gradient · ∂after/∂before‖ / ‖gradient‖ − 1)², mean over the sequences."""
    (carried,) = torch.autograd.grad(after, before, gradient, create_graph=True)
    norm = torch.linalg.vector_norm(gradient, dim=-1)
    reached = norm > torch.finfo(norm.dtype).tiny
    # A sequence that no gradient reaches is left out before the division and the root, whose gradients would be NaN.
    square = torch.where(reached, (carried / norm.where(reached, 1.0)[:, None]).square().sum(-1), 1.0)
    return (square.clamp(min=torch.finfo(norm.dtype).tiny).sqrt() - 1).square().mean()


def hidden_states(series: Series) -> list[list[Tensor]]:
    """Return the hidden states of every layer that runs from left to right: a tensor (batch, size) per step.

    Raises:
        ValueError: there are none.
    """
    layers = [
        states
        for name, states in series.items()
        if name.split(".")[0] == "hidden" and not name.endswith(".reverse") and isinstance(states, list)
    ]
    if not layers:
        raise ValueError("it has no hidden state that is carried from step to step")
    return layers


# -- what a recipe can name -------------------------------------------------------------------------------------------

OPTIMISERS: dict[str, Callable[..., Optimizer]] = {"adam": adam, "adamw": adamw, "rmsprop": rmsprop, "sgd": sgd}
SCHEDULES: dict[str, Callable[..., float]] = {
    "trapezoid": trapezoid,
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
}
PENALTIES: dict[str, Callable[..., Tensor]] = {"pascanu": pascanu}
CHANGES: dict[str, int] = {}  # name -> how often the function's numbers changed since recipes could name it


@dataclass(frozen=True)
class Optimisation:
    """How a model is trained beside its rate and its clipping by norm: functions with their options filled in.

    largest_element: every element of a gradient is cut to [−largest_element, largest_element]; None: none is.
    """

    optimiser: Callable[[Groups, float], Optimizer] = adam
    schedule: Callable[[int, int], float] = trapezoid
    penalty: Callable[[nn.Module, Batch, Series], Tensor] | None = None
    largest_element: float | None = None
