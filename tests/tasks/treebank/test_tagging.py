from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from tasks.base import Batch
from tasks.treebank.tagging import Tagging

OUTPUTS = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [0.0, 0.0, 1.0], [4.0, 0.0, 0.0]])


def batch(groups: list[int]) -> Batch:
    targets = torch.tensor([[0, 0, groups[0]], [1, 0, groups[1]], [0, 0, groups[2]], [1, 1, groups[3]]])
    return Batch(torch.zeros(2, 2, 1), targets, torch.ones(2, 2, dtype=torch.bool))


def test_every_token_is_trained_on() -> None:
    expected = float(cross_entropy(OUTPUTS, torch.tensor([0, 1, 0, 1])))
    for groups in ([1, 1, 1, 1], [0, 0, 0, 1]):
        assert float(Tagging().loss(OUTPUTS, batch(groups))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("groups", "score", "n"),
    [([1, 1, 1, 1], 2 / 4, 4), ([1, 2, 0, 0], 1, 2), ([0, 2, 1, 0], 1 / 2, 2), ([0] * 4, 0, 0)],
)
def test_tokens_in_a_group_are_scored(groups: list[int], score: float, n: int) -> None:
    metric = Tagging().metric()
    metric.update(OUTPUTS, batch(groups))
    found = metric.compute()
    assert (found.score, found.n) == (score, n)


def test_the_answer_is_the_log_odds_of_the_true_tag() -> None:
    one = Batch(torch.zeros(1, 1, 1), torch.tensor([[2, 0, 1]]), torch.ones(1, 1, dtype=torch.bool))
    answer = Tagging().answer(OUTPUTS[:1], one)
    assert answer.tolist() == pytest.approx([1 - torch.tensor([2.0, 0.0]).logsumexp(0).item()])
