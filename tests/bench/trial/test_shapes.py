"""Tasks of new shapes, trained end to end by the unchanged runner: a transcript (CTC), an input of two parts, an answer
that is fed back."""

from __future__ import annotations

import itertools

import pytest
import torch

from bench.trial import build, trial
from models.attention import Attention
from models.base import SequenceModel
from models.gru import GRU
from models.transformer import Transformer
from tasks.base import Batch
from tests.support.jobs import HERE, a_job, run
from tests.support.shapes import BLANK, Counting, Transcribe, Transcript

SHAPES = "tests.support.shapes"


@pytest.mark.parametrize(
    ("task", "model", "length", "steps", "skill"),
    [
        ("Transcribe", "gru", 12, 300, 0.5),
        ("Transcribe", "transformer", 12, 300, 0.2),
        ("Pointed", "gru", 6, 300, 0.5),
        ("Pointed", "attention", 6, 200, 0.2),
        ("Counting", "gru", 5, 150, 0.9),
        ("Counting", "transformer", 5, 150, 0.5),
    ],
)
def test_a_task_of_another_shape_is_learned(task: str, model: str, length: int, steps: int, skill: float) -> None:
    job = a_job(model, f"{SHAPES}:{task}", length, steps=steps, batch_size=32, hidden=24, evaluate_every=50, probes=2)
    result = run(job).result
    assert result.status == "ok", result.error
    assert result.score is not None
    assert result.score.skill > skill
    assert result.gradient_flow[-1].profiles["input"].log10_median[0] is not None


def test_ctc_is_the_sum_over_all_alignments() -> None:
    """Against every path of 5 frames over blank and two symbols, one by one."""
    logits = torch.randn(1, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    batch = Batch(logits, torch.tensor([[1, 2, 2]]), torch.ones(1, 5, dtype=torch.bool), torch.tensor([2]))
    total = 0.0
    for path in itertools.product(range(3), repeat=5):
        said = [symbol for symbol, _ in itertools.groupby(path) if symbol != BLANK]
        if said == [1, 2]:
            total += float(logits.log_softmax(-1)[0, range(5), path].sum().exp())
    answer = Transcript().answer(logits[0], batch)
    assert answer.shape == (1,)
    assert float(answer.exp()) == pytest.approx(total, rel=1e-12)


def test_a_constant_transcript_scores_chance() -> None:
    task = Transcribe(9)
    batch = task.draw(torch.Generator().manual_seed(0), 20_000)
    metric = task.spec.objective.metric()
    constant = torch.zeros(len(batch), 9, 5)
    constant[..., BLANK] = 1.0
    constant[:, 4, 3] = 2.0
    metric.update(constant.flatten(0, 1), batch)
    assert metric.compute().score == pytest.approx(task.chance, abs=0.01)


@pytest.mark.parametrize("kind", [GRU, Attention, Transformer])
def test_a_continuation_feeds_its_answers_back(kind: type[SequenceModel]) -> None:
    """By hand: a model's continuation is what it says when it reads its own words."""
    torch.manual_seed(0)
    task = Counting(6)
    model = kind(task.spec, hidden=6).double().eval()
    batch = task.training_batch(0)
    with torch.no_grad():
        outputs = model.generate(batch, task.feed, 6)
        words = batch.inputs[:, :1]
        for step in range(6):
            mask = torch.zeros(words.shape[:2], dtype=torch.bool)
            mask[:, -1] = True
            said = model(Batch(words, words[:, 0, 0], mask))
            torch.testing.assert_close(outputs[:, step], said, atol=1e-12, rtol=0)
            words = torch.cat([words, said.argmax(-1).view(-1, 1, 1)], dim=1)


def test_a_continuation_of_a_long_beginning_carries_its_state_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A beginning of 2,500 steps, in stretches, against one whole pass."""
    torch.manual_seed(0)
    task = Counting(2500)
    model = GRU(task.spec, hidden=5).double().eval()
    whole = task.training_batch(0).select(slice(2))
    late = Batch(whole.inputs, whole.targets[:2], torch.arange(2500).eq(2499).expand(2, 2500))
    with torch.no_grad():
        outputs = model.generate(late, task.feed, 1)
        torch.testing.assert_close(outputs[:, 0], model(late), atol=1e-12, rtol=0)


def test_a_task_that_forgets_is_refused_before_anything_trains() -> None:
    (message,) = build.check([a_job("gru", f"{SHAPES}:Asking")])
    assert message == "Asking does not state self.best (the score at skill 1): set it in __init__"
    assert trial.run(a_job("gru", f"{SHAPES}:Asking"), HERE).result.steps == 0
