from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from bench import catalog
from bench.probes import causality
from models.base import SequenceModel
from tasks.adding import Adding
from tasks.base import Task
from tasks.char_lm import CharLM
from tasks.copying import Copying
from tasks.ner import NER
from tasks.running_average import RunningAverage
from tests.support.models import seeded
from tests.support.sight import CHEATS, INNOCENT

LENGTHS = (2, 12, 60)
TASKS: dict[str, Task] = {
    **{f"running_average {length}": RunningAverage(length) for length in LENGTHS},
    **{f"copying {length}": Copying(length, loss="all") for length in LENGTHS},
    **{f"copying {length}, recalls": Copying(length) for length in LENGTHS},
    "adding 12": Adding(12),
    "char_lm 20": CharLM(20, corpus="python"),
    "ner 12": NER(12, corpus="generated", batch_size=4),
}
SEEN = ("running_average 12", "copying 12", "char_lm 20")


def found(model: SequenceModel, task: Task) -> str | None:
    return causality.violation(model, task.training_batch(0), training=True)


def built(model_class: type[SequenceModel], task: Task) -> SequenceModel:
    return seeded(lambda: model_class(task.spec))


@pytest.mark.parametrize("task", SEEN)
@pytest.mark.parametrize("name", CHEATS)
def test_a_model_that_reads_what_it_may_not_is_found(name: str, task: str) -> None:
    reason = found(built(CHEATS[name], TASKS[task]), TASKS[task])
    assert reason is not None
    assert ("training mode" in reason) == ("in training only" in name)
    assert "depends on" in reason


@pytest.mark.parametrize("task", SEEN)
@pytest.mark.parametrize("name", INNOCENT)
def test_a_model_that_does_not_is_not_accused(name: str, task: str) -> None:
    assert found(built(INNOCENT[name], TASKS[task]), TASKS[task]) is None


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", catalog.names("model"))
def test_every_model_of_the_suite_reads_what_it_may(name: str, task: str) -> None:
    try:
        model = built(catalog.card("model", name).load(), TASKS[task])
    except NotImplementedError:
        pytest.skip("a control, and the task has no solution")
    assert found(model, TASKS[task]) is None


def test_where_reading_ahead_is_allowed_it_is() -> None:
    task = TASKS["ner 12"]
    assert found(built(CHEATS["bidirectional"], task), task) is None
    assert "other sequences" in str(found(built(CHEATS["statistics over the batch"], task), task))


def test_one_late_step_is_found() -> None:
    """A leak at one read step of 60: within the first 32 each is looked at."""
    task = TASKS["running_average 60"]

    class Late(CHEATS["flip"]):  # type: ignore[misc]
        def see(self, h: torch.Tensor, layer: object) -> torch.Tensor:
            leak = torch.zeros_like(h)
            leak[:, 20] = h[:, 21]
            return h + leak

    assert "step 20" in str(found(built(Late, task), task))


@pytest.mark.parametrize("name", [*CHEATS, *INNOCENT])
def test_a_model_is_left_as_it_was(name: str) -> None:
    task = TASKS["running_average 12"]
    model = built((CHEATS | INNOCENT)[name], task).train()
    model.body.eval()

    def state() -> list[object]:
        bits = [(n, v.dtype, v.tolist()) for n, v in (*model.named_parameters(), *model.named_buffers())]
        own = [vars(model)[n] for n in ("calls", "notes", "evaluation")], {**vars(model)["cache"]}
        drawn = torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()
        return [bits, own, drawn, vars(model)["numbers"].get_state().tolist(), [m.training for m in model.modules()]]

    before = state()
    found(model, task)
    assert state() == before
