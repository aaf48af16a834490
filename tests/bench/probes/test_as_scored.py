"""What five sequences in float64 do not show: more of them, single precision, inference mode, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from bench import catalog
from bench.probes import as_scored, causality
from models.base import SequenceModel
from tasks.adding import Adding
from tasks.base import Task
from tasks.char_lm import CharLM
from tasks.copying import Copying
from tasks.ner import NER
from tasks.running_average import RunningAverage
from tests.support.models import seeded
from tests.support.sight import CHEATS, INNOCENT, sight

TASKS: dict[str, Task] = {
    "running_average 12": RunningAverage(12),
    "running_average 300": RunningAverage(300),
    "copying 12": Copying(12),
    "adding 12": Adding(12),
    "char_lm 20": CharLM(20, corpus="python"),
    "ner 12": NER(12, corpus="generated", batch_size=4),
}
SEEN = ("running_average 12", "copying 12", "char_lm 20")


def reason(model_class: type[SequenceModel], task: Task) -> str | None:
    return as_scored.violation(
        seeded(lambda: model_class(task.spec)), task.training_batch(0), next(iter(task.val_dataloader()))
    )


def where(condition: Callable[[Any, Tensor], bool], cheat: Callable[[Tensor], Tensor]) -> type[SequenceModel]:
    return sight(lambda self, h, layer: cheat(h) if condition(self, h) else h)


def ahead(h: Tensor) -> Tensor:
    return h + h.roll(-1, 1)


def in_groups(h: Tensor) -> Tensor:
    groups = h.view(-1, 8, *h.shape[1:])
    return (h.view_as(groups) - groups.mean(1, keepdim=True)).view_as(h)


HIDDEN = {
    "groups of eight": (where(lambda self, h: len(h) % 8 == 0, in_groups), "other sequences"),
    "ahead in large batches": (where(lambda self, h: len(h) >= 64 and not self.training, ahead), "after step"),
    "ahead in single precision": (where(lambda self, h: h.dtype == torch.float32, ahead), "after step"),
    "ahead in inference mode": (where(lambda self, h: torch.is_inference_mode_enabled(), ahead), "after step"),
    "ahead with gradients": (where(lambda self, h: torch.is_grad_enabled(), ahead), "after step"),
    "one for all by their number": (where(lambda self, h: True, lambda h: h * len(h) ** 0.1), "cut in parts"),
}  # fmt: skip


@pytest.mark.parametrize("task", SEEN)
@pytest.mark.parametrize("name", HIDDEN)
def test_what_few_sequences_do_not_show_is_found(name: str, task: str) -> None:
    model, words = HIDDEN[name]
    if "large" in name and len(next(iter(TASKS[task].val_dataloader()))) < 64:
        pytest.skip("no batch is so large")
    assert words in str(reason(model, TASKS[task]))


def test_mode_and_batch_are_named() -> None:
    text = str(reason(HIDDEN["ahead with gradients"][0], TASKS["running_average 12"]))
    assert "(in training mode, in a batch of 32)" in text


def test_other_sequences_show_where_reading_ahead_is_allowed() -> None:
    """Noise hides what the parts would show, and nothing is compared step by step."""
    noisy = where(lambda self, h: len(h) > 8, lambda h: in_pairs(h) + torch.randn_like(h))
    task = NER(12, corpus="generated", batch_size=16)
    assert "other sequences" in str(reason(noisy, task))


def in_pairs(h: Tensor) -> Tensor:
    return h + h.roll(1, 0)


def chaotic(self: Any, h: Tensor, layer: Any) -> Tensor:
    """A map that doubles every difference at each step."""
    state, states = torch.zeros_like(h[:, 0]), []
    for step in h.unbind(1):
        state = torch.sin(3 * state + step)
        states.append(state)
    return torch.stack(states, 1)


MORE_INNOCENT = {
    "noise of its own for every position": sight(
        lambda self, h, layer: h + torch.rand(h.shape, generator=self.numbers).to(h)
    ),
    "noise for every position": sight(lambda self, h, layer: h + 0.1 * torch.randn_like(h)),
    "rounding that grows": sight(chaotic),
    "half precision inside": sight(lambda self, h, layer: h.bfloat16().cumsum(1).to(h.dtype)),
}


@pytest.mark.parametrize("task", [*SEEN, "running_average 300"])
@pytest.mark.parametrize("name", [*INNOCENT, *MORE_INNOCENT])
def test_an_innocent_model_is_not_accused(name: str, task: str) -> None:
    assert reason((INNOCENT | MORE_INNOCENT)[name], TASKS[task]) is None


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", catalog.names("model"))
def test_no_model_of_the_suite_is_accused(name: str, task: str) -> None:
    try:
        assert reason(catalog.card("model", name).load(), TASKS[task]) is None
    except NotImplementedError:
        pytest.skip("a control, and the task has no solution")


def test_rounding_that_grows_is_told_from_a_dependence(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the growth of rounding excuses is not excused without it: the tolerance is what decides."""
    task = TASKS["running_average 300"]
    batch = next(iter(task.val_dataloader()))

    def shaken(self: Any, h: Tensor, layer: Any) -> Tensor:
        return chaotic(self, h * (1 + 1e-7 * (len(h) % 2)), layer)

    assert reason(sight(shaken), task) is None
    monkeypatch.setattr(as_scored, "_rounding", lambda *given, **named: 0.0)
    assert "cut in parts" in str(as_scored.violation(seeded(lambda: sight(shaken)(task.spec)), None, batch))


@pytest.mark.parametrize("name", ["bidirectional", "sum over the batch", "the future in training only"])
def test_a_model_is_left_as_it_was(name: str) -> None:
    task = TASKS["running_average 12"]
    model = seeded(lambda: CHEATS[name](task.spec)).train()
    before, drawn = {n: v.clone() for n, v in model.state_dict().items()}, torch.get_rng_state()
    assert as_scored.violation(model, task.training_batch(0), next(iter(task.val_dataloader()))) is not None
    assert all(torch.equal(value, before[n]) for n, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(module.training for module in model.modules())
    assert not any(parameter.is_inference() for parameter in model.parameters())


# -- what also shows in few sequences ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", causality.CHUNKS)
def test_the_end_of_a_chunk_is_looked_at(size: int) -> None:
    """The last step of each chunk sees the first of the next."""

    def leaks(self: Any, h: Tensor, layer: Any) -> Tensor:
        leak, first = torch.zeros_like(h), h[:, size::size]
        leak[:, size - 1 :: size][:, : first.size(1)] = first
        return h + leak

    for length in (size + 20, 2 * size, 1000):
        task = RunningAverage(length)
        assert "after step" in str(reason(sight(leaks), task)), length
        if size < causality.SHORT or length < 2 * causality.SHORT:
            model = seeded(lambda task=task: sight(leaks)(task.spec))
            assert "after step" in str(causality.violation(model, task.training_batch(0), training=False)), length


def test_inputs_that_are_changed_in_place_are_named() -> None:
    class Halves(CHEATS["flip"]):  # type: ignore[misc]
        def encode(self, x: Tensor, reads: Any) -> Tensor:
            x.mul_(0.5)
            return self.pick(torch.tanh(self.body[0](x)), reads)

        def see(self, h: Tensor, layer: object) -> Tensor:
            return h

    task = TASKS["running_average 12"]
    text = str(causality.violation(seeded(lambda: Halves(task.spec)), task.training_batch(0), training=True))
    assert "Halves: it changes its inputs in place" in text
    assert "x = x * 0.5" in text
    assert "changes its inputs in place" in str(reason(Halves, task))
    tokens = TASKS["copying 12"]  # what is changed there is the model's own embedding
    assert causality.violation(seeded(lambda: Halves(tokens.spec)), tokens.training_batch(0), training=True) is None
