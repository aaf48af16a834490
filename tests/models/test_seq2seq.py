"""Encoder and decoder: one by hand, all ways to the same numbers, where the source ends, and back from an answer."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.probes import agreement, causality, flow, jacobians
from models.attention import Attention
from models.base import count_parameters
from models.gru import GRU
from models.lstm import LSTM
from models.rnn import RNN
from models.seq2seq import Seq2Seq
from tasks.adding import Adding
from tasks.base import Batch, Reads
from tasks.copying import DELIMITER, Copying
from tests.support.models import seeded

OPTIONS = [
    {"cell": cell, "context": context, "shared": shared, "attention": attention}
    for cell, context, shared, attention in itertools.product(
        ("rnn", "gru", "lstm"), ("first", "every"), (False, True), (False, True)
    )
]
EVERY = pytest.mark.parametrize("options", OPTIONS, ids=lambda o: ":".join(f"{k}={v}" for k, v in o.items()))
TASK = Copying(3, loss="all", batch_size=4)
AT = 12  # the delimiter's step


def built(seed: int = 0, **options: Any) -> Seq2Seq:
    model = seeded(lambda: Seq2Seq(TASK.spec, hidden=5, **options), seed).double().eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "bias" in name:
                p += 0.3
    return model


def embedded(model: Seq2Seq, batch: Batch) -> Tensor:
    return model.embedding(batch.inputs).detach()


def layer(model: Seq2Seq) -> Any:
    return model.body.layers.cells[0][0]


@EVERY
def test_against_the_equations(options: dict[str, Any]) -> None:
    """The cells step by step, the context and the weights written out."""
    model = built(**options)
    batch = TASK.training_batch(0)
    x = embedded(model, batch)
    two = layer(model)
    state = two.encoder.zero_state(x)
    c = torch.zeros_like(state[0])
    outputs: list[Tensor] = []
    for t, x_t in enumerate(x.unbind(1)):
        if t == AT:
            c = outputs[-1]
        more = [c] if options["context"] == "every" and (t >= AT or options["shared"]) else []
        cell = two.decoder if t >= AT else two.encoder
        state = cell.step(cell.drive(torch.cat([x_t, *more], dim=-1)[:, None], 0)[:, 0], state)
        outputs.append(state[0])
    features = outputs
    if options["attention"]:
        features = []
        for t, h in enumerate(outputs):
            keys = torch.stack(outputs[: min(t + 1, AT)], dim=1)
            weights = torch.einsum("bn,bsn->bs", h, keys).softmax(-1)
            read = torch.einsum("bs,bsn->bn", weights, keys)
            features.append(torch.tanh(torch.cat([read, h], dim=-1) @ model.body.combine.weight.T))
    expected = model.head(torch.stack(features, dim=1).flatten(0, 1))
    torch.testing.assert_close(model(batch), expected, atol=1e-12, rtol=0)


@EVERY
def test_all_ways_agree_also_where_sources_end_at_different_steps(options: dict[str, Any]) -> None:
    model = built(**options)
    batch = TASK.training_batch(0)
    assert agreement.compare(model, batch) == []
    inputs = batch.inputs.clone()
    inputs[1] = inputs[1].roll(-4, dims=0)  # its delimiter comes earlier
    inputs[2, AT] = 8  # it has none
    inputs[3, 15] = DELIMITER  # a second one changes nothing
    ragged = Batch(inputs, batch.targets, batch.reads)
    assert agreement.compare(model, ragged) == []
    assert causality.violation(model, ragged, training=False) is None
    alone = torch.cat([model(ragged.select(slice(row, row + 1))) for row in range(4)])
    torch.testing.assert_close(model(ragged), alone, atol=1e-12, rtol=0)


@EVERY
def test_an_answer_is_followed_back_through_decoder_and_encoder(options: dict[str, Any]) -> None:
    model = built(**options)
    found = flow.measure(model, TASK, TASK.probe_batch(3))
    assert found.distances == list(range(TASK.sequence_length))
    for name in ("input", "hidden", *["cell"] * (options["cell"] == "lstm")):
        medians = found.profiles[name].log10_median
        assert None not in medians, name
    jacobian = jacobians.measure(model, TASK.probe_batch(2))
    assert (jacobian is None) == options["attention"]
    if jacobian is not None:
        assert all(abs(rate) < 100 for rate in jacobian.lyapunov), "no direction of the state is lost for good"


def test_shared_weights_are_one_cell_and_the_budget_is_met() -> None:
    sizes = {}
    for shared in (False, True):
        model = seeded(lambda shared=shared: Seq2Seq(TASK.spec, shared=shared), 0)
        assert (layer(model).encoder is layer(model).decoder) == shared
        assert abs(count_parameters(model.body) / 16_000 - 1) < 0.02
        sizes[shared] = model.hidden
    assert sizes[True] > 1.3 * sizes[False]


@pytest.mark.parametrize(("cell", "kind"), [("rnn", RNN), ("gru", GRU), ("lstm", LSTM)])
def test_without_a_delimiter_it_is_the_cell_alone(cell: Any, kind: Any) -> None:
    task = Adding(12)
    for options in ({}, {"shared": True, "context": "every"}):
        model = seeded(lambda options=options: Seq2Seq(task.spec, cell=cell, hidden=6, **options), 1)
        plain = seeded(lambda: kind(task.spec, hidden=6), 1)
        assert torch.equal(model(task.training_batch(0)), plain(task.training_batch(0)))
    model = seeded(lambda: Seq2Seq(task.spec, cell="lstm", attention=True, hidden=6), 1)
    attention = seeded(lambda: Attention(task.spec, hidden=6), 1)
    attention.load_state_dict(dict(zip(attention.state_dict(), model.state_dict().values(), strict=True)))
    torch.testing.assert_close(model(task.training_batch(0)), attention(task.training_batch(0)))


def test_the_weights_lie_on_the_source() -> None:
    model = built(attention=True)
    batch = TASK.training_batch(0)
    weights = model.pictures(embedded(model, batch), batch.reads)["attention"]
    assert weights.shape == (4, 1, TASK.sequence_length, TASK.sequence_length)
    assert not weights[..., AT:].any()
    assert bool((weights[:, :, AT:, :AT] > 0).all())
    inputs = batch.inputs.clone()
    inputs[:, 0] = DELIMITER  # no source at all
    nothing = Batch(inputs, batch.targets, batch.reads)
    assert not model.pictures(embedded(model, nothing), batch.reads)["attention"].any()
    assert bool(model(nothing).isfinite().all())


@pytest.mark.parametrize("attention", [False, True])
def test_its_continuation_is_what_it_says_of_its_own_answers(attention: bool) -> None:
    model = built(attention=attention)
    batch = TASK.training_batch(0)
    late = Batch(batch.inputs, batch.targets, (torch.arange(TASK.sequence_length) >= AT).expand(4, -1))

    def feed(answer: Tensor, following: Tensor | None) -> Tensor:
        return answer.argmax(-1, keepdim=True)

    with torch.no_grad():
        said = model.generate(late, feed, 6)
        inputs = torch.cat([batch.inputs[:, : AT + 1], said.argmax(-1)[..., None]], dim=1)[:, : AT + 6]
        again = model(Batch(inputs, batch.targets, Reads((torch.arange(AT + 6) >= AT).expand(4, -1))))
    torch.testing.assert_close(said.flatten(0, 1), again, atol=1e-12, rtol=0)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^option cell: expected one of rnn, gru, lstm, got 'lstn'. Did you mean"):
        Seq2Seq(TASK.spec, cell="lstn")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^option context: expected one of first, every, got 'last'\.$"):
        Seq2Seq(TASK.spec, context="last")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="states no delimiter"):
        Seq2Seq(Adding(5).spec).delimited(torch.zeros(1, 5, 2))
