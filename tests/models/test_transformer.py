from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from models.base import count_parameters
from models.transformer import Transformer, positions
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


def equations(model: Transformer, x: Tensor, heads: int) -> tuple[Tensor, list[Tensor]]:
    """The docstring, written out head by head; also the input of every block."""
    u = linear(x, model.body.entry) + sinusoid(x.size(1), model.hidden)
    past = torch.ones(x.size(1), x.size(1)).tril() == 0
    residuals = []
    for block in model.body.blocks:
        residuals.append(u)
        y = norm(u, block.norm_attention)
        mixed = []
        for j in range(heads):
            size = model.hidden // heads
            own = slice(j * size, (j + 1) * size)
            q, k, v = (linear(y, layer)[..., own] for layer in (block.query, block.key, block.value))
            scores = (q @ k.transpose(1, 2) / size**0.5).masked_fill(past, -torch.inf)
            mixed.append(scores.softmax(-1) @ v)
        u = u + linear(torch.cat(mixed, dim=-1), block.output)
        risen = linear(norm(u, block.norm_feed_forward), block.rise).clamp(min=0)
        u = u + linear(risen, block.fall)
    return norm(u, model.body.norm), residuals


@pytest.mark.parametrize(("blocks", "heads", "hidden"), [(2, 1, 6), (1, 3, 6), (3, 2, 8)])
@pytest.mark.parametrize("span", [(0, 9), (8, 9), (3, 7)])
def test_equals_its_equations(
    blocks: int, heads: int, hidden: int, span: tuple[int, int], spec: Spec, build: Any, inputs: Any, assert_same: Any
) -> None:
    """The full computation, also where the last block computes some queries only."""
    model = build(Transformer, spec, hidden=hidden, blocks=blocks, heads=heads)
    read = torch.zeros(3, 9, dtype=torch.bool)
    read[:, slice(*span)] = True

    def written_out(z: Tensor) -> Tensor:
        return equations(model, z, heads)[0][read]

    # a key's bias adds the same to all scores of a query: its gradient is zero but for rounding
    for block in model.body.blocks:
        block.key.bias.requires_grad_(False)
    trained = [name for name, p in model.body.named_parameters() if p.requires_grad]
    x = inputs(3, 9, 2).requires_grad_()
    found = []
    for way in (written_out, lambda z: model.encode(z, Reads(read))):
        outputs = way(x)
        weight = inputs(*outputs.shape, seed=1)
        wanted = [x, *(p for p in model.body.parameters() if p.requires_grad)]
        found.append([outputs, *torch.autograd.grad((outputs * weight).sum(), wanted)])
    for name, expected, got in zip(["outputs", "x", *trained], *found, strict=True):
        assert expected.abs().max() > 0, name
        torch.testing.assert_close(got, expected, atol=1e-10, rtol=1e-10, msg=lambda m, n=name: f"{n}: {m}")


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
    table = positions(50, hidden, torch.float64, torch.device("cpu"))
    torch.testing.assert_close(table, sinusoid(50, hidden), atol=1e-12, rtol=0)


def test_positions_first_asked_for_in_an_evaluation_serve_training() -> None:
    with torch.inference_mode():
        table = positions(17, 6, torch.float32, torch.device("cpu"))
    assert not table.is_inference()


@pytest.mark.parametrize(
    ("blocks", "heads", "hidden", "second"), [(2, 1, 24, 111), (2, 2, 24, 111), (2, 3, 24, 111), (2, 5, 20, 150)]
)
def test_solved_widths(blocks: int, heads: int, hidden: int, second: int, spec: Spec) -> None:
    model = Transformer(spec, blocks=blocks, heads=heads)
    assert (model.hidden, model.second_width) == (hidden, second)
    multiple = math.lcm(2, heads)
    assert count_parameters(Transformer(spec, blocks=blocks, heads=heads, hidden=hidden).body) <= 16_000
    assert count_parameters(Transformer(spec, blocks=blocks, heads=heads, hidden=hidden + multiple).body) > 16_000


def test_initialisation(spec: Spec) -> None:
    model = Transformer(spec)
    for name, p in model.body.named_parameters():
        if name.endswith("bias"):
            assert (p == 0).all(), name
        elif "norm" in name:
            assert (p == 1).all(), name
        else:
            bound = (6 / sum(p.shape)) ** 0.5
            assert 0.9 * bound < p.abs().max() <= bound, name


def test_heads_must_divide_a_given_width(spec: Spec) -> None:
    with pytest.raises(ValueError, match=r"divisor of the width 10, got 4\. Give --hidden a multiple of 4 \(say 12\)"):
        Transformer(spec, hidden=10, heads=4)


@pytest.mark.parametrize("option", ["blocks", "heads"])
def test_options_must_be_positive(option: str, spec: Spec) -> None:
    with pytest.raises(ValueError, match=f"option {option}: expected at least 1, got 0"):
        Transformer(spec, **{option: 0})


def test_single_precision_equals_double(spec: Spec, build: Any, inputs: Any, everywhere: Any) -> None:
    model = build(Transformer, spec)
    x, reads = inputs(2, 40, 2), everywhere(2, 40)
    exact = model.encode(x, reads)
    torch.testing.assert_close(model.float().encode(x.float(), reads).double(), exact, atol=2e-5, rtol=0)
