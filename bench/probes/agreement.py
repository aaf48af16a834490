"""Whether a model's ways to the same numbers agree: `run` and a loop of `step`, cut and uncut, `states` and `encode`.

Each check raises `DisagreementError`, which names the layer and the step where two ways part. `x` is the embedded
inputs (batch, time, width), `reads` the mask; a model in float64 is compared closely, one in float32 as its rounding
allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from bench.probes.probing import as_probe
from bench.probes.undisturbed import undisturbed
from models.base import Carried, Recurrence, SequenceModel, States
from models.parts.layer import Layer
from tasks.base import Batch, Reads

STARTS = (0, 1, 6, 1003)
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-5}
COARSE = 1e-2  # of types that are narrower still

Run = Callable[[Tensor, Any, int], tuple[Tensor, Any]]


class DisagreementError(Exception):
    """Two ways to the same numbers part; the message says which, in which layer and at which step."""


def embedded(model: SequenceModel, batch: Batch) -> Tensor:
    """Return the batch's inputs as the model's vectors, of the model's own type, without a graph."""
    dtype: Any = next((parameter.dtype for parameter in model.head.parameters()), model.dtype)
    inputs = batch.inputs.to(dtype) if batch.inputs.is_floating_point() else batch.inputs
    return model.embedding(inputs).detach()


def compare(model: SequenceModel, batch: Batch) -> list[str]:
    """Compare all ways of a model; return a note where they cannot be compared.

    batch: some sequences of the model's task, on the CPU. The model is left as it was, and so are the global random
    numbers.

    Raises:
        DisagreementError: two of them part.
    """
    try:
        with as_probe(model), undisturbed(model):
            return _compared(model, batch)
    except (RuntimeError, TypeError):  # it cannot run in float64; a fault of another kind is raised again below
        with undisturbed(model):
            return _compared(model.eval(), batch.to(model.device))


def _compared(model: SequenceModel, batch: Batch) -> list[str]:
    x = embedded(model, batch)
    with torch.no_grad():
        if not torch.equal(model.encode(x, batch.reads), model.encode(x, batch.reads)):
            return ["it answers otherwise when it is asked again, so they cannot be compared"]
    for check in CHECKS:
        with torch.set_grad_enabled(check is stretches_are_the_whole):
            check(model, x, batch.reads)
    return []


# -- layers and recurrence ---------------------------------------------------------------------------------------------


def run_is_the_loop_of_step(model: SequenceModel, x: Tensor, reads: Reads) -> None:
    """Compare, in every layer and in the model's recurrence, `run` with a loop of `step`, from any step on."""
    for name, layer, inputs in _layers(model, x, reads):
        for start in STARTS:
            looped = layer.unroll(inputs, None, start)
            outputs, after = layer.run(inputs, None, start)
            one_by_one = torch.stack([state[0] for state in looped], dim=1)
            what = f"{name}: run and step part", f" of a sequence from step {start} on"
            _along(what, outputs, one_by_one, start)
            _close(f"{name}: run and step leave other states after step {start + len(looped) - 1}", after, looped[-1])
    recurrence = model.recurrence
    if recurrence is not None:
        for start in STARTS:
            _, last = recurrence.run(x, None, start)
            stepped = _stepped(recurrence, x, recurrence.zero_state(x), start)
            for depth, (one, other) in enumerate(zip(last, stepped, strict=True)):
                _close(f"recurrence, layer {depth}: run and step part after step {start + x.size(1) - 1}", one, other)


def cut_anywhere_is_uncut(model: SequenceModel, x: Tensor, reads: Reads) -> None:
    """Compare, in every layer and in the model's recurrence, two parts, the state and the step's number passed on, with
    the whole."""
    for name, layer, inputs in _layers(model, x, reads):
        _cut_anywhere(name, layer.run, inputs)
    if model.recurrence is not None:
        _cut_anywhere("recurrence", model.recurrence.run, x)


def stretches_are_the_whole(model: SequenceModel, x: Tensor, reads: Reads) -> None:
    """Compare the features of a recurrence that is told to cut its gradient, at every length of a stretch, with those
    of one that is not."""
    recurrence = model.recurrence
    if recurrence is None:
        return
    last = torch.zeros_like(reads.mask)
    last[:, -1] = True  # what comes before the last stretch is run without a gradient
    kept = recurrence.stretch
    try:
        for read in (reads, Reads(last)):
            recurrence.stretch = None
            whole = model.encode(x, read).detach()
            for stretch in range(1, x.size(1) + 1):
                recurrence.stretch = stretch
                _close(f"features in stretches of {stretch} steps", model.encode(x, read).detach(), whole)
    finally:
        recurrence.stretch = kept


# -- the model ---------------------------------------------------------------------------------------------------------


def states_are_encode(model: SequenceModel, x: Tensor, reads: Reads) -> None:
    """Compare the features of `states`, and of a recurrence, with those of `encode`; from what earlier steps left,
    those of the steps that remain."""
    whole = model.encode(x, reads).detach()
    features, series = model.states(x, reads)
    _close("states and encode give other features", features.detach(), whole)
    for name, values in series.items():
        steps = values.size(1) if isinstance(values, Tensor) else len(values)
        _expect(f"states: {name}: steps", steps, x.size(1))
    if model.recurrence is None:
        return
    _close("the recurrence and encode give other features", reads.pick(model.recurrence.run(x)[0]).detach(), whole)
    for cut in range(1, x.size(1)):
        carried = model.recurrence.after(x[:, :cut])
        _expect(f"recurrence.after {cut} steps: the number of the next step", carried.start, cut)
        rest, _ = model.states(x[:, cut:], Reads(reads.mask[:, cut:]), Carried(carried.state, carried.start))
        alone = reads.mask.clone()
        alone[:, :cut] = False
        if alone.any():
            what = f"states from step {cut} on and encode give other features"
            _close(what, rest.detach(), model.encode(x, Reads(alone)).detach())


def pictures_lie_between_zero_and_one(model: SequenceModel, x: Tensor, reads: Reads) -> None:
    """Look at pictures: gates (batch, time, units), attention (batch, heads, queries, time) with rows that sum to 1."""
    batch, time = reads.mask.shape
    with torch.no_grad():
        shown = model.pictures(x, reads)
    for name, values in shown.items():
        what = f"picture {name}"
        if float(values.min()) < 0 or float(values.max()) > 1 + 1e-6:
            span = f"{float(values.min()):g} to {float(values.max()):g}"
            raise DisagreementError(f"{what}: expected numbers in [0, 1], got {span}")
        shape = tuple(values.shape)
        if values.dim() == 3:
            _expect(f"{what}: (batch, time, …)", shape[:2], (batch, time))
        else:
            _expect(
                f"{what}: (batch, queries, time)", (shape[0], *shape[2:]), (batch, len(range(time)[reads.span]), time)
            )
            _close(f"{what}: the sums of its rows", values.sum(-1), torch.ones_like(values.sum(-1)))


def its_state_is_counted(model: SequenceModel, x: Tensor, reads: Reads) -> None:
    """Compare `state_size` with the size of the recurrence's state; elsewhere it is above 0 and never falls with
    length."""
    size, longer = model.state_size(12), model.state_size(24)
    if model.recurrence is not None:
        held = sum(part[0].numel() for layer in model.recurrence.zero_state(x) for part in layer)
        _expect("state_size after 12 and 24 steps", (size, longer), (held, held))
    elif (size, longer) != (None, None) and not (size and longer and size <= longer):
        raise DisagreementError(f"state_size: expected numbers above 0 that do not fall, got {size} and {longer}")


CHECKS = (
    run_is_the_loop_of_step,
    cut_anywhere_is_uncut,
    stretches_are_the_whole,
    states_are_encode,
    pictures_lie_between_zero_and_one,
    its_state_is_counted,
)


# -- comparing ---------------------------------------------------------------------------------------------------------


def _layers(model: SequenceModel, x: Tensor, reads: Reads) -> list[tuple[str, Layer, Tensor]]:
    """Return every layer by name, with the inputs that it runs on."""
    heard: list[tuple[str, Layer, Tensor]] = []
    with _listening(model, heard), torch.no_grad():
        model.encode(x, reads)
    return heard


@contextmanager
def _listening(model: SequenceModel, heard: list[tuple[str, Layer, Tensor]]) -> Iterator[None]:
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, Layer)]
    for name, layer in layers:
        layer.run = _heard(name, layer, heard)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for _, layer in layers:
            del layer.run


def _heard(name: str, layer: Layer, heard: list[tuple[str, Layer, Tensor]]) -> Any:
    run = layer.run

    def listening(x: Tensor, state: Any = None, start: int = 0) -> Any:
        heard.append((name, layer, x))
        return run(x, state, start)

    return listening


def _cut_anywhere(name: str, run: Run, x: Tensor) -> None:
    for start in STARTS:
        whole, last = run(x, None, start)
        for cut in range(1, x.size(1)):
            first, state = run(x[:, :cut], None, start)
            second, after = run(x[:, cut:], state, start + cut)
            where = f"{name}: cut before step {start + cut}"
            _along((f"{where}, the output", ""), torch.cat([first, second], dim=1), whole, start)
            _close(f"{where}, the last state", after, last)


def _stepped(recurrence: Recurrence, x: Tensor, state: States, start: int) -> States:
    """Return the state after the last step."""
    for t, x_t in enumerate(x.unbind(1), start=start):
        state = recurrence.step(x_t, state, t)
    return state


def _along(what: tuple[str, str], got: Tensor, expected: Tensor, start: int) -> None:
    """Compare two tensors (batch, time, …), and name the first step where they part between the words of `what`."""
    _expect(f"{what[0]}{what[1]}: shape", tuple(got.shape), tuple(expected.shape))
    if not _agree(got, expected):
        for t, (one, other) in enumerate(zip(got.unbind(1), expected.unbind(1), strict=True), start=start):
            _close(f"{what[0]} at step {t}{what[1]}", one, other)


def _close(what: str, got: Any, expected: Any) -> None:
    """Compare tensors, or nests of them."""
    if not isinstance(expected, Tensor):
        for one, other in zip(got, expected, strict=True):
            _close(what, one, other)
    elif got.shape != expected.shape:
        _expect(f"{what}: shape", tuple(got.shape), tuple(expected.shape))
    elif not _agree(got, expected):
        raise DisagreementError(f"{what}: they differ by up to {float((got - expected).detach().abs().max()):.2g}")


def _agree(got: Tensor, expected: Tensor) -> bool:
    """Return whether two tensors of one shape agree as far as their type allows."""
    tolerance = TOLERANCE.get(expected.dtype, COARSE)
    return torch.allclose(got, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


def _expect(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise DisagreementError(f"{what}: expected {expected}, got {got}")
