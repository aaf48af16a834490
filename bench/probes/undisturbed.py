"""Put a model and the process's random numbers back as they were, whatever passes through the model did."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

CONTAINERS = (dict, list, set, deque)
TORCHS = frozenset(vars(nn.Module()))  # attributes that torch itself keeps in every module

Undo = Callable[[], Any]


@contextmanager
def same_randomness() -> Iterator[None]:
    """Put the global generators of torch, numpy and Python back afterwards."""
    undo = _randomness()
    try:
        yield
    finally:
        undo()


def seed_everything(seed: int) -> None:
    """Seed the global generators of torch, numpy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def _randomness() -> Undo:
    of_torch, of_numpy, of_python = torch.get_rng_state(), np.random.get_state(), random.getstate()
    of_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []

    def undo() -> None:
        torch.set_rng_state(of_torch)
        np.random.set_state(of_numpy)
        random.setstate(of_python)
        if of_gpus:
            torch.cuda.set_rng_state_all(of_gpus)

    return undo


class Kept:
    """What passes through a model may change, kept to be put back: parameters, buffers, attributes of its modules (and
    what lists, dictionaries and tensors among these hold), generators of its own."""

    def __init__(self, model: nn.Module) -> None:
        self._undo: list[Undo] = []
        with torch.no_grad():
            for parameter in model.parameters():
                self._undo.append(_numbers(parameter))
            for module in model.modules():
                self._undo += [_numbers(held) for held in module._buffers.values() if held is not None]
                self._undo.append(_container(module._buffers))
                self._undo += _attributes(module)

    def restore(self) -> None:
        """Put everything back as it was when this object was made."""
        with torch.no_grad():
            for undo in self._undo:
                undo()

    def forget(self) -> None:
        """Hold nothing of the model any more: torch refuses to move a module whose parameters are held elsewhere."""
        self._undo.clear()


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[Kept]:
    """Leave a model as it was: all that `Kept` holds, the modes of its modules, and the global random numbers."""
    kept, modes = Kept(model), [(module, module.training) for module in model.modules()]
    try:
        with same_randomness():
            yield kept
    finally:
        kept.restore()
        kept.forget()
        for module, training in modes:
            module.training = training


def _numbers(held: Tensor) -> Undo:
    """Undo changes in place of a tensor's numbers. A tensor that is still lazy has none."""
    if nn.parameter.is_lazy(held) or held.is_meta:
        return lambda: None
    numbers = held.detach().clone()
    return lambda: held.data.copy_(numbers)


def _container(held: Any) -> Undo:
    """Undo additions to and removals from a list, a dictionary, a set or a deque."""
    before = held.copy()

    def undo() -> None:
        held.clear()
        held.extend(before) if isinstance(held, list | deque) else held.update(before)

    return undo


def _attributes(module: nn.Module) -> list[Undo]:
    """Undo changes of a module's own attributes."""
    held = vars(module)
    before = {name: value for name, value in held.items() if name not in TORCHS}

    def undo() -> None:
        for name in held.keys() - before.keys() - TORCHS:
            del held[name]
        held.update(before)

    inside = [undo]
    for value in before.values():
        inside += _value(value)
        if isinstance(value, dict):
            inside += [one for each in value.values() for one in _value(each)]
        elif isinstance(value, list | tuple | deque):
            inside += [one for each in value for one in _value(each)]
    return inside


def _value(value: Any) -> list[Undo]:
    """Undo changes inside one attribute's value."""
    if type(value) in CONTAINERS:
        return [_container(value)]
    if isinstance(value, Tensor):
        return [_numbers(value)]
    if isinstance(value, torch.Generator):
        state = value.get_state()
        return [lambda: value.set_state(state)]
    if isinstance(value, np.random.Generator):
        drawn = value.bit_generator.state
        return [lambda: setattr(value.bit_generator, "state", drawn)]
    if isinstance(value, random.Random):
        place = value.getstate()
        return [lambda: value.setstate(place)]
    return []
