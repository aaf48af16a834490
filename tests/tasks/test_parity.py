from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from models.rnn import RNN
from tasks.base import Batch, generator
from tasks.parity import Parity

Read = Literal["end", "each"]
SAMPLES = 4000


def many(length: int, read: Read) -> Batch:
    return Parity(length, read=read).draw(generator(0, "many", length), SAMPLES)


def right(length: int, read: Read, window: int | None) -> Tensor:
    """Which answers (batch, reads) the window gives right."""
    batch = many(length, read)
    predict = Parity(length, read=read).spec.predict
    assert predict is not None
    return predict(batch.inputs.double(), window).argmax(-1) == batch.targets.view(SAMPLES, -1)


@pytest.mark.parametrize("length", [1, 2, 9])
@pytest.mark.parametrize("read", ["end", "each"])
def test_the_rule(length: int, read: Read) -> None:
    batch = Parity(length, read=read, batch_size=20).training_batch(0)
    assert batch.inputs.shape == (20, length, 2)
    for row in range(20):
        bits = [[[1, 0], [0, 1]].index(pair) for pair in batch.inputs[row].tolist()]
        parities = [sum(bits[: t + 1]) % 2 for t in range(length)]
        if read == "end":
            assert batch.reads.mask[row].tolist() == [False] * (length - 1) + [True]
            assert batch.targets[row] == parities[-1]
        else:
            assert batch.reads.mask[row].all()
            assert batch.targets.view(20, length)[row].tolist() == parities


def test_the_docstrings_example() -> None:
    lines = reversed((Parity.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch, each = Parity(8).training_batch(0), Parity(8, read="each").training_batch(0)
    assert torch.equal(batch.inputs, each.inputs)
    assert [int(word) for word in rows["step"]] == list(range(1, 9))
    assert [int(word) for word in rows["bit"]] == batch.inputs[0, :, 1].tolist()
    assert [int(word) for word in rows["parity"]] == each.targets[:8].tolist()
    assert [word == "·" for word in rows["target"]] == (~batch.reads.mask[0]).tolist()
    assert int(rows["target"][-1]) == int(batch.targets[0])


@pytest.mark.parametrize("read", ["end", "each"])
def test_a_constant_answer_is_chance_and_the_solution_is_perfect(read: Read) -> None:
    shares = many(11, read).targets.view(SAMPLES, -1).double().mean(1)
    assert abs(float(shares.mean()) - Parity(11).chance) < 4 * float(shares.std()) / math.sqrt(SAMPLES)
    assert right(11, read, None).all()
    assert right(11, read, 11).all()


@pytest.mark.parametrize("window", [1, 7, 19])
def test_a_window_stays_at_chance_where_the_end_is_read(window: int) -> None:
    share = float(right(20, "end", window).double().mean())
    assert abs(share - 0.5) < 4 * 0.5 / math.sqrt(SAMPLES)


@pytest.mark.parametrize("window", [1, 7, 19])
def test_a_window_knows_the_first_answers_where_each_is_read(window: int) -> None:
    task = Parity(20, read="each")
    shares = right(20, "each", window).double().mean(1)
    expected = (1 + window / 20) / 2
    assert abs(float(shares.mean()) - expected) < 4 * float(shares.std()) / math.sqrt(SAMPLES)
    assert task.memory_horizon(expected) == pytest.approx(window)
    assert task.memory_horizon(0.4) == 0
    assert Parity(20).memory_horizon(0.9) is None


def test_two_relu_units_set_by_hand_solve_ten_thousand_bits() -> None:
    """u = ReLU(p + bit), v = ReLU(p + bit − 1), p = u − 2v; learned at no length, right at every one."""
    task = Parity(10_000)
    model: Any = RNN(task.spec, hidden=2, activation="relu")
    weights = {
        "weight_ih": [[0.0, 1.0], [0.0, 1.0]],
        "weight_hh": [[1.0, -2.0], [1.0, -2.0]],
        "bias_ih": [0.0, -1.0],
        "bias_hh": [0.0, 0.0],
    }
    named = dict(model.body.named_parameters())
    assert len(named) == len(weights)
    metric = task.spec.objective.metric()
    with torch.no_grad():
        for name, values in weights.items():
            (parameter,) = [p for key, p in named.items() if name in key]
            parameter.copy_(torch.tensor(values))
        model.head.weight.copy_(torch.tensor([[-1.0, 2.0], [1.0, -2.0]]))
        model.head.bias.copy_(torch.tensor([0.5, -0.5]))
        for batch in task.test_dataloader():
            metric.update(model(batch), batch)
    evaluation = metric.compute()
    assert (evaluation.score, evaluation.n) == (1.0, 1024)


def test_every_bit_has_the_same_credit_and_the_solution_follows_it() -> None:
    task = Parity(9)
    batch = task.training_batch(0)
    x = batch.inputs.double().requires_grad_()
    assert task.spec.predict is not None
    answer = task.spec.objective.answer(task.spec.predict(x, None).flatten(0, 1), batch)
    (gradient,) = torch.autograd.grad(answer.sum(), x)
    sensitivity = gradient[..., 1].abs()
    assert torch.allclose(sensitivity / sensitivity[:, :1], task.credit(batch).double())
    assert task.reach == 8


def test_both_ways_of_reading_hold_out_the_same_sequences() -> None:
    end, each = (Parity(12, read=read).held_out("test")[0] for read in ("end", "each"))  # type: ignore[arg-type]
    assert torch.equal(end.inputs, each.inputs)
    assert torch.equal(end.targets, each.targets.view(-1, 12)[:, -1])


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Parity: length must be at least 1, got 0$"):
        Parity(0)
    with pytest.raises(ValueError, match=r"^Parity: option 'read' expects end or each, got 'ends'\. Did you mean 'e"):
        Parity(3, read="ends")  # type: ignore[arg-type]
