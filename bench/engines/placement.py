"""Which cell runs on which slot, and when: pure functions, so that eight GPUs can be tested without one.

A slot runs one cell at a time. Slots on one GPU share its memory; a slot on the cores (device None) shares nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")

EARLY = 0.05  # share of all work that may come first, shortest cell first
SLACK = 1.01  # how much later than longest-first alone the last cell may end, by the estimate


@dataclass(frozen=True)
class Slot:
    """A place for one cell at a time. device: one of the GPUs, as CUDA_VISIBLE_DEVICES names it; None: the cores."""

    index: int
    device: str | None = None


def slots(count: int, devices: Sequence[str] = ()) -> list[Slot]:
    """Return `count` slots, spread evenly over the GPUs, or on the cores where there are none."""
    return [Slot(index, devices[index % len(devices)] if devices else None) for index in range(count)]


@dataclass(frozen=True)
class Placed:
    """The next assignment. waiting: the index of the cell among those that wait."""

    waiting: int
    slot: Slot


def place(free: Sequence[Slot], running: Mapping[Slot, bool], waiting: Sequence[bool]) -> Placed | None:
    """Return the next cell to start, and its slot; None while no cell can start.

    free: slots without a cell; running: the others. True marks a cell that has its GPU to itself, because it ran out
    of memory beside others. waiting: the cells to start, in order.

    A GPU with such a cell takes no other. Where such a cell waits, it goes to an empty GPU; while there is none, the
    least-loaded GPU takes no new cell, so that it becomes empty. All other cells go to the least-loaded GPU.
    """
    load = {slot.device: 0 for slot in [*free, *running]}
    for slot in running:
        load[slot.device] += 1
    closed = {slot.device for slot, alone in running.items() if alone and slot.device is not None}
    # Slots that can take a cell, least-loaded GPU first. The cores are one device whose load says nothing.
    ready = sorted(
        (slot for slot in free if slot.device not in closed), key=lambda slot: (load[slot.device], slot.index)
    )
    if True in waiting:
        empty = [slot for slot in ready if slot.device is None or not load[slot.device]]
        if empty:
            return Placed(waiting.index(True), empty[0])
        drained = min(
            (device for device in load if device not in closed), key=lambda device: load[device], default=None
        )
        ready = [slot for slot in ready if slot.device != drained]
    if False in waiting and ready:
        return Placed(waiting.index(False), ready[0])
    return None


def ordered(items: Sequence[Item], cost: Callable[[Item], float], count: int) -> list[Item]:
    """Return items in the order in which `count` slots should start them. cost: an item's estimated seconds.

    One slot: as they come (a sweep's shortest sequences come first). More: a twentieth of the work shortest first, so
    that there are results soon; then the longest first, so that no slot runs a long cell while all others are idle
    (Graham 1969: longest-first ends no later than 4/3 − 1/(3m) of the best possible). Most short cells stay for the
    end, where they fill the gaps that the estimates' errors leave.
    """
    if count < 2:
        return list(items)
    rising = sorted(items, key=cost)  # equal costs keep their order
    costs = [cost(item) for item in rising]
    budget, limit = EARLY * sum(costs), SLACK * makespan(costs[::-1], count)
    early, spent = 0, 0.0
    while early < len(costs) and spent + costs[early] <= budget:
        spent += costs[early]
        early += 1
    while makespan(costs[:early] + costs[early:][::-1], count) > limit:  # ends at 0: `limit` allows that order
        early //= 2
    return rising[:early] + rising[early:][::-1]


def makespan(costs: Sequence[float], count: int) -> float:
    """Return when the last of `count` slots is done (seconds), if each takes the next item as soon as it is free."""
    ends = [0.0] * count
    for cost in costs:
        heapq.heapreplace(ends, ends[0] + cost)
    return max(ends)


def shard(items: Sequence[Item], cost: Callable[[Item], float], index: int, count: int) -> list[Item]:
    """Return part `index` of `count` (from 1), in the items' order; the parts are the same wherever they are computed.

    Longest first, each item goes to the part with the least work so far. A part chosen by hash would need no list of
    all items, but leaves parts of very different length where there are few, long items, as in most sweeps.
    """
    parts = [(0.0, part) for part in range(1, count + 1)]  # a heap: the work so far, then the part's number
    mine = set()
    for place, item in sorted(enumerate(items), key=lambda numbered: -cost(numbered[1])):
        work, part = parts[0]
        heapq.heapreplace(parts, (work + cost(item), part))
        if part == index:
            mine.add(place)
    return [item for place, item in enumerate(items) if place in mine]


@dataclass(frozen=True)
class Waiting(Generic[Item]):
    """An item, the number of its attempt, and whether it must have its GPU to itself."""

    item: Item
    attempt: int = 1
    alone: bool = False


class Queue(Generic[Item]):
    """Items that wait for a slot; those to be tried again come first. They are taken from `items` only when there is
    a slot for them; a None among them says that the next one is not known yet. attempt: the number of an item's first
    attempt."""

    def __init__(self, items: Iterable[Item | None], attempt: int = 1) -> None:
        self._attempt = attempt
        self._items = iter(items)
        self._again: list[Waiting[Item]] = []
        self._fresh: list[Waiting[Item]] = []  # one at most
        self._ended = False

    def again(self, item: Item, attempt: int, *, alone: bool = False) -> None:
        """Put an item back, for another attempt."""
        self._again.append(Waiting(item, attempt, alone))

    def take(self, free: Sequence[Slot], running: Mapping[Slot, bool]) -> tuple[Slot, Waiting[Item]] | None:
        """Take the next item and its slot; None where there is none, or none yet. Arguments as for `place`."""
        if not free:
            return None
        if not self._fresh and all(waiting.alone for waiting in self._again):
            self._fetch()
        waiting = [*self._again, *self._fresh]
        placed = place(free, running, [each.alone for each in waiting])
        if placed is None:
            return None
        taken = waiting[placed.waiting]
        (self._fresh if taken in self._fresh else self._again).remove(taken)
        return placed.slot, taken

    def _fetch(self) -> None:
        try:
            item = None if self._ended else next(self._items)
        except StopIteration:
            self._ended = True
        else:
            self._fresh = [] if item is None else [Waiting(item, self._attempt)]

    @property
    def empty(self) -> bool:
        """Whether nothing waits and nothing will come."""
        return self._ended and not self._again and not self._fresh
