"""A probe looks in float64 and leaves every number as it was, whatever its type."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.probes import flow
from bench.probes.probing import as_probe
from models.base import SequenceModel
from models.rnn import RNN
from tasks.adding import Adding
from tasks.base import Reads, Spec
from tests.support import model_contract as contract

TASK = Adding(12)
WIDENED = {
    torch.bfloat16: torch.float64,
    torch.float16: torch.float64,
    torch.float32: torch.float64,
    torch.float64: torch.float64,
    torch.complex64: torch.complex128,
    torch.complex128: torch.complex128,
    torch.int64: torch.int64,
    torch.bool: torch.bool,
}


class Mixed(SequenceModel):
    """Holds a number of every type, and counts how often it is asked."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, hidden=4, **common)
        self.assemble(lambda hidden: nn.Linear(self.width, hidden), lambda body: body.out_features)
        for dtype in WIDENED:
            values = torch.tensor([0.1, -0.0, 1e-3, 7.7]).to(dtype)
            if dtype.is_complex:
                values = values + 0.3j * values.flip(0)
            name = str(dtype).partition(".")[2]
            if dtype.is_floating_point or dtype.is_complex:
                self.register_parameter(f"p_{name}", nn.Parameter(values.clone()))
            self.register_buffer(f"b_{name}", values.clone(), persistent=False)
        self.register_buffer("asked", torch.zeros((), dtype=torch.long))
        self.register_buffer("moving", torch.zeros(4))
        self.register_buffer("absent", None)

    asked: Tensor
    moving: Tensor
    p_complex64: Tensor
    p_bfloat16: Tensor

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        self.asked += 1
        self.moving += 0.1
        turned = self.pick(self.body(x).cumsum(1), reads) * self.p_complex64
        mixed: Tensor = turned.real + turned.imag * self.p_bfloat16.to(turned.real.dtype)
        return mixed


def held(model: SequenceModel) -> dict[str, Tensor]:
    return dict([*model.named_parameters(), *model.named_buffers()])


def test_numbers_are_wide_in_a_probe_and_every_bit_is_back_after_it() -> None:
    model: Any = Mixed(TASK.spec)
    before, dtypes = held(model), {name: each.dtype for name, each in held(model).items()}
    pointers = {name: each.data_ptr() for name, each in before.items()}
    with as_probe(model):
        assert {name: each.dtype for name, each in held(model).items()} == {n: WIDENED[d] for n, d in dtypes.items()}
        assert model.dtype == torch.float64
        assert torch.equal(model.p_complex64.imag, before["p_complex64"].imag)
        assert bool(model.p_complex64.imag.any())
    after = held(model)
    assert after.keys() == before.keys()
    for name, each in after.items():
        assert each is before[name], f"{name} is another object"
        assert (each.dtype, each.data_ptr()) == (dtypes[name], pointers[name])
    assert (model.dtype, model.device.type) == (torch.float32, "cpu")


def test_a_probe_of_such_a_model_leaves_its_bits() -> None:
    model: Any = Mixed(TASK.spec)
    assert model(TASK.training_batch(0)).isfinite().all()
    contract.a_probe_leaves_every_bit(model, TASK, TASK.probe_batch(2))
    assert (int(model.asked), model.moving.tolist()) == (1, pytest.approx([0.1] * 4)), "what a probe asked counts not"


def test_gradients_are_back_as_they_were() -> None:
    model: Any = Mixed(TASK.spec)
    batch = TASK.training_batch(0)
    TASK.spec.objective.loss(model(batch), batch).backward()
    before = {name: (p.grad, None if p.grad is None else p.grad.clone()) for name, p in model.named_parameters()}
    assert before["p_complex64"][0] is not None
    assert before["p_float16"][0] is None
    flow.measure(model, TASK, TASK.probe_batch(2))
    for name, parameter in model.named_parameters():
        same, copy = before[name]
        assert parameter.grad is same, name
        assert same is None or (copy is not None and torch.equal(same, copy)), name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_body_of_another_type_is_probed(dtype: torch.dtype) -> None:
    model = RNN(TASK.spec, hidden=4)
    model.body.to(dtype)
    expected = RNN(TASK.spec, hidden=4).double()
    expected.load_state_dict({name: value.double() for name, value in model.state_dict().items()})
    batch = TASK.probe_batch(2)
    assert flow.measure(model, TASK, batch) == flow.measure(expected, TASK, batch)
    assert next(model.body.parameters()).dtype == dtype
    assert model.head.weight.dtype == torch.float32
    assert expected.dtype == torch.float64


def test_shared_numbers_stay_shared_and_modes_stay_apart() -> None:
    model: Any = Mixed(TASK.spec)
    model.body.register_buffer("shared", model.moving)
    model.head.weight.requires_grad_(False)
    model.train()
    model.body.eval()
    with as_probe(model):
        assert model.body.shared is model.moving
        assert not model.head.weight.requires_grad
        assert not model.training
    assert model.body.shared is model.moving
    assert not model.head.weight.requires_grad
    assert (model.training, model.body.training) == (True, False)
