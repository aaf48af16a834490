from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import count_parameters
from models.parts.positions import Farness, rotate, sinusoids
from models.transformer import Transformer
from tasks.base import Reads, Spec


def norm(y: Tensor, layer: Any) -> Tensor:
    centred = y - y.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + layer.eps).sqrt() * layer.weight + layer.bias


def linear(y: Tensor, layer: Any) -> Tensor:
    return y @ layer.weight.T + layer.bias


def sinusoid(time: int, d: int) -> Tensor:
    rows = [
        [(math.sin if j % 2 == 0 else math.cos)(t / 10_000 ** (2 * (j // 2) / d)) for j in range(d)]
        for t in range(time)
    ]
    return torch.tensor(rows, dtype=torch.float64)


def turned(y: Tensor, base: float) -> Tensor:
    """Each pair (2i, 2i + 1) as a complex number times e^{i t / base^{2i/size}}."""
    time, size = y.shape[-2:]
    angles = torch.tensor(
        [[t / base ** (2 * i / size) for i in range(size // 2)] for t in range(time)], dtype=torch.float64
    )
    pairs = torch.view_as_complex(y.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles).to(pairs.dtype)).flatten(-2)


def equations(
    model: Transformer, x: Tensor, heads: int, base: float = 100.0, positions: str = "sinusoidal+rope", **_: object
) -> tuple[Tensor, list[Tensor]]:
    """The docstring, written out head by head; also the input of every block."""
    u = linear(x, model.body.entry)
    if "sinusoidal" in positions:
        u = u + sinusoid(x.size(1), model.hidden)
    if positions == "learned":
        u = u + model.places[: x.size(1)]
    time = x.size(1)
    past = torch.ones(time, time).tril() == 0
    distance = torch.tensor([[max(t - s, 0) for s in range(time)] for t in range(time)], dtype=x.dtype)
    residuals = []
    for block in model.body.blocks:
        residuals.append(u)
        y = norm(u, block.norm_attention)
        mixed = []
        for j in range(heads):
            size = model.hidden // heads
            own = slice(j * size, (j + 1) * size)
            q, k, v = (linear(y, layer)[..., own] for layer in (block.query, block.key, block.value))
            if "rope" in positions:
                q, k = turned(q, base), turned(k, base)
            scores = q @ k.transpose(1, 2) / size**0.5
            if block.far.rate is not None:
                scores = scores - block.far.rate[j] * (1 + distance).log()
            if block.far.steepness is not None:
                scores = scores - (1 + block.far.steepness[j].exp()).log() * distance
            if block.far.slope is not None:
                scores = scores - block.far.slope * distance
            mixed.append(scores.masked_fill(past, -torch.inf).softmax(-1) @ v)
        u = u + linear(torch.cat(mixed, dim=-1), block.output)
        risen = linear(norm(u, block.norm_feed_forward), block.rise).clamp(min=0)
        u = u + linear(risen, block.fall)
    return norm(u, model.body.norm), residuals


SCHEMES: list[dict[str, Any]] = [
    {},
    {"base": 1000.0},
    {"positions": "rope"},
    {"positions": "sinusoidal", "distance": "none"},
    {"positions": "learned"},
    {"positions": "alibi", "distance": "none"},
    {"positions": "alibi", "slope": 0.2},
    {"positions": "none", "distance": "none"},
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize(("blocks", "heads", "hidden"), [(2, 1, 6), (1, 3, 6), (3, 2, 8)])
@pytest.mark.parametrize("span", [(0, 9), (8, 9), (3, 7)])
def test_equals_its_equations(
    blocks: int,
    heads: int,
    hidden: int,
    span: tuple[int, int],
    scheme: dict[str, Any],
    spec: Spec,
    build: Any,
    inputs: Any,
) -> None:
    """The full computation, also where the last block computes some queries only, by whichever scheme."""
    model = build(Transformer, replace(spec, steps=9), hidden=hidden, blocks=blocks, heads=heads, **scheme)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "far" in name:  # each head its own
                p += 0.1 * torch.arange(len(p))
    read = torch.zeros(3, 9, dtype=torch.bool)
    read[:, slice(*span)] = True

    def written_out(z: Tensor) -> Tensor:
        return equations(model, z, heads, **scheme)[0][read]

    if "rope" not in scheme.get(
        "positions", "sinusoidal+rope"
    ):  # a key's bias adds the same to all scores of a query: its gradient is zero
        for block in model.body.blocks:
            block.key.bias.requires_grad_(False)
    trained = [name for name, p in model.named_parameters() if p.requires_grad and "head" not in name]
    x = inputs(3, 9, 2).requires_grad_()
    both = []
    for way in (written_out, lambda z: model.encode(z, Reads(read))):
        outputs = way(x)
        weight = inputs(*outputs.shape, seed=1)
        wanted = [x, *(p for name, p in model.named_parameters() if name in trained)]
        both.append([outputs, *torch.autograd.grad((outputs * weight).sum(), wanted)])
    for name, expected, got in zip(["outputs", "x", *trained], *both, strict=True):
        assert expected.abs().max() > 0, name
        torch.testing.assert_close(got, expected, atol=1e-10, rtol=1e-10, msg=lambda m, n=name: f"{n}: {m}")


def test_a_turned_score_depends_on_the_distance_alone(inputs: Any) -> None:
    q, k = inputs(6), inputs(6, seed=1)
    turned_q, turned_k = (rotate(v.expand(50, 6), slice(0, 50), 100.0) for v in (q, k))
    scores = turned_q @ turned_k.T
    for distance in (0, 1, 7):
        along = scores.diagonal(-distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), atol=1e-12, rtol=0)
    assert scores.diagonal(-1)[0] != scores.diagonal(-7)[0]


def test_what_a_score_loses_is_a_table_of_distances() -> None:
    expected = torch.tensor([[math.inf if s > t else 0.3 * (t - s) for s in range(5)] for t in range(5)])
    for given in (0.3, None):
        torch.testing.assert_close(-Farness(1, None, True, given)(slice(0, 5), torch.zeros(1))[0], expected)
    logarithmic = Farness(1, 1.0, False, None)(slice(0, 5), torch.zeros(1))[0]
    torch.testing.assert_close(-logarithmic, (1 + expected / 0.3).log())
    assert Farness(3, 1.0, True, None)(slice(2, 5), torch.zeros(1)).shape == (3, 3, 5)


@pytest.mark.parametrize(("blocks", "blind"), [(1, True), (2, False)])
def test_without_positions_the_mask_alone_tells_order(
    blocks: int, blind: bool, spec: Spec, build: Any, inputs: Any
) -> None:
    """With one block the last output does not change when the past is permuted; with two it does."""
    model = build(Transformer, spec, hidden=6, blocks=blocks, positions="none", distance="none")
    x = inputs(2, 9, 2)
    order = torch.tensor([3, 0, 6, 1, 7, 2, 5, 4, 8])
    read = torch.zeros(2, 9, dtype=torch.bool)
    read[:, -1] = True
    plain, permuted = model.encode(x, Reads(read)), model.encode(x[:, order], Reads(read))
    assert torch.allclose(plain, permuted, atol=1e-12) == blind


@pytest.mark.parametrize("time", [200, 2100])
def test_many_queries_are_answered_some_at_a_time(time: int, build: Any, spec: Spec, inputs: Any) -> None:
    """Beyond one piece, and beyond what is kept for the gradient."""
    model = build(Transformer, spec, hidden=4, blocks=1)
    read = torch.zeros(1, time, dtype=torch.bool)
    read[:, -150:] = True
    both = []
    for way in (lambda z: equations(model, z, 1)[0][read], lambda z: model.encode(z, Reads(read))):
        x = inputs(1, time, 2).requires_grad_()
        outputs = way(x)
        (outputs * inputs(*outputs.shape, seed=1)).sum().backward()
        both.append((outputs, x.grad, model.body.blocks[0].far.rate.grad))
        model.zero_grad()
    for got, expected in zip(*both, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positions": "rop"}, "option positions: expected one of .*, got 'rop'. Did you mean 'rope'?"),
        ({"distance": "linear"}, "option distance: expected one of log, none, got 'linear'"),
        ({"base": 1.0}, "option base: expected above 1, beside rotations, got 1"),
        ({"base": 10.0, "positions": "none"}, "option base: expected above 1, beside rotations, got 10"),
        ({"slope": 0.3}, "option slope: expected at least 0, beside positions=alibi, got 0.3"),
        ({"slope": -1.0, "positions": "alibi"}, "option slope: expected at least 0, beside positions=alibi, got -1"),
        ({"positions": "learned"}, "learned ones need the longest sequence"),
        ({"hidden": 6, "heads": 2}, r"divisor of the width 6 by two, because rope turns .* got 2\. Give"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str, spec: Spec) -> None:
    with pytest.raises(ValueError, match=message):
        Transformer(spec, **options)


def test_learned_positions_end_with_the_longest_sequence(spec: Spec, inputs: Any, everywhere: Any) -> None:
    model = Transformer(replace(spec, steps=9), positions="learned").double()
    assert "places" not in dict(model.body.named_parameters())
    with pytest.raises(ValueError, match=r"positions=learned knows 9 steps, .* and got 10"):
        model.encode(inputs(1, 10, 2), everywhere(1, 10))


def test_residuals_are_the_inputs_of_the_blocks(spec: Spec, build: Any, inputs: Any) -> None:
    model = build(Transformer, spec, hidden=6, blocks=3)
    x = inputs(3, 9, 2)
    read = torch.zeros(3, 9, dtype=torch.bool)
    read[:, -1] = True
    _, states = model.states(x, Reads(read))
    _, residuals = equations(model, x, 1)
    assert list(states) == ["residual.0", "residual.1", "residual.2"]
    for state, expected in zip(states.values(), residuals, strict=True):
        torch.testing.assert_close(state, expected)


@pytest.mark.parametrize("hidden", [1, 5, 24])
def test_positions_are_sinusoids(hidden: int) -> None:
    table = sinusoids(50, hidden, torch.float64, torch.device("cpu"))
    torch.testing.assert_close(table, sinusoid(50, hidden), atol=1e-12, rtol=0)


def test_positions_first_asked_for_in_an_evaluation_serve_training() -> None:
    with torch.inference_mode():
        table = sinusoids(17, 6, torch.float32, torch.device("cpu"))
    assert not table.is_inference()


@pytest.mark.parametrize(
    ("blocks", "heads", "hidden", "second"), [(2, 1, 24, 111), (2, 2, 24, 111), (2, 3, 24, 111), (2, 5, 20, 150)]
)
def test_solved_widths(blocks: int, heads: int, hidden: int, second: int, spec: Spec) -> None:
    model = Transformer(spec, blocks=blocks, heads=heads)
    assert (model.hidden, model.second_width) == (hidden, second)
    multiple = 2 * heads
    assert count_parameters(Transformer(spec, blocks=blocks, heads=heads, hidden=hidden).body) <= 16_000
    assert count_parameters(Transformer(spec, blocks=blocks, heads=heads, hidden=hidden + multiple).body) > 16_000


def test_initialisation(spec: Spec) -> None:
    model = Transformer(spec)
    for name, p in model.body.named_parameters():
        if name.endswith("bias"):
            assert (p == 0).all(), name
        elif name.endswith("far.rate"):
            assert (p == (1 if name.startswith("blocks.0") else 0)).all(), name
        elif "norm" in name:
            assert (p == 1).all(), name
        else:
            bound = (6 / sum(p.shape)) ** 0.5
            assert 0.9 * bound < p.abs().max() <= bound, name


def test_heads_must_divide_a_given_width(spec: Spec) -> None:
    with pytest.raises(ValueError, match=r"divisor of the width 10, got 4\. Give --hidden a multiple of 4 \(say 12\)"):
        Transformer(spec, hidden=10, heads=4, positions="sinusoidal")


@pytest.mark.parametrize("option", ["blocks", "heads"])
def test_options_must_be_positive(option: str, spec: Spec) -> None:
    with pytest.raises(ValueError, match=f"option {option}: expected at least 1, got 0"):
        Transformer(spec, **{option: 0})


def test_single_precision_equals_double(spec: Spec, build: Any, inputs: Any, everywhere: Any) -> None:
    model = build(Transformer, spec)
    x, reads = inputs(2, 40, 2), everywhere(2, 40)
    exact = model.encode(x, reads)
    torch.testing.assert_close(model.float().encode(x.float(), reads).double(), exact, atol=2e-5, rtol=0)


@pytest.mark.parametrize("positions", ["sinusoidal+rope", "alibi", "none"])
@pytest.mark.parametrize("span", [(0, 9), (8, 9), (3, 7)])
def test_pictures_are_the_weights_that_mix_the_values(
    span: tuple[int, int], positions: Any, spec: Spec, build: Any, inputs: Any
) -> None:
    model = build(Transformer, spec, hidden=8, blocks=2, heads=2, positions=positions)
    x = inputs(3, 9, 2)
    read = torch.zeros(3, 9, dtype=torch.bool)
    read[:, slice(*span)] = True
    shown = model.pictures(x, Reads(read))
    assert list(shown) == ["attention.block0", "attention.block1"]
    _, residuals = model.body(x, slice(*span), model._placed(x))
    for weights, block, u in zip(shown.values(), model.body.blocks, residuals, strict=True):
        assert weights.shape == (3, 2, span[1] - span[0], 9)
        assert not weights.triu(span[0] + 1).any()
        values = block.value(block.norm_attention(u)).unflatten(-1, (2, -1)).transpose(1, 2)
        mixed = block.output((weights @ values).transpose(1, 2).flatten(2))
        v = u[:, slice(*span)] + mixed
        expected = v + block.fall(block.rise(block.norm_feed_forward(v)).relu())
        torch.testing.assert_close(block(u, slice(*span)), expected)


def test_a_single_block_shows_attention_without_a_number(spec: Spec, build: Any, inputs: Any, everywhere: Any) -> None:
    model = build(Transformer, spec, hidden=8, blocks=1)
    assert list(model.pictures(inputs(1, 4, 2), everywhere(1, 4))) == ["attention"]
