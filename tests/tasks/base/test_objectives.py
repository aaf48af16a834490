from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torchmetrics
from torch import Tensor

import tasks.base
from tasks.base import Batch, NextToken, Objective, generator
from tasks.base.objectives import Accuracy, Continuation, Recall, RelativeSquaredError, SquaredError, log_odds
from tests.support.batches import a_batch

READ = torch.zeros(6, 5, dtype=torch.bool)
READ[:, 1:] = True


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(0, "objectives", shape))


def classes(count: int, reads: int) -> Tensor:
    return torch.randint(count, (reads,), generator=generator(0, "objectives", count, reads))


def test_squared_error_agrees_with_torchmetrics() -> None:
    ours, theirs = SquaredError().metric(), torchmetrics.MeanSquaredError()
    read = READ.clone()
    read[:, :-1] = False
    for part in range(3):
        outputs, targets = normal(6, 1) + part, normal(6)
        ours.update(outputs, a_batch(targets, read))
        theirs.update(outputs.squeeze(1), targets)
    assert ours.compute().score == pytest.approx(float(theirs.compute()), rel=1e-6)
    assert ours.compute().n == 18


def test_squared_error_loss_and_answer() -> None:
    outputs, targets = torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 1.0])
    assert float(SquaredError().loss(outputs, a_batch(targets))) == 2.5
    assert SquaredError().answer(outputs, a_batch(targets)).tolist() == [1.0, 3.0]


def test_relative_squared_error_is_of_sums_over_the_variance_read() -> None:
    variance = torch.tensor([100.0, 1.0, 2.0, 3.0, 4.0])  # step 0 is not read
    metric, theirs = RelativeSquaredError(variance).metric(), torchmetrics.MeanSquaredError()
    outputs, targets = normal(24, 1), normal(24)
    metric.update(outputs, a_batch(targets, READ))
    theirs.update(outputs.squeeze(1), targets)
    assert metric.compute().score == pytest.approx(float(theirs.compute()) * 24 / (6 * 10), rel=1e-6)
    loss = RelativeSquaredError(variance).loss(outputs, a_batch(targets))
    assert float(loss) == pytest.approx(float(theirs.compute()))
    assert RelativeSquaredError(variance).answer(outputs, a_batch(targets)).tolist() == outputs.squeeze(1).tolist()


def test_recall_agrees_with_torchmetrics_on_the_last_reads() -> None:
    ours = Recall(scored=3).metric()
    accuracy = torchmetrics.Accuracy(task="multiclass", num_classes=10, average="micro")
    each = [torchmetrics.Accuracy(task="multiclass", num_classes=10, average="micro") for _ in range(3)]
    nats: list[float] = []
    exact = 0
    for part in range(2):
        outputs, targets = normal(24, 10) * (part + 1), classes(10, 24)
        outputs[torch.arange(0, 24, 2), targets[::2]] += 2
        ours.update(outputs, a_batch(targets, READ))
        scored, right = outputs.view(6, 4, 10)[:, 1:], targets.view(6, 4)[:, 1:]
        accuracy.update(scored.reshape(-1, 10), right.reshape(-1))
        exact += int((scored.argmax(2) == right).all(1).sum())
        for i, metric in enumerate(each):
            metric.update(scored[:, i], right[:, i])
        nats.append(float(Recall(scored=3).loss(outputs, a_batch(targets))))
    evaluation = ours.compute()
    assert evaluation.score == pytest.approx(float(accuracy.compute()))
    assert 0 < evaluation.score < 1
    assert evaluation.n == 12
    recalls = [evaluation.extras[f"recall_{i}"] for i in range(3)]
    assert recalls == pytest.approx([float(metric.compute()) for metric in each])
    assert set(evaluation.extras) == {"recall_0", "recall_1", "recall_2", "exact", "cross_entropy"}
    assert evaluation.extras["exact"] == pytest.approx(exact / 12)
    assert evaluation.extras["cross_entropy"] == pytest.approx(sum(nats) / 2, rel=1e-6)


def test_recall_extras_start_afresh_after_a_reset() -> None:
    metric = Recall(scored=1).metric()
    metric.update(torch.tensor([[5.0, 0.0]]), a_batch(torch.tensor([1])))
    assert metric.compute().extras["recall_0"] == 0
    metric.reset()
    metric.update(torch.tensor([[5.0, 0.0]]), a_batch(torch.tensor([0])))
    assert metric.compute().extras["recall_0"] == 1
    assert metric.compute().extras["cross_entropy"] == pytest.approx(math.log1p(math.exp(-5)), rel=1e-6)


def test_accuracy_agrees_with_torchmetrics_on_every_read() -> None:
    ours = Accuracy().metric()
    theirs = torchmetrics.Accuracy(task="multiclass", num_classes=4, average="micro")
    for part in range(3):
        outputs, targets = normal(24, 4) + part, classes(4, 24)
        ours.update(outputs, a_batch(targets, READ))
        theirs.update(outputs, targets)
    found = ours.compute()
    assert (found.score, found.n) == (pytest.approx(float(theirs.compute())), 18)
    assert sum(whole for _, whole in found.blocks) == 72
    outputs, batch = normal(24, 4), a_batch(classes(4, 24), READ)
    last, recalled = Accuracy(scored=2).metric(), Recall(scored=2).metric()
    last.update(outputs, batch)
    recalled.update(outputs, batch)
    assert last.compute()[:3] == recalled.compute()[:3]
    for ours_, theirs_ in zip((Accuracy().loss, Accuracy().answer), (Recall(1).loss, Recall(1).answer), strict=True):
        assert torch.equal(ours_(outputs, batch), theirs_(outputs, batch))


def test_log_odds_are_those_of_the_softmax() -> None:
    outputs, targets = normal(7, 10).double().requires_grad_(), classes(10, 7)
    probability = outputs.softmax(1).gather(1, targets[:, None]).squeeze(1)
    answer = log_odds(outputs, targets)
    assert torch.allclose(answer, probability.log() - (1 - probability).log())
    # The loss's gradient is −(1 − p) times the answer's.
    (of_answer,) = torch.autograd.grad(answer.sum(), outputs, retain_graph=True)
    (of_loss,) = torch.autograd.grad(Recall(scored=1).loss(outputs, a_batch(targets)) * 7, outputs)
    assert torch.allclose(of_loss, -(1 - probability.detach())[:, None] * of_answer)
    assert torch.equal(Recall(scored=1).answer(outputs, a_batch(targets)), answer)


@pytest.mark.parametrize(
    ("objective", "up"),
    [
        (SquaredError(), False),
        (RelativeSquaredError(torch.ones(1)), False),
        (Recall(scored=1), True),
        (Accuracy(), True),
    ],
)
def test_cards(objective: SquaredError | RelativeSquaredError | Recall | Accuracy, up: bool) -> None:
    assert objective.higher_is_better is up
    assert objective.counted == "sequences"
    assert objective.metric_name
    assert objective.unit


def test_a_continuation_is_scored_place_by_place_and_as_a_whole() -> None:
    """Two sequences of three and one answers; one of the three is wrong."""
    mask = torch.tensor([[False, True, True, True], [False, True, False, False]])
    batch = Batch(torch.zeros(2, 4, 1), torch.tensor([0, 1, 2, 1]), mask)
    outputs = torch.nn.functional.one_hot(torch.tensor([0, 2, 2, 1]), 3).double()
    objective = Continuation()
    assert objective.free_running
    metric = objective.metric()
    metric.update(outputs, batch)
    found = metric.compute()
    assert (found.score, found.n, found.extras) == (3 / 4, 2, {"exact": 0.5})
    assert float(objective.loss(outputs, batch)) == pytest.approx(
        float(torch.nn.functional.cross_entropy(outputs, batch.targets))
    )
    once = batch.answered(torch.tensor([2, 1]))
    assert objective.answer(outputs[[1, 3]], once).tolist() == pytest.approx([-math.log(1 + math.e), 1 - math.log(2)])


def test_the_guide_lists_every_public_objective() -> None:
    page = (Path(__file__).parents[3] / "docs" / "parts.md").read_text("utf-8")
    public = [
        value for value in vars(tasks.base).values()
        if isinstance(value, type) and issubclass(value, Objective) and value is not Objective
    ]  # fmt: skip
    assert len(public) >= 8
    assert [kind.__name__ for kind in public if f"`{kind.__name__}(" not in page] == []


def test_the_next_token_may_be_any() -> None:
    assert (NextToken().metric_name, NextToken().counted) == ("bits_per_character", "characters")
    assert (NextToken("word").metric_name, NextToken("word").counted) == ("bits_per_word", "words")
    outputs, read = torch.zeros(2, 8), torch.ones(1, 2, dtype=torch.bool)
    batch = Batch(torch.zeros(1, 2, 1, dtype=torch.long), torch.tensor([3, 5]), read)
    metric = NextToken("word").metric()
    metric.update(outputs, batch)
    assert metric.compute().score == pytest.approx(3.0), "log2 of eight equally likely words"
