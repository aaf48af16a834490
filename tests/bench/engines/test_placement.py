"""Where cells go, for 1 to 8 GPUs, without a GPU."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.engines.placement import Queue, Slot, makespan, ordered, place, shard, slots
from bench.records.estimate import Estimate
from bench.records.sweep import Sweep
from bench.runner.plan import plan

GPUS = range(1, 9)
QUICK = [Estimate().seconds(planned.cell) for planned in plan(Sweep())]
FULL = [Estimate().seconds(planned.cell) for planned in plan(Sweep(budget="full"))]


def names(count: int) -> list[str]:
    return [f"GPU-{number}" for number in range(count)]


def same(cost: float) -> float:
    return cost


# -- slots and the next assignment -------------------------------------------------------------------------------------


@pytest.mark.parametrize("gpus", GPUS)
def test_slots_are_spread_evenly(gpus: int) -> None:
    found = slots(3 * gpus, names(gpus))
    assert [slot.index for slot in found] == list(range(3 * gpus))
    assert all(sum(slot.device == name for slot in found) == 3 for name in names(gpus))
    assert {slot.device for slot in slots(4)} == {None}


@pytest.mark.parametrize("gpus", GPUS)
def test_the_least_loaded_gpu_comes_first(gpus: int) -> None:
    """Whatever ran before, the loads of the GPUs differ by one at most once all are filled up again."""
    free, running = slots(4 * gpus, names(gpus)), dict[Slot, bool]()
    for _ in range(3 * gpus):
        placed = place(free, running, [False])
        assert placed is not None
        loads = [sum(slot.device == name for slot in running) for name in names(gpus)]
        assert loads[names(gpus).index(str(placed.slot.device))] == min(loads)
        free.remove(placed.slot)
        running[placed.slot] = False
    loads = [sum(slot.device == name for slot in running) for name in names(gpus)]
    assert max(loads) - min(loads) == 0


def test_nothing_is_placed_where_nothing_is_free_or_waits() -> None:
    assert place([], dict.fromkeys(slots(2), False), [False]) is None
    assert place(slots(2), {}, []) is None


def test_a_cell_that_must_be_alone_gets_an_empty_gpu_at_once() -> None:
    zero, one, zero_too, one_too = slots(4, names(2))
    placed = place([one, zero_too, one_too], {zero: False}, [False, True])
    assert placed is not None
    assert (placed.waiting, placed.slot) == (1, one)
    # ... which then takes nothing else; the other GPU does.
    placed = place([zero_too, one_too], {zero: False, one: True}, [False])
    assert placed is not None
    assert placed.slot == zero_too
    assert place([one_too], {zero: False, zero_too: False, one: True}, [False]) is None


def test_a_gpu_is_emptied_for_it_and_the_others_go_on() -> None:
    zero, one, zero_too, one_too = slots(4, names(2))
    full = {zero: False, one: False, zero_too: False}
    placed = place([one_too], full, [True, False])  # GPU 1 has the least load: it takes no new cell
    assert placed is None
    placed = place([zero_too, one_too], {zero: False, one: False}, [True, False])
    assert placed is not None
    assert (placed.waiting, placed.slot) == (1, one_too), "GPU 0 is being emptied"
    placed = place([zero, zero_too], {one: False, one_too: False}, [True, False])
    assert placed is not None
    assert (placed.waiting, placed.slot) == (0, zero)


def test_on_cores_nobody_waits_for_an_empty_machine() -> None:
    first, second = slots(2)
    placed = place([second], {first: False}, [True])
    assert placed is not None
    assert placed.slot == second


# -- a whole sweep, played through -------------------------------------------------------------------------------------


class Played:
    """Cells that take their cost in seconds on `gpus` × `per_gpu` slots. Those in `greedy` run out of memory unless
    they have their GPU to themselves."""

    def __init__(self, costs: list[float], gpus: int, per_gpu: int, greedy: frozenset[int] = frozenset()) -> None:
        self.costs, self.greedy = costs, greedy
        self.slots = slots(gpus * per_gpu, names(gpus))
        self.running: dict[Slot, bool] = {}
        self.events: list[tuple[float, int, Slot]] = []
        self.begun: list[tuple[float, float, int, Slot, bool]] = []
        self.now = 0.0
        self.queue: Queue[int] = Queue(iter(range(len(costs))))
        self.start()
        while self.events:
            self.end()
            self.start()
        assert self.queue.empty, "cells wait, and nothing runs"

    def start(self) -> None:
        while True:
            given = self.queue.take([slot for slot in self.slots if slot not in self.running], self.running)
            if given is None:
                return
            slot, waiting = given
            cost = self.costs[waiting.item]
            self.running[slot] = waiting.alone
            heapq.heappush(self.events, (self.now + cost, waiting.item, slot))
            self.begun.append((self.now, self.now + cost, waiting.item, slot, waiting.alone))

    def end(self) -> None:
        self.now, item, slot = heapq.heappop(self.events)
        alone = self.running.pop(slot)
        if item in self.greedy and not alone:
            self.queue.again(item, 2, alone=True)


@given(
    costs=st.lists(st.integers(1, 50).map(float), max_size=40),
    gpus=st.integers(1, 8),
    per_gpu=st.integers(1, 4),
    greedy=st.frozensets(st.integers(0, 39)),
)
def test_every_cell_runs_and_the_greedy_ones_once_more_alone(
    costs: list[float], gpus: int, per_gpu: int, greedy: frozenset[int]
) -> None:
    played = Played(costs, gpus, per_gpu, greedy)
    runs = [item for _, _, item, _, _ in played.begun]
    assert sorted(runs) == sorted([*range(len(costs)), *(item for item in greedy if item < len(costs))])
    for run in played.begun:
        begin, end, _, slot, alone = run
        same_gpu = [other for other in played.begun if other[3].device == slot.device and other is not run]
        if alone:
            assert not [other for other in same_gpu if other[0] < end and begin < other[1]], "an empty GPU, to its end"


# -- order -------------------------------------------------------------------------------------------------------------


def test_one_slot_keeps_the_order() -> None:
    assert ordered([3.0, 1.0, 2.0], same, 1) == [3.0, 1.0, 2.0]


@given(costs=st.lists(st.floats(0.1, 1000), max_size=60), count=st.integers(1, 8))
def test_an_order_loses_nothing_and_ends_no_later_than_longest_first(costs: list[float], count: int) -> None:
    found = ordered(costs, same, count)
    assert sorted(found) == sorted(costs)
    if count > 1:
        assert makespan(found, count) <= 1.01 * makespan(sorted(costs)[::-1], count) + 1e-9


@pytest.mark.parametrize("gpus", range(2, 9))
@pytest.mark.parametrize("costs", [QUICK, FULL], ids=["quick", "full"])
def test_no_slot_idles_at_the_end_of_a_default_sweep(costs: list[float], gpus: int) -> None:
    found = ordered(costs, same, gpus)
    bound = max(sum(costs) / gpus, max(costs))
    assert makespan(found, gpus) <= 1.04 * bound
    assert found[:1] == [min(costs)], "the first result comes as soon as it can"


@pytest.mark.parametrize("gpus", [2, 4, 8])
def test_an_estimate_that_is_wrong_costs_little(gpus: int) -> None:
    """Cells that take between half and twice their estimate: the last one still ends within a tenth of the bound, and
    sooner than in the order of length."""
    draw = random.Random(0)
    late = dict.fromkeys(("ours", "shortest first"), 0.0)
    for _ in range(20):
        real = [(cost, cost * math.exp(draw.uniform(-0.7, 0.7))) for cost in QUICK]
        bound = max(sum(seconds for _, seconds in real) / gpus, max(seconds for _, seconds in real))
        for name, order in (
            ("ours", ordered(real, lambda pair: pair[0], gpus)),
            ("shortest first", sorted(real, key=lambda pair: pair[0])),
        ):
            late[name] += makespan([seconds for _, seconds in order], gpus) / bound / 20
    assert late["ours"] < 1.1
    assert late["ours"] < late["shortest first"]


# -- shards ------------------------------------------------------------------------------------------------------------


@given(costs=st.lists(st.floats(0.1, 100), max_size=60), count=st.integers(1, 9))
def test_shards_are_a_partition_in_the_items_order(costs: list[float], count: int) -> None:
    items = list(enumerate(costs))
    parts = [shard(items, lambda item: item[1], index, count) for index in range(1, count + 1)]
    assert sorted(item for part in parts for item in part) == items
    assert all(one < other for part in parts for one, other in pairwise(part))


@pytest.mark.parametrize("costs", [QUICK, FULL], ids=["quick", "full"])
@pytest.mark.parametrize("count", [2, 3, 8, 10])
def test_shards_are_equally_long(costs: list[float], count: int) -> None:
    loads = [sum(shard(costs, same, index, count)) for index in range(1, count + 1)]
    assert max(loads) <= 1.1 * sum(costs) / count


# -- the queue ---------------------------------------------------------------------------------------------------------


def test_items_are_taken_only_when_there_is_a_slot() -> None:
    taken = []

    def items() -> Iterator[str | None]:
        for item in ("a", None, "b"):
            taken.append(item)
            yield item

    queue = Queue(items())
    (slot,) = slots(1)
    assert queue.take([], {slot: False}) is None
    assert taken == []
    given_first = queue.take([slot], {})
    assert given_first is not None
    assert given_first[1].item == "a"
    assert queue.take([slot], {}) is None, "the next one is not known yet"
    queue.again("a", 2)
    again, fresh = queue.take([slot], {}), queue.take([slot], {})
    assert again is not None
    assert fresh is not None
    assert [(given[1].item, given[1].attempt) for given in (again, fresh)] == [("a", 2), ("b", 1)]
    assert not queue.empty
    assert queue.take([slot], {}) is None
    assert queue.empty
