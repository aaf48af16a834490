"""What every model keeps to beside `bench.probes.agreement`, as plain functions over a built model: one that is
discovered, or a class of one's own. Each check raises an AssertionError."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.probes import flow, jacobians
from models.base import SequenceModel, count_parameters
from tasks.base import Batch, Task

OFF = 0.02  # of the parameter budget, without a note


def no_answer_depends_on_what_comes_later(model: SequenceModel, inputs: Tensor, cut: int) -> None:
    """Where the task forbids looking ahead: other inputs from step `cut` on change no answer before."""
    assert not model.spec.look_ahead
    moved = _moved(model, inputs, cut)[:cut]
    early = [step for step, value in enumerate(moved.tolist()) if value > 1e-5]
    assert not early, f"the answer at step {early[0]} changes with inputs from step {cut} on"


def some_answer_depends_on_its_inputs(model: SequenceModel, inputs: Tensor, cut: int) -> None:
    """Other inputs from step `cut` on change an answer from there on."""
    assert _moved(model, inputs, cut)[cut:].max() > 1e-4, f"no answer from step {cut} on depends on its inputs"


def _moved(model: SequenceModel, inputs: Tensor, cut: int) -> Tensor:
    """How far other inputs from step `cut` on move the answer at each step (time,). In evaluation mode, for in training
    an answer may be drawn."""
    training = model.training
    model.eval()
    changed = inputs.clone()
    changed[:, cut:] = inputs[:, cut:] + 1.0 if inputs.is_floating_point() else inputs[:, cut:].roll(1, dims=0)
    assert not torch.equal(changed, inputs)
    everywhere = torch.ones(inputs.shape[:2], dtype=torch.bool)
    with torch.no_grad():
        before, after = (
            model(Batch(each, each[:0], everywhere)).unflatten(0, inputs.shape[:2]) for each in (inputs, changed)
        )
    model.train(training)
    return (after - before).abs().amax((0, 2))


def a_probe_leaves_every_bit(model: SequenceModel, task: Task, batch: Batch) -> None:
    """Parameters, buffers and modes are after a probe what they were before."""
    before, modes = _bits(model), [module.training for module in model.modules()]
    flow.measure(model, task, batch)
    jacobians.measure(model, batch)
    after = _bits(model)
    assert before.keys() == after.keys()
    for name, (dtype, bits) in before.items():
        assert after[name][0] == dtype, f"{name} was {dtype} before a probe and is {after[name][0]} after"
        assert torch.equal(after[name][1], bits), f"{name} has other bits after a probe"
    assert modes == [module.training for module in model.modules()]


def the_body_meets_its_budget(make: Callable[..., SequenceModel], budget: int) -> None:
    """The body is within one percent of the budget, or no hidden size near the solved one brings it nearer; beyond
    2 % a note says so."""
    model = make(parameters=budget)
    count = count_parameters(model.body)
    if count_parameters(model) == 0:
        return  # a control
    missed = abs(count / budget - 1)
    for hidden in range(max(1, model.hidden - 8), model.hidden + 9):
        try:
            other = count_parameters(make(hidden=hidden).body)
        except ValueError:  # a hidden size that the model cannot have
            continue
        assert missed <= max(0.01, abs(other / budget - 1)), (
            f"hidden size {model.hidden} gives {count} of {budget} parameters, {hidden} gives {other}"
        )
    assert (missed > OFF) == bool(model.notes), f"body holds {count} of {budget}; notes: {model.notes}"


def _bits(model: SequenceModel) -> dict[str, tuple[torch.dtype, Tensor]]:
    """Every parameter and buffer as bytes."""
    held = [*model.named_parameters(), *model.named_buffers()]
    return {name: (v.dtype, v.detach().contiguous().reshape(-1).view(torch.uint8).clone()) for name, v in held}
