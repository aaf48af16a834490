"""A minimal objective and the specs, masks and comparisons that the model tests share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from models.attention import Attention
from models.base import SequenceModel
from models.gru import GRU
from models.lstm import LSTM
from models.rnn import RNN
from models.transformer import Transformer
from tasks.base import Column, Features, Reads, Spec, Tokens, generator
from tests.support.models import seeded
from tests.support.objectives import SquaredError

MODELS = {"rnn": RNN, "gru": GRU, "lstm": LSTM, "attention": Attention, "transformer": Transformer}


@pytest.fixture(params=sorted(MODELS))
def model_class(request: pytest.FixtureRequest) -> type[SequenceModel]:
    return MODELS[request.param]


@pytest.fixture
def spec() -> Spec:
    return Spec(Features(2), 1, SquaredError())


@pytest.fixture
def tokens_spec() -> Spec:
    """Two columns of ids, 12 numbers wide in all; reading ahead is allowed and (0, 0) is padding."""
    return Spec(Tokens((Column(9, 8), Column(5, 4))), 3, SquaredError(), look_ahead=True)


@pytest.fixture
def features_ahead() -> Spec:
    return Spec(Features(3), 1, SquaredError(), look_ahead=True)


@pytest.fixture
def build() -> Callable[..., Any]:
    """build(Model, spec, seed=0, **options): float64, biases moved off zero so that none of them is tested at 0."""

    def make(model: type[SequenceModel], spec: Spec, seed: int = 0, **options: Any) -> SequenceModel:
        built = seeded(lambda: model(spec, **options), seed).double()
        stream = generator(seed, "biases")
        with torch.no_grad():
            for name, p in built.named_parameters():
                if "bias" in name:
                    p += 0.3 * torch.randn(p.shape, generator=stream, dtype=torch.float64)
        return built

    return make


@pytest.fixture
def inputs() -> Callable[..., Tensor]:
    def draw(*shape: int, seed: int = 0) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator(seed, "inputs"))

    return draw


@pytest.fixture
def everywhere() -> Callable[[int, int], Reads]:
    """everywhere(batch, time): every position is read."""
    return lambda batch, time: Reads(torch.ones(batch, time, dtype=torch.bool))


@pytest.fixture
def assert_same() -> Callable[..., None]:
    """assert_same(model, x, first, second): two ways from x to a tensor agree in value and in every gradient."""

    def gradients(model: SequenceModel, x: Tensor, way: Callable[[Tensor], Tensor]) -> Mapping[str, Tensor]:
        leaf = x.clone().requires_grad_()
        outputs = way(leaf)
        weight = torch.randn(outputs.shape, dtype=outputs.dtype, generator=generator(0, "cotangent"))
        names = [name for name, _ in model.body.named_parameters()]
        wanted = [leaf, *model.body.parameters()]
        found: Sequence[Tensor] = torch.autograd.grad((outputs * weight).sum(), wanted)
        return {"outputs": outputs.detach(), "x": found[0], **dict(zip(names, found[1:], strict=True))}

    def compare(
        model: SequenceModel,
        x: Tensor,
        first: Callable[[Tensor], Tensor],
        second: Callable[[Tensor], Tensor],
        tolerance: float = 1e-10,
    ) -> None:
        expected, got = gradients(model, x, first), gradients(model, x, second)
        for name, value in expected.items():
            assert value.abs().max() > 0, f"{name} is zero throughout: nothing is tested"
            torch.testing.assert_close(
                got[name], value, atol=tolerance, rtol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
            )

    return compare
