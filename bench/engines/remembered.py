"""What modules of one's own remember from cell to cell: a dictionary of the module's, a class's counter, a default
argument that is a list, a cache.

The next cell of the process would begin with what the last one left there, such as its trained weights. Caches of
functools are emptied; what else changed is named.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import random
from collections import deque
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import numpy
import torch

DEEPEST = 8  # containers in containers that are looked into
MOST = 20_000  # values that are looked at in one variable
LARGE = 2**20  # elements of a tensor above which its sum stands for its numbers
PLAIN = (type(None), bool, int, float, complex, str, bytes, range, torch.dtype, torch.device)
ITERATORS = (itertools.count, itertools.cycle, itertools.repeat)
SKIPPED = frozenset({"_abc_impl"})


class Memory:
    """The variables of some modules, their classes and functions, as they are now."""

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self.modules = list(modules)
        self.own = frozenset(module.__name__ for module in self.modules)
        self._before = self._now()

    def changes(self) -> list[str]:
        """Return the names of the variables that are not as they were."""
        now = self._now()
        return sorted(name for name in now.keys() | self._before.keys() if now.get(name) != self._before.get(name))

    def _now(self) -> dict[str, Any]:
        return {name: self._print(value) for name, value in self._variables()}

    def _print(self, value: Any) -> Any:
        try:
            return _Print(self.own).of(value)
        except Exception:  # an object of one's own may raise anything when it is looked at
            return id(value)

    def _variables(self) -> Iterator[tuple[str, Any]]:
        for module in self.modules:
            for name, value in _named(vars(module)):
                if issubclass(type(value), type):  # an object of one's own may pretend to be another
                    if value.__module__ == module.__name__:
                        yield from ((f"{module.__name__}.{value.__name__}.{k}", v) for k, v in _named(vars(value)))
                else:
                    yield f"{module.__name__}.{name}", value


def _named(names: Any) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in list(names.items()) if name[:2] != "__" and name not in SKIPPED]


class _Print:
    """Makes the print of a value: equal as long as nothing in the value changes. own: modules whose functions, classes
    and caches are looked into."""

    def __init__(self, own: frozenset[str]) -> None:
        self.own = own
        self.seen: set[int] = set()

    def of(self, value: Any, depth: int = 0) -> Any:
        """Return the print of a value; caches that are met are emptied."""
        if isinstance(value, PLAIN):
            return type(value).__name__, repr(value)
        if id(value) in self.seen or depth > DEEPEST or len(self.seen) > MOST:
            return id(value)
        self.seen.add(id(value))
        if isinstance(value, functools._lru_cache_wrapper) and value.__module__ in self.own:
            value.cache_clear()
            return id(value), self.of(value.__wrapped__, depth + 1)
        return id(value), type(value).__name__, self._inside(value, depth + 1)

    def _inside(self, value: Any, depth: int) -> Any:
        if isinstance(value, torch.Tensor):
            return _of_tensor(value)
        if isinstance(value, numpy.ndarray):
            return value.shape, hashlib.sha256(repr(value.tolist()).encode()).digest()
        if isinstance(value, torch.Generator):
            return bytes(value.get_state().numpy())
        if isinstance(value, numpy.random.Generator):
            return repr(value.bit_generator.state)
        if isinstance(value, random.Random):
            return value.getstate()
        if isinstance(value, ITERATORS):
            return repr(value)
        if isinstance(value, dict):
            return [(self.of(key, depth), self.of(held, depth)) for key, held in value.items()]
        if isinstance(value, list | tuple | deque):
            return [self.of(held, depth) for held in value]
        if isinstance(value, set | frozenset):
            return len(value), sorted(repr(self.of(held, depth)) for held in value)
        return self._attributes(value, depth)

    def _attributes(self, value: Any, depth: int) -> Any:
        """Return the prints of what a function of one's own holds, or of an object's attributes."""
        if isinstance(value, staticmethod | classmethod):
            return self.of(value.__func__, depth)
        if isinstance(value, property):
            return [self.of(each, depth) for each in (value.fget, value.fset, value.fdel)]
        if isinstance(value, ModuleType | type):
            return None
        if isinstance(value, FunctionType):
            if value.__module__ not in self.own:
                return None
            return [self.of(each, depth) for each in _held(value)]
        try:
            return [(name, self.of(held, depth)) for name, held in list(vars(value).items())]
        except TypeError:  # no attributes
            return None


def _held(function: FunctionType) -> Iterator[Any]:
    """Yield what a function carries along: default arguments, attributes, and the variables around it."""
    yield from (function.__defaults__, function.__kwdefaults__, vars(function))
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def _of_tensor(tensor: torch.Tensor) -> Any:
    """Return the print of a tensor's numbers."""
    if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta or tensor.layout is not torch.strided:
        return tensor.layout
    numbers = tensor.detach()
    if numbers.numel() > LARGE or numbers.device.type != "cpu":
        return numbers.shape, tensor._version, numbers.double().nan_to_num().sum().item()
    return numbers.shape, hashlib.sha256(bytes(numbers.contiguous().view(-1).view(torch.uint8).numpy())).digest()
