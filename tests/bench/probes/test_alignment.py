from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.probes.alignment import alignment, has_frames
from models.gru import GRU
from tasks.adding import Adding
from tasks.ocr import OCR
from tasks.speech import Speech


class Says(torch.nn.Module):
    """A model that gives fixed outputs (reads, classes)."""

    def __init__(self, classes: list[int], outputs: int, sure: float = 20.0) -> None:
        super().__init__()
        self.said = sure * torch.nn.functional.one_hot(torch.tensor(classes), outputs).float()

    def forward(self, batch: Any) -> torch.Tensor:
        assert len(batch) == 1, "one sequence is asked"
        return self.said


def test_a_transcript_said_frame_by_frame() -> None:
    task = Speech(10)
    model = Says([0, 3, 3, 0, 3, 7, 7, 7, 0, 0], 9)
    steps, beside = alignment(task, model, task.training_batch(0))  # type: ignore[arg-type]
    by_name = {row.name: row.cells for row in steps}
    assert by_name["said"] == tuple("-33-3777--")
    assert [round(float(p)) for p in by_name["p 3"]] == [0, 1, 1, 0, 1, 0, 0, 0, 0, 0]
    assert [row.cells for row in beside] == [tuple("337")]
    right = {str(symbol) for symbol in task.training_batch(0).targets[0].tolist() if symbol}
    assert {name[2:] for name in by_name if name.startswith("p ")} == {"-", "3", "7", *right}


def test_steps_that_are_not_read_have_none() -> None:
    task = OCR(10, alignment="framewise")
    steps, beside = alignment(task, Says([1] * 10, 11), task.training_batch(0))  # type: ignore[arg-type]
    assert steps[-1].cells == (*"·····", *"aaaaaaaaaa")
    assert steps[1].cells[:5] == (0.0,) * 5
    assert beside[0].cells == ("a",)


def test_a_model_is_left_as_it_was() -> None:
    task = Speech(10)
    model = GRU(task.spec, hidden=4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    steps, _ = alignment(task, model, task.training_batch(0))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    shares = torch.tensor([[float(p) for p in row.cells] for row in steps[:-1]])
    assert bool((shares.sum(0) <= 1 + 1e-5).all())


@pytest.mark.parametrize(
    ("task", "frames"), [(Speech(10), True), (OCR(10, alignment="framewise"), True), (Adding(5), False)]
)
def test_which_tasks_have_frames(task: Any, frames: bool) -> None:
    assert has_frames(task) is frames


def test_a_model_that_says_nothing() -> None:
    task = Speech(10)
    steps, beside = alignment(task, Says([0] * 10, 9), task.training_batch(0))  # type: ignore[arg-type]
    assert steps[-1].cells == (*"----------",)
    assert beside[0].cells == ()
