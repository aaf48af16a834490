"""What a module of one's own remembers is noticed, and its caches are emptied."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from bench.engines.remembered import Memory

SOURCE = """
import functools, itertools, math, random
import numpy, torch

STORE, ITEMS, SEEN, COUNT, NUMBERS = {}, [[1], [2]], set(), 0, itertools.count()
NARROW, WIDE = torch.zeros(3, dtype=torch.bfloat16), torch.zeros(2, 2, dtype=torch.complex64)
FLAGS, LAZY, ARRAY = torch.zeros(2, dtype=torch.bool), torch.nn.LazyLinear(2), numpy.zeros(3)
LAYER, DRAWS, STREAM = torch.nn.Linear(2, 2), random.Random(0), torch.Generator().manual_seed(0)
GENERATOR = numpy.random.default_rng(0)


class Holder:
    calls, kept = 0, []

    def __init__(self):
        self.inside = {"deep": [0]}

    @functools.lru_cache
    def cached(self, x):
        return [x]

    @classmethod
    def of(cls, x, memo=[]):
        memo.append(x)


class Rude:
    def __getattribute__(self, name):
        raise OSError("no")


HELD, RUDE = Holder(), Rude()
HELD.itself = HELD


@functools.lru_cache
def layer(width):
    return torch.nn.Linear(width, width)


def counted():
    n = [0]
    def inner():
        n[0] += 1
    return inner


CLOSURE = counted()


def default(x, memo={}):
    memo[x] = x
"""
CHANGES: dict[str, Callable[[Any], Any]] = {
    "STORE": lambda m: m.STORE.update(a=torch.ones(1)),
    "ITEMS": lambda m: m.ITEMS[1].append(3),
    "SEEN": lambda m: m.SEEN.add(1),
    "COUNT": lambda m: setattr(m, "COUNT", 1),
    "NUMBERS": lambda m: next(m.NUMBERS),
    "NEW": lambda m: setattr(m, "NEW", 1),
    "NARROW": lambda m: m.NARROW.data.add_(1),
    "WIDE": lambda m: m.WIDE.add_(1j),
    "FLAGS": lambda m: m.FLAGS.logical_not_(),
    "ARRAY": lambda m: m.ARRAY.__setitem__(0, 1.0),
    "LAYER": lambda m: m.LAYER.weight.data.mul_(2),
    "DRAWS": lambda m: m.DRAWS.random(),
    "STREAM": lambda m: torch.rand(1, generator=m.STREAM),
    "GENERATOR": lambda m: m.GENERATOR.random(),
    "Holder.calls": lambda m: setattr(m.Holder, "calls", 1),
    "Holder.kept": lambda m: m.Holder.kept.append(1),
    "Holder.of": lambda m: m.Holder.of(1),
    "HELD": lambda m: m.HELD.inside["deep"].append(1),
    "CLOSURE": lambda m: m.CLOSURE(),
    "default": lambda m: m.default(1),
}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "remembers.py").write_text(SOURCE)
    import remembers  # type: ignore[import-not-found]

    yield remembers
    del sys.modules["remembers"]


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_is_named(module: ModuleType, name: str) -> None:
    memory = Memory([module])
    assert memory.changes() == []
    CHANGES[name](module)
    assert memory.changes() == [f"remembers.{name}"]


def test_caches_are_emptied(module: ModuleType) -> None:
    memory = Memory([module])
    first = module.layer(3)
    module.HELD.cached(1)
    assert module.layer(3) is first
    assert memory.changes() == []
    assert module.layer(3) is not first
    assert module.Holder.cached.cache_info().currsize == 0
