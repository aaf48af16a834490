"""Span decoding and its score, held against seqeval's answers; the objective of tagging spans."""

import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tasks.base import Evaluation
from tasks.entities.spans import SpanF1, SpanTagging, begin, inside, span_ends
from tests.support.batches import a_batch
from tests.tasks.entities.record import ANSWERS, NAMES

CLASSES = len(NAMES)
TEXTS: list[dict[str, Any]] = json.loads(ANSWERS.read_text())


def rows(*columns: list[int]) -> Tensor:
    return torch.tensor(columns).T


def scored(predicted: list[int], targets: Tensor, lenient: bool = False, pieces: int = 1) -> Evaluation:
    metric = SpanF1(lenient)
    outputs = one_hot(torch.tensor(predicted), CLASSES).float()
    for part, target in zip(outputs.tensor_split(pieces), targets.tensor_split(pieces), strict=True):
        if len(part):
            metric.update(part, a_batch(target))
    evaluation = metric.compute()
    assert isinstance(evaluation, Evaluation)
    return evaluation


def test_tag_numbers() -> None:
    assert [NAMES[begin(1)], NAMES[inside(1)], NAMES[begin(0)], NAMES[inside(0)]] == [
        "B-LOC",
        "I-LOC",
        "B-PER",
        "I-PER",
    ]


@pytest.mark.parametrize("mode", ["strict", "lenient"])
def test_score_is_seqeval(mode: str) -> None:
    """Of every text, in one batch or in up to seven."""
    assert {len(text["gold"]) for text in TEXTS} == {1, 2, 3, 4, 5}
    for number, text in enumerate(TEXTS):
        gold = [(int(tag), i, 0) for i, document in enumerate(text["gold"]) for tag in document]
        predicted = [int(tag) for document in text["predicted"] for tag in document]
        got = scored(predicted, torch.tensor(gold), mode == "lenient", 1 + number % 7)
        of_all = (got.score, got.extras["precision"], got.extras["recall"])
        assert of_all == pytest.approx(text[mode]), (number, text)


def test_decoding_by_hand() -> None:
    #           B-PER I-PER I-LOC O  I-LOC I-LOC | I-LOC B-LOC B-LOC I-LOC
    tags = torch.tensor([1, 2, 4, 0, 4, 4, 4, 3, 3, 4])
    documents = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    assert span_ends(tags, documents).tolist() == [1, -1, -1, -1, -1, -1, -1, 7, 9, -1]
    assert span_ends(tags, documents, lenient=True).tolist() == [1, -1, 2, -1, 5, -1, 6, 7, 9, -1]


def test_both_ends_and_the_type_must_be_right() -> None:
    gold = [1, 2, 0, 1, 2, 0, 3, 0, 1]
    targets = rows(gold, [0] * 9, [0] * 9)
    assert scored(gold, targets).score == 1
    too_short, wrong_type, too_long = [1, 0], [3, 4], [1, 2, 2]
    assert scored([*too_short, 0, *gold[3:]], targets).score == 3 / 4
    assert scored([*wrong_type, 0, *gold[3:]], targets).score == 3 / 4
    assert scored([*too_long, *gold[3:]], targets).score == 3 / 4
    silent = scored([0] * 9, targets)
    assert (silent.score, silent.n) == (0, 4)


def test_a_span_cut_by_a_batch_is_one_span() -> None:
    gold = [0, 1, 2, 2, 0]
    targets = rows(gold, [0] * 5, [0] * 5)
    for pieces in range(1, 6):
        assert scored(gold, targets, pieces=pieces).score == 1


def test_blocks_are_stretches_of_the_stream() -> None:
    """128 tokens are 64 stretches of two; a span counts where it begins."""
    gold = [0] * 128
    gold[1:4] = [1, 2, 2]
    gold[6] = 3
    predicted = list(gold)
    predicted[6], predicted[127] = 1, 1
    got = scored(predicted, rows(gold, [0] * 128, [0] * 128))
    assert got.blocks[0] == (2, 2)
    assert got.blocks[1:3] == ((0, 0), (0, 0))
    assert got.blocks[3] == (0, 2)
    assert got.blocks[63] == (0, 1)
    assert len(got.blocks) == 64
    assert got.score == sum(n for n, _ in got.blocks) / sum(d for _, d in got.blocks) == 2 / 5
    assert got.n == 2


def test_recall_by_group() -> None:
    gold = [1, 0, 1, 2, 0, 3, 0, 3]
    groups = [1, 0, 2, 2, 0, 2, 0, 2]
    got = scored([1, 0, 1, 0, 0, 3, 0, 1], rows(gold, [0] * 8, groups))
    assert (got.extras["recall_near"], got.extras["recall_far"]) == (1, pytest.approx(1 / 3))
    assert got.extras["recall"] == 2 / 4


def test_metric_can_be_read_twice_and_reset() -> None:
    metric = SpanTagging().metric()
    targets = rows([1, 0], [0, 0], [0, 0])
    metric.update(one_hot(torch.tensor([1, 0]), CLASSES), a_batch(targets))
    assert metric.compute() == metric.compute()
    metric.reset()
    metric.update(one_hot(torch.tensor([0, 0]), CLASSES), a_batch(targets))
    assert metric.compute().score == 0


def test_objective() -> None:
    objective = SpanTagging()
    outputs = torch.tensor([[0.0, math.log(3.0), 0.0], [2.0, 0.0, 0.0]])
    targets = rows([1, 2], [0, 0], [0, 0])
    p = [3 / 5, 1 / (2 + math.exp(2.0))]
    assert objective.loss(outputs, a_batch(targets)).item() == pytest.approx(-sum(map(math.log, p)) / 2)
    # The log odds log p/(1−p); its gradient is finite.
    outputs.requires_grad_()
    answer = objective.answer(outputs, a_batch(targets))
    assert answer.tolist() == pytest.approx([math.log(q / (1 - q)) for q in p])
    answer.sum().backward()
    assert outputs.grad is not None
    assert outputs.grad[0].tolist() == pytest.approx([-0.5, 1, -0.5])
    assert (objective.metric_name, objective.unit, objective.counted) == ("span F1", "F1", "gold spans")
    assert objective.higher_is_better
