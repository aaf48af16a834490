"""The window's figures in closed form: scores, horizons, and what it cannot know."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from models.window import Window
from tasks.adding import Adding
from tasks.base import Batch, Task, generator
from tasks.copying import Copying
from tasks.ner import NER
from tasks.running_average import RunningAverage
from tests.support.batches import a_batch

SAMPLES = 20_000


def score(task: Task, k: int, sequences: int) -> tuple[float, float]:
    """Score of window:k=… on fresh sequences, and its standard error from the blocks."""
    batch = task.draw(generator(0, "window", k), sequences)  # type: ignore[attr-defined]
    metric = task.spec.objective.metric()
    metric.update(Window(task.spec, k=k)(batch), batch)
    evaluation = metric.compute()
    ratios = torch.tensor([numerator / denominator for numerator, denominator in evaluation.blocks])
    return evaluation.score, float(ratios.std()) / math.sqrt(len(ratios))


@pytest.mark.parametrize("marks", ["halves", "anywhere"])
@pytest.mark.parametrize("k", [1, 5, 10, 14, 20])
def test_adding_leaves_a_sixth_of_what_is_out_of_sight(marks: Literal["halves", "anywhere"], k: int) -> None:
    """(1/6)(1 − K/T), so that skill is K/T and the horizon K."""
    task = Adding(20, marks=marks)
    value, error = score(task, k, SAMPLES)
    expected = (1 / 6) * (1 - k / 20)
    assert abs(value - expected) <= 4 * error + 1e-12
    assert error < 0.003
    assert task.skill(expected) == pytest.approx(k / 20)
    assert task.memory_horizon(expected) == pytest.approx(k)
    assert task.memory_horizon(value) == pytest.approx(k, abs=80 * error * 6 + 1e-6)


@pytest.mark.parametrize("k", [1, 8, 30])
def test_early_markers_out_of_sight_have_mean_zero(k: int) -> None:
    """No other answer that depends on the same steps does better: shifting or scaling it only adds error."""
    task = Adding(30, marks="early")
    batch = task.draw(generator(0, "early"), SAMPLES)
    answers = Window(task.spec, k=k)(batch).squeeze(1)
    residual = (batch.targets - answers).double()
    for feature in (torch.ones_like(residual), answers.double() - 0.5):
        slack = 4 * float((residual * feature).std()) / math.sqrt(SAMPLES)
        assert abs(float((residual * feature).mean())) <= slack + 1e-9


@pytest.mark.parametrize("k", [1, 3, 10, 40, 99])
@pytest.mark.parametrize("alpha", [None, 0.9])
def test_running_average_has_the_horizon_k(k: int, alpha: float | None) -> None:
    task = RunningAverage(100, alpha=alpha)
    q = task.alpha**2
    variances = [(1 - q**t) / (1 - q) for t in range(1, 101)]
    unseen = [(q**k - q**t) / (1 - q) if t > k else 0.0 for t in range(1, 101)]
    expected = math.fsum(unseen) / math.fsum(variances)
    assert task.memory_horizon(expected) == pytest.approx(k, abs=1e-3)
    value, error = score(task, k, 2000)
    assert abs(value - expected) <= 4 * error + 1e-12


def test_running_average_sums_the_window_by_hand() -> None:
    task = RunningAverage(4, alpha=0.5)
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0]])[..., None]
    batch = Batch(x, x[0], torch.ones(1, 4, dtype=torch.bool))
    scale = math.sqrt(0.75)
    for k, sums in ((1, [1, 2, 3, 4]), (2, [1, 2.5, 4, 5.5]), (3, [1, 2.5, 4.25, 6]), (4, [1, 2.5, 4.25, 6.125])):
        assert Window(task.spec, k=k)(batch).squeeze(1).tolist() == pytest.approx([scale * y for y in sums])


@pytest.mark.parametrize("loss", ["recall", "all"])
def test_copying_needs_the_delay_and_eleven_steps(loss: Literal["recall", "all"]) -> None:
    """A symbol is recalled T+10 steps after it was read, so it lies in a window of T+11 and in no shorter one."""
    task = Copying(12, loss=loss)
    batch = task.draw(generator(0, "copying"), 500)
    for k, right in ((12 + 11, True), (12 + 10, False), (1, False)):
        outputs = Window(task.spec, k=k)(batch)
        recalls = outputs.view(500, -1, 10)[:, -10:]
        wanted = batch.targets.view(500, -1)[:, -10:]
        if right:
            assert torch.equal(recalls.argmax(-1), wanted)
        else:
            shares = recalls.softmax(-1)
            assert torch.allclose(shares[..., :8], torch.full((), 1 / 8))
            assert float(shares[..., 8:].max()) < 1e-8
            entropy = task.spec.objective.loss(recalls.flatten(0, 1), a_batch(wanted.flatten()))
            assert float(entropy) == pytest.approx(math.log(8))
        frame = outputs.view(500, -1, 10)[:, :-10]
        assert bool((frame.argmax(-1) == 8).all())


def mention_tags(k: int, words: list[str], lookahead: int = 3) -> Tensor:
    """Probability of each tag (9) of the last word but `lookahead`, seen through a window of k steps."""
    task = NER(30, corpus="generated", lookahead=lookahead)
    ids = torch.tensor([[[WORD[word], 0, 0] for word in words]])
    read = torch.zeros(1, len(words), dtype=torch.bool)
    read[0, -1] = True
    return Window(task.spec, k=k)(Batch(ids, ids[:, -1, 0], read)).softmax(-1)[0]


WORD = {"<FAC>": 1, "<LOC>": 2, "<ORG>": 3, "<PER>": 4, "w00": 5, "w99": 104, "Name000": 105, "Name199": 304}


@pytest.mark.parametrize(
    ("k", "words", "expected"),
    [
        # the name's own cue in sight, and just out of sight: certain, and one of four types
        (7, ["w00", "<ORG>", "w00", "w00", "Name000", "w99", "w00", "w00"], {"B3": 1}),
        (6, ["w00", "<ORG>", "w00", "w00", "Name000", "w99", "w00", "w00"], {f"B{t}": 1 / 4 for t in "1234"}),
        # a second name; the one before it out of sight, it may as well be a mention's only one
        (5, ["<LOC>", "Name000", "Name199", "w99", "w00", "w00"], dict.fromkeys(("I1", "I2", "I3", "I4"), 0.25)),
        (6, ["<LOC>", "Name000", "Name199", "w99", "w00", "w00"], {"I2": 1}),
        (4, ["<LOC>", "Name000", "Name199", "w99", "w00", "w00"], {f"{p}{t}": 1 / 8 for p in "BI" for t in "1234"}),
        # the name before it out of sight, but another follows: it is the first
        (4, ["w00", "<PER>", "Name000", "Name199", "w00", "w00"], dict.fromkeys(("B1", "B2", "B3", "B4"), 0.25)),
        (5, ["w00", "<PER>", "Name000", "Name199", "w00", "w00"], {"B4": 1}),
        # a filler, a cue, and a cue that belongs to an earlier mention
        (9, ["<PER>", "w00", "w00", "Name000", "w00", "w00"], {"O": 1}),
        (9, ["w00", "<PER>", "w00", "Name000", "w00"], {"O": 1}),
        (9, ["<PER>", "Name000", "w00", "w99", "<FAC>", "Name199", "w00", "w00", "w00"], {"B1": 1}),
        # the token itself out of sight
        (3, ["<PER>", "Name000", "w00", "w00", "w00"], {"O": 1}),
    ],
)
def test_generated_entities_by_the_grammar(k: int, words: list[str], expected: dict[str, float]) -> None:
    names = ["O", *(f"{prefix}{kind}" for kind in "1234" for prefix in "BI")]
    found = mention_tags(k, words)
    assert found.tolist() == pytest.approx([expected.get(name, 0.0) for name in names], abs=1e-6)


def test_without_look_ahead_a_name_after_the_unseen_is_the_first_two_times_in_three() -> None:
    found = mention_tags(1, ["<PER>", "w00", "Name000"], lookahead=0)
    assert found[1::2].tolist() == pytest.approx([1 / 6] * 4, abs=1e-6)
    assert found[2::2].tolist() == pytest.approx([1 / 12] * 4, abs=1e-6)


def test_the_grammars_words_are_the_tasks_ids() -> None:
    from tasks.entities.generated import WORDS
    from tasks.entities.vocabulary import encoder

    ids = encoder(WORDS)(WORDS)[:, 0].tolist()
    assert ids == list(range(1, 305))
    assert {word: ids[WORDS.index(word)] for word in WORD} == WORD


@pytest.mark.parametrize("length", [12, 40])
def test_generated_entities_need_the_far_cue(length: int) -> None:
    """The second name's far cue lies D+1 tokens before it, and its tag r steps behind: D+r+2 steps; D+r for none."""
    task = NER(length, corpus="generated")
    assert task.reach is not None
    scores = {}
    for k in (task.reach + 5, task.reach + 3):
        model: Any = Window(task.spec, k=k)
        metric = task.spec.objective.metric()
        for batch in task.test_dataloader():
            metric.update(model(batch), batch)
        scores[k] = metric.compute()
    whole, blind = scores.values()
    assert whole.score == 1
    assert blind.score == pytest.approx(task.chance, abs=0.03)
    assert blind.extras["recall_near"] == 1
    assert blind.extras["recall_far"] == pytest.approx(0.25, abs=0.06)


def test_k_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="option k: expected at least 1, got 0"):
        Window(Adding(10).spec, k=0)
