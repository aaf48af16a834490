from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tasks.base import Batch, FramewiseTranscription, Transcription, generator
from tasks.base.transcription import constant_error, decode, edits


def spoken(path: tuple[int, ...]) -> list[int]:
    return [symbol for symbol, _ in itertools.groupby(path) if symbol]


@pytest.mark.parametrize("transcript", [[1, 2], [1, 1], [2], [1, 2, 1], []])
@pytest.mark.parametrize("frames", [3, 5])
def test_the_loss_is_the_sum_over_all_alignments(transcript: list[int], frames: int) -> None:
    """Against every path over the blank and two symbols, one by one; and its gradient against theirs."""
    logits = torch.randn(1, frames, 3, dtype=torch.float64, generator=generator(0, "ctc", frames)).requires_grad_()
    padded = torch.tensor([[*transcript, 0, 0, 0][:3]])
    batch = Batch(logits, padded, torch.ones(1, frames, dtype=torch.bool), torch.tensor([len(transcript)]))
    paths = [path for path in itertools.product(range(3), repeat=frames) if spoken(path) == transcript]
    each = [logits.log_softmax(-1)[0, range(frames), path].sum() for path in paths]
    total = torch.stack(each).logsumexp(0)
    answer = Transcription().answer(logits[0], batch)
    assert answer.tolist() == pytest.approx([total.item()], rel=1e-12)
    ours, theirs = (torch.autograd.grad(value, logits)[0] for value in (answer.sum(), total))
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)
    if transcript:
        loss = Transcription().loss(logits[0], batch)
        assert loss.item() == pytest.approx(-total.item() / len(transcript))


def test_the_loss_weighs_sequences_alike() -> None:
    logits = torch.randn(2, 6, 4, generator=generator(0, "loss"))
    batch = Batch(
        logits, torch.tensor([[1, 2, 3], [2, 0, 0]]), torch.ones(2, 6, dtype=torch.bool), torch.tensor([3, 1])
    )
    one, two = Transcription().answer(logits.flatten(0, 1), batch).tolist()
    assert float(Transcription().loss(logits.flatten(0, 1), batch)) == pytest.approx(-(one / 3 + two) / 2)


def test_decoding_removes_repetitions_then_blanks() -> None:
    frames = torch.tensor([[1, 1, 0, 1, 2, 2, 0], [0, 0, 0, 0, 0, 0, 0], [3, 3, 3, 3, 3, 3, 3], [1, 2, 1, 2, 1, 2, 3]])
    symbols, lengths = decode(frames)
    assert [row[:n] for row, n in zip(symbols.tolist(), lengths.tolist(), strict=True)] == [
        spoken(tuple(row)) for row in frames.tolist()
    ]
    assert lengths.tolist() == [3, 0, 1, 7]
    assert not symbols[torch.arange(7) >= lengths[:, None]].any()


def distance(a: list[int], b: list[int]) -> int:
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b[1:]) + (a[0] != b[0]), distance(a[1:], b) + 1, distance(a, b[1:]) + 1)


def drawn() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    random = generator(0, "edits")
    said, right = (torch.randint(1, 4, (60, n), generator=random) for n in (5, 6))
    return said, torch.randint(0, 6, (60,), generator=random), right, torch.randint(1, 7, (60,), generator=random)


def test_errors_are_counted_as_by_the_recursion() -> None:
    said, m, right, n = drawn()
    expected = [distance(said[i, : m[i]].tolist(), right[i, : n[i]].tolist()) for i in range(60)]
    assert edits(said, m, right, n).tolist() == expected


def test_the_best_beginning_of_a_constant() -> None:
    _, _, right, n = drawn()
    said = torch.tensor([1, 2, 3, 1, 2, 3, 1])
    rates = [
        sum(distance(said[:m].tolist(), right[i, : n[i]].tolist()) for i in range(60)) / int(n.sum()) for m in range(8)
    ]
    assert constant_error(said, right, n) == pytest.approx(min(rates))
    assert min(rates) < rates[0] == 1


def test_both_objectives_score_alike() -> None:
    """Two sequences: one right, one with a symbol replaced and one missing of three."""
    right = torch.tensor([[0, 1, 1, 0, 2, 0], [3, 0, 3, 1, 1, 0]])
    said = torch.tensor([[1, 1, 0, 0, 2, 2], [3, 0, 2, 0, 0, 0]])
    outputs = one_hot(said, 4).float().flatten(0, 1)
    reads = torch.ones(2, 6, dtype=torch.bool)
    aligned = Batch(right[..., None], right.flatten(), reads)
    free = Batch(right[..., None], torch.tensor([[1, 2, 0], [3, 3, 1]]), reads, torch.tensor([2, 3]))
    for objective, batch in ((FramewiseTranscription(), aligned), (Transcription(), free)):
        metric = objective.metric()
        metric.update(outputs, batch)
        found = metric.compute()
        assert (found.score, found.n, found.blocks) == (2 / 5, 2, ((0, 2), (2, 3)))
    assert FramewiseTranscription().loss(outputs, aligned) > 0
