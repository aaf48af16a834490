"""What every model keeps to, as plain functions over a built model: one that is discovered, or a class of one's own.

Each check raises an AssertionError that names the layer and the step where two ways part. `x` is the embedded inputs
(batch, time, width), `reads` the mask; a model in float64 is compared closely, one in float32 as its rounding allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from bench.probes import flow, jacobians
from models.base import Carried, Recurrence, SequenceModel, States, count_parameters
from models.parts.layer import Layer
from tasks.base import Batch, Reads, Task

STARTS = (0, 1, 6, 1003)
OFF = 0.02  # of the parameter budget, without a note
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-5}

Run = Callable[[Tensor, Any, int], tuple[Tensor, Any]]


def embedded(model: SequenceModel, batch: Batch) -> Tensor:
    """The batch's inputs as the model's vectors, of the model's own type, without a graph."""
    dtype = next(model.head.parameters(), torch.empty(0, dtype=model.dtype)).dtype
    inputs = batch.inputs.to(dtype) if batch.inputs.is_floating_point() else batch.inputs
    return model.embedding(inputs).detach()


# -- layers and recurrence ---------------------------------------------------------------------------------------------


def run_is_the_loop_of_step(model: SequenceModel, x: Tensor, reads: Reads) -> None:
    """Every layer, and the model's recurrence: `run` gives what a loop of `step` gives, from any step on."""
    for name, layer, inputs in _layers(model, x, reads):
        for start in STARTS:
            looped = layer.unroll(inputs, None, start)
            _same_run(name, layer.run(inputs, None, start), [state[0] for state in looped], looped[-1], start)
    recurrence = model.recurrence
    if recurrence is not None:
        for start in STARTS:
            _, last = recurrence.run(x, None, start)
            stepped = _stepped(recurrence, x, recurrence.zero_state(x), start)[-1]
            for depth, (one, other) in enumerate(zip(last, stepped, strict=True)):
                _close(f"recurrence, layer {depth}: run and step part after step {start + x.size(1) - 1}", one, other)


def cut_anywhere_is_uncut(model: SequenceModel, x: Tensor, reads: Reads) -> None:
    """Every layer, and the model's recurrence: two parts, the state and the step's number passed on, are the whole."""
    for name, layer, inputs in _layers(model, x, reads):
        _cut_anywhere(name, layer.run, inputs)
    if model.recurrence is not None:
        _cut_anywhere("recurrence", model.recurrence.run, x)


def stretches_are_the_whole(model: SequenceModel, x: Tensor, reads: Reads) -> None:
    """A recurrence told to cut its gradient gives the same features, from every length of a stretch."""
    recurrence = model.recurrence
    if recurrence is None:
        return
    last = torch.zeros_like(reads.mask)
    last[:, -1] = True  # what comes before the last stretch is run without a gradient
    kept = recurrence.stretch
    for read in (reads, Reads(last)):
        recurrence.stretch = None
        whole = model.encode(x, read).detach()
        for stretch in range(1, x.size(1) + 1):
            recurrence.stretch = stretch
            _close(f"features in stretches of {stretch} steps", model.encode(x, read).detach(), whole)
    recurrence.stretch = kept


# -- the model ---------------------------------------------------------------------------------------------------------


def states_are_encode(model: SequenceModel, x: Tensor, reads: Reads) -> None:
    """`states` gives the features of `encode`, and so does a recurrence; from what earlier steps left, those of the
    steps that remain."""
    whole = model.encode(x, reads).detach()
    features, series = model.states(x, reads)
    _close("states and encode", features.detach(), whole)
    for name, values in series.items():
        steps = values.size(1) if isinstance(values, Tensor) else len(values)
        assert steps == x.size(1), f"{name}: expected a state for each of {x.size(1)} steps, got {steps}"
    if model.recurrence is None:
        return
    _close("the recurrence's features and encode", reads.pick(model.recurrence.run(x)[0]).detach(), whole)
    for cut in range(1, x.size(1)):
        carried = model.recurrence.after(x[:, :cut])
        assert carried.start == cut
        rest, _ = model.states(x[:, cut:], Reads(reads.mask[:, cut:]), Carried(carried.state, carried.start))
        alone = reads.mask.clone()
        alone[:, :cut] = False
        if alone.any():
            _close(f"states from step {cut} on", rest.detach(), model.encode(x, Reads(alone)).detach())


def pictures_lie_between_zero_and_one(model: SequenceModel, x: Tensor, reads: Reads) -> None:
    """Gates are (batch, time, units), attention (batch, heads, queries, time) with rows that sum to 1."""
    batch, time = reads.mask.shape
    with torch.no_grad():
        shown = model.pictures(x, reads)
    for name, values in shown.items():
        assert values.shape[0] == batch, f"picture {name}: expected {batch} sequences, got {tuple(values.shape)}"
        assert values.min() >= 0, f"picture {name}: expected numbers in [0, 1], got {float(values.min())}"
        assert values.max() <= 1 + 1e-6, f"picture {name}: expected numbers in [0, 1], got {float(values.max())}"
        if values.dim() == 3:
            assert values.shape[1] == time, f"picture {name}: expected (batch, time, units), got {tuple(values.shape)}"
        else:
            span = reads.span
            assert values.shape[2:] == (span.stop - span.start, time), f"picture {name}: {tuple(values.shape)}"
            _close(f"picture {name}: sums of rows", values.sum(-1), torch.ones_like(values.sum(-1)))


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


def its_state_is_counted(model: SequenceModel, x: Tensor) -> None:
    """`state_size` is the size of the recurrence's state; elsewhere it is above 0 and never falls with length."""
    size, longer = model.state_size(12), model.state_size(24)
    if model.recurrence is not None:
        held = sum(part[0].numel() for layer in model.recurrence.zero_state(x) for part in layer)
        assert size == longer == held, f"state_size: expected {held}, got {size} after 12 steps and {longer} after 24"
    elif size is None:
        assert longer is None
    else:
        assert longer is not None
        assert 0 < size <= longer, f"state_size: got {size} after 12 steps and {longer} after 24"


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


# -- comparing ---------------------------------------------------------------------------------------------------------


def _layers(model: SequenceModel, x: Tensor, reads: Reads) -> list[tuple[str, Layer, Tensor]]:
    """Every layer by name, with the inputs that it runs on."""
    found: list[tuple[str, Layer, Tensor]] = []
    with _listening(model, found), torch.no_grad():
        model.encode(x, reads)
    return found


@contextmanager
def _listening(model: SequenceModel, found: list[tuple[str, Layer, Tensor]]) -> Iterator[None]:
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, Layer)]
    for name, layer in layers:
        layer.run = _heard(name, layer, found)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for _, layer in layers:
            del layer.run


def _heard(name: str, layer: Layer, found: list[tuple[str, Layer, Tensor]]) -> Any:
    run = layer.run

    def heard(x: Tensor, state: Any = None, start: int = 0) -> Any:
        found.append((name, layer, x))
        return run(x, state, start)

    return heard


def _same_run(name: str, ran: tuple[Tensor, Any], outputs: list[Tensor], last: Any, start: int) -> None:
    got, after = ran
    for t, expected in enumerate(outputs):
        _close(f"{name}: run and step part at step {start + t} of a sequence from step {start} on", got[:, t], expected)
    _close(f"{name}: run and step leave other states after step {start + len(outputs) - 1}", after, last)


def _cut_anywhere(name: str, run: Run, x: Tensor) -> None:
    for start in STARTS:
        whole, last = run(x, None, start)
        for cut in range(1, x.size(1)):
            first, state = run(x[:, :cut], None, start)
            second, after = run(x[:, cut:], state, start + cut)
            for t, (one, other) in enumerate(zip([*first.unbind(1), *second.unbind(1)], whole.unbind(1), strict=True)):
                _close(f"{name}: cut before step {start + cut}, the output at step {start + t}", one, other)
            _close(f"{name}: cut before step {start + cut}, the last state", after, last)


def _stepped(recurrence: Recurrence, x: Tensor, state: States, start: int) -> list[States]:
    """The state after each step."""
    after = []
    for t, x_t in enumerate(x.unbind(1), start=start):
        state = recurrence.step(x_t, state, t)
        after.append(state)
    return after


def _close(what: str, got: Any, expected: Any) -> None:
    """Tensors, or nests of them, agree as far as their type allows."""
    if isinstance(expected, Tensor):
        tolerance = TOLERANCE[expected.dtype]
        torch.testing.assert_close(got, expected, atol=tolerance, rtol=tolerance, msg=lambda m: f"{what}: {m}")
    else:
        for one, other in zip(got, expected, strict=True):
            _close(what, one, other)


def _bits(model: SequenceModel) -> dict[str, tuple[torch.dtype, Tensor]]:
    """Every parameter and buffer as bytes."""
    held = [*model.named_parameters(), *model.named_buffers()]
    return {name: (v.dtype, v.detach().contiguous().reshape(-1).view(torch.uint8).clone()) for name, v in held}
