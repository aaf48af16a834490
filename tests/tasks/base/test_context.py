"""Context use: which windows read what, against slow and plain versions of the same."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bench.records.memory import least_context
from models.oracle import Oracle
from models.window import Window
from tasks.base import Batch, generator
from tasks.base.context import contexts, windows_of
from tasks.char_lm import CharLM
from tasks.entities.windows import Encoded, Windows
from tasks.ner import NER


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (1, [1]),
        (2, [1, 2]),
        (3, [1, 2, 3]),
        (10, [1, 2, 5, 10]),
        (64, [1, 2, 5, 10, 20, 50, 64]),
        (1000, [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]),
    ],
)
def test_contexts(length: int, expected: list[int]) -> None:
    assert contexts(length) == expected


@pytest.mark.parametrize("context", [1, 2, 19, 20, 39, 40, 100, 250, 1000])
def test_windows_read_every_answer_once_from_nearly_the_whole_context(context: int) -> None:
    runs = [torch.arange(2000, 2050), torch.arange(2050, 2057), torch.arange(3000, 3050)]
    steps, number = torch.cat(runs), torch.cat([torch.arange(len(run)) for run in runs])
    starts, read = windows_of(steps, number, torch.zeros_like(steps), context)
    assert read.shape == (len(starts), context)
    found = [(int(starts[row]) + place, place + 1) for row, place in read.nonzero().tolist()]
    assert [step for step, _ in found] == steps.tolist()
    assert all(0.95 * context < seen <= context for _, seen in found)
    assert len(starts) <= math.ceil(107 / max(1, context // 20)) + 3


def test_a_window_does_not_begin_before_it_may() -> None:
    steps, number = torch.tensor([10, 11, 12, 30]), torch.tensor([0, 1, 2, 0])
    starts, read = windows_of(steps, number, torch.tensor([10, 10, 10, 29]), 5)
    assert starts.tolist() == [10, 10, 10, 29]
    assert read.nonzero().tolist() == [[0, 0], [1, 1], [2, 2], [3, 1]]


def numbered(lengths: list[int]) -> Encoded:
    total = torch.arange(sum(lengths))
    return Encoded(total[:, None] + 1, total % 7, total % 3, torch.tensor(lengths))


@pytest.mark.parametrize("context", [1, 2, 3, 7, 45])
@pytest.mark.parametrize("tokens", [1, 40, 70, 500])
def test_documents_cut_to_their_last_steps(context: int, tokens: int) -> None:
    lengths, lookahead = [30, 1, 4, 35, 5], 3
    ends = torch.tensor(lengths).cumsum(0).tolist()
    batches = list(Windows(numbered(lengths), 50, lookahead).cut(context, tokens))
    scored = [tag for batch in batches for tag in batch.targets.tolist()]
    assert len(scored) == min(tokens, sum(lengths))
    assert [tag for tag, _, _ in scored] == [i % 7 for i in range(len(scored))]
    token = 0
    for batch in batches:
        for row, step in batch.reads.mask.nonzero().tolist():
            document = next(i for i, end in enumerate(ends) if token < end)
            begin, end = ends[document] - lengths[document], ends[document]
            before = batch.inputs[row, : step + 1, 0].tolist()
            # What is read up to the step that tags `token`: up to its look-ahead, padding past the end.
            reach = [i + 1 if i < end else 0 for i in range(token + lookahead - len(before) + 1, token + lookahead + 1)]
            assert before == reach
            longest = min(context, token + lookahead - begin + 1)
            assert 0.95 * context - 1 < len(before) or len(before) == longest
            assert len(before) <= longest
            token += 1


class Lookback(nn.Module):
    """Predicts with certainty the character that was read `distance` steps before, else all alike."""

    def __init__(self, distance: int, outputs: int) -> None:
        super().__init__()
        self.distance, self.outputs = distance, outputs

    def forward(self, batch: Batch) -> Tensor:
        ids = nn.functional.one_hot(batch.inputs[..., 0], self.outputs).float()
        moved = nn.functional.pad(ids, (0, 0, self.distance, 0))[:, : ids.size(1)]
        return batch.reads.pick(50 * moved)


@pytest.fixture
def periodic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """30,000 characters in which every one is that of 15 before it, but for one in forty, which is new: often the one
    before it once more, so that n-grams have something to find."""
    monkeypatch.setattr("tasks.characters.ngram.cache", lambda: tmp_path / "cache")
    random = generator(0, "periodic")
    letters = torch.randint(8, (30_000,), generator=random).tolist()
    again, double = torch.rand(2, 30_000, generator=random).tolist()
    for i in range(1, 30_000):
        if i >= 15 and again[i] > 1 / 40:
            letters[i] = letters[i - 15]
        elif double[i] > 1 / 2:
            letters[i] = letters[i - 1]
    path = tmp_path / "periodic.txt"
    path.write_text("".join("abcdefgh"[i] for i in letters))
    return str(path)


@pytest.mark.parametrize("length", [20, 100, 300])
def test_a_character_model_that_looks_fifteen_back_uses_twenty(periodic: str, length: int) -> None:
    """It needs 15 characters, and 20 is the first context that holds them (.95 · 20 = 19)."""
    task = CharLM(length, corpus=periodic)
    points = task.context_use(Lookback(14, task.spec.outputs))
    scores = dict(points)
    assert scores[10] == pytest.approx(3)  # eight alike
    assert scores[20] < 3
    assert all(scores[c] == pytest.approx(scores[20]) for c in scores if c > 20)
    assert least_context(points, task.context_tolerance, higher_is_better=False) == (20, False)


def test_the_characters_scored_are_fixed_and_lie_over_the_whole_test_part(periodic: str) -> None:
    seen: dict[int, list[str]] = {}

    class Remember(Lookback):
        def forward(self, batch: Batch) -> Tensor:
            for row, step in batch.reads.mask.nonzero().tolist():
                last = batch.inputs[row, max(0, step - 9) : step + 1, 0].tolist()
                seen.setdefault(batch.steps, []).append("".join(map(str, last)))
            return super().forward(batch)

    for length in (20, 300):
        seen.clear()
        CharLM(length, corpus=periodic).context_use(Remember(1, 8))
        text = "".join(str("abcdefgh".index(c)) for c in Path(periodic).read_text())
        test = text[28_500:]
        for context, found in seen.items():
            assert len(found) == 1000
            if context >= 20:
                # Runs of 50 that begin every 75 characters of the test part's 1,500.
                places = [28_500 + 75 * run + i for run in range(20) for i in range(50)]
                assert found == [text[place - 10 : place] for place in places]
        assert len(test) == 1500


def test_generated_entities_use_the_far_cue() -> None:
    task = NER(100, corpus="generated")
    assert task.reach == 48
    points = task.context_use(Oracle(task.spec))
    scores = dict(points)
    assert scores[1] == scores[2] == 0
    assert scores[100] == 1
    assert scores[50] < 0.8  # the cue lies 48 tokens and the look-ahead of 3 back: 52 steps
    assert least_context(points, task.context_tolerance, higher_is_better=True) == (100, False)
    near = task.context_use(Window(task.spec, k=7))
    assert least_context(near, task.context_tolerance, higher_is_better=True).steps == 10
