"""Whether a model's answers depend on what they may not: later inputs, other sequences, or the targets.

Two passes are compared that differ in nothing but what an answer may not depend on. They have one shape and one seed,
so that each position has the same random numbers and the same rounding in both; they run in float64, so that a
dependence shows however small it is. Scores come from evaluation mode. Training mode is looked at too, because a model
learns to rely on what leaks there; dropout is then off, and modules that keep statistics as they train (batch
normalisation) are in evaluation mode, because what they take from a batch they do not take where it is scored: there
they answer from their statistics. `as_scored` looks at what these few sequences in float64 may not show.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bench.probes.passes import Passes, changed
from bench.probes.probing import as_probe
from bench.probes.undisturbed import undisturbed
from models.base import SequenceModel
from tasks.base import Batch, Reads, joined

SEQUENCES = 5
EACH = 32, 8  # read steps of which each is looked at, and about how many beyond them
SHORT = 128  # steps: most is looked at in so many of longer sequences
FEW = 8, 2  # instead of EACH, in training mode
CHUNKS = 10, 16, 32, 50, 64, 100, 128  # steps that a model may handle together: the last one of such is looked at
TOGETHER = 16_384  # positions in one pass, at most
SEPARATE = "keep sequences apart (statistics over the batch, sorting, a state kept from batch to batch?)"
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


def violation(model: SequenceModel, batch: Batch, *, training: bool) -> str | None:
    """Find what a model's answers depend on although they may not, in words; None where all is well.

    batch: some sequences of the model's task, on the CPU. training: look at training mode too. The model is left as it
    was, and so are the global random numbers.
    """
    batch = batch.select(slice(SEQUENCES))
    try:
        with as_probe(model), undisturbed(model) as kept:
            return _first_violation(Passes(model, kept, wide=True), batch.double(), training)
    except (RuntimeError, TypeError):  # the model cannot run in float64; a fault of another kind is raised again below
        with undisturbed(model) as kept:
            return _first_violation(Passes(model, kept, wide=False), batch.to(model.device), training)


# -- what is looked for -----------------------------------------------------------------------------------------------


def _first_violation(passes: Passes, batch: Batch, training: bool) -> str | None:
    """Look for a dependence in evaluation mode, then in training mode; return the first."""
    model = passes.model
    for mode in ("evaluation", "training")[: 1 + training]:
        with in_mode(passes, batch, mode == "training"):
            start, short = window(passes, batch)
            own = passes.answers(short)
            reason = overwritten(passes) or _on_targets(passes, short, own) or _on_others(passes, short, own)
            if not model.spec.look_ahead:
                reason = reason or _on_later(passes, batch, short, start, few=mode == "training")
        if reason:
            return refusal(model, reason, mode)
    return None


def refusal(model: SequenceModel, reason: str, mode: str, where: str = "") -> str:
    """Say what is wrong with a model, in which mode, and where else."""
    return f"{type(model).__name__}: {reason} (in {mode} mode{where}). A score would not mean what the task says"


def overwritten(passes: Passes) -> str | None:
    """Say that the last pass changed its inputs; None where it did not."""
    if not passes.overwrites:
        return None
    return (
        "it changes its inputs in place, so that whoever reads the batch afterwards reads something else: compute a "
        "new tensor instead (x = x * 0.5, not x.mul_(0.5) or x *= 0.5; x.clone() before x[...] = y)"
    )


def _on_others(passes: Passes, batch: Batch, own: Tensor) -> str | None:
    """Compare a sequence's answers beside other sequences, in another order, and after other sequences. own: its
    answers as it is."""
    of = batch.reads.sequences
    if batch.lengths is None or len(own) == len(of):
        for row in range(len(batch)) if len(batch) > 1 else ():
            others = torch.arange(len(batch)) != row
            beside = passes.answers(changed(batch, passes.model.spec.inputs, others, 0))
            if passes.differ(own[of == row], beside[of == row], batch):
                return f"an answer depends on the other sequences of its batch: {SEPARATE}"
        if not passes.draws:
            order = torch.arange(len(batch)).roll(1)
            turned = passes.answers(joined([batch.select(slice(int(row), int(row) + 1)) for row in order]))
            expected = torch.cat([own[of == row] for row in order])
            if passes.differ(expected, turned, batch):
                return f"an answer depends on its sequence's place in the batch: {SEPARATE}"
    return _on_batch_before(passes, batch, own)


def _on_batch_before(passes: Passes, batch: Batch, own: Tensor) -> str | None:
    """Compare answers after a batch of other sequences with those after the same batch (a model may count passes)."""
    first = torch.arange(len(batch)) == 0  # only one is changed: to turn all of them leaves their mean
    passes.answers(changed(batch, passes.model.spec.inputs, first, min(1, batch.steps - 1)))
    after = passes.next_answers(batch)
    if not passes.differ(own, after, batch):
        return None
    passes.answers(batch)
    if not passes.differ(passes.next_answers(batch), after, batch):
        return None
    return f"an answer depends on the batch before: {SEPARATE}"


def _on_targets(passes: Passes, batch: Batch, own: Tensor) -> str | None:
    """Compare answers beside other targets."""
    targets = batch.targets.flip(0)
    targets = targets + 1 if targets.is_floating_point() else targets.max() - targets if len(targets) else targets
    other = Batch(batch.inputs, targets, batch.reads, batch.lengths)
    if passes.differ(own, passes.answers(other), batch):
        return "an answer depends on the targets: a model may read a batch's inputs and reads only"
    return None


def _on_later(passes: Passes, batch: Batch, short: Batch, start: int, few: bool) -> str | None:
    """Compare answers up to each step, where the inputs after the step are changed.

    short: the batch's steps from `start` on, in which most steps are looked at. Some are looked at in whole sequences,
    because a model may read ahead in long sequences only. few: look at fewer.
    """
    if batch.lengths is not None:
        return None  # an answer that is not aligned is read at the end
    steps = read_steps(batch)
    each, spread = FEW if few else EACH
    first, beyond = steps[:each], steps[each :: max(1, (len(steps) - each) // spread)]
    ends = [start + step for step in edges(short) if start + step not in first + beyond]
    inside = [] if short is batch else [step for step in first if start <= step < start + short.steps - 1] + ends
    beyond += ends if short is batch else []
    outside = [step for step in first if step not in inside] + beyond
    return _after_each(passes, short, inside, start) or _after_each(passes, batch, outside or inside[-1:], 0)


def read_steps(batch: Batch) -> list[int]:
    """Return the steps that are read in some sequence and have a step after them."""
    return [step for step in batch.reads.mask.any(0).nonzero().squeeze(1).tolist() if step + 1 < batch.steps]


def edges(batch: Batch) -> list[int]:
    """Return those of the read steps at which the first or the last chunk of some usual size ends."""
    ends = {end for size in CHUNKS for end in (size, (batch.steps - 1) // size * size)}
    return [step for step in read_steps(batch) if step + 1 in ends]


def _after_each(passes: Passes, batch: Batch, looked: list[int], first: int) -> str | None:
    """Look, as `_on_later` does, at these steps, each in one sequence. first: the number of the batch's first step."""
    size = max(1, TOGETHER // batch.steps)
    for start in range(0, len(looked), size):
        chosen = looked[start : start + size]
        rows = [number % len(batch) for number in range(start, start + len(chosen))]
        whole = joined([batch.select(slice(row, row + 1)) for row in rows])
        after = torch.tensor(chosen) + 1 - first
        other = passes.answers(changed(whole, passes.model.spec.inputs, torch.ones(len(rows), dtype=torch.bool), after))
        own = passes.answers(whole)
        of, step_of = whole.reads.sequences, whole.reads.mask.nonzero()[:, 1]
        for row, step in enumerate(chosen):
            until = (of == row) & (step_of <= step - first)
            if passes.differ(own[until], other[until], whole):
                return reads_ahead(step)
    return None


def reads_ahead(step: int) -> str:
    """Say that an answer up to a step depends on inputs after it."""
    return (
        f"an answer read at step {step} or before depends on inputs after step {step}, and this task "
        f"forbids reading ahead: compute each position from those up to it (a mask, padding on the left)"
    )


def window(passes: Passes, batch: Batch) -> tuple[int, Batch]:
    """Return a short stretch of long sequences with reads in it, after its first step; the whole batch where sequences
    are not long, where one has no read there, or where the model takes one length only."""
    mask = batch.reads.mask
    reads = mask.any(0).nonzero().squeeze(1)
    if batch.steps < 2 * SHORT or batch.lengths is not None or not len(reads):
        return 0, batch
    start = min(int(reads[0]), batch.steps - SHORT)
    inside = slice(start, start + SHORT)
    step_of = mask.nonzero()[:, 1]
    kept = batch.targets[((step_of >= inside.start) & (step_of < inside.stop)).to(batch.targets.device)]
    short = Batch(batch.inputs[:, inside], kept, Reads(mask[:, inside]))
    try:
        fits = bool(short.reads.counts.all()) and len(passes.answers(short)) == len(kept)
    except Exception:  # a model that takes one length only may raise anything
        fits = False
    return (start, short) if fits else (0, batch)


# -- the mode ---------------------------------------------------------------------------------------------------------


@contextmanager
def in_mode(passes: Passes, batch: Batch, training: bool) -> Iterator[None]:
    """Put a model in one mode; in training mode, dropout and modules with moving statistics stay in evaluation."""
    model = passes.model
    dropouts = [module for module in model.modules() if isinstance(module, DROPOUTS)]
    model.train(training)
    try:
        if training:
            for module in (*dropouts, *_resting(passes, batch)):
                module.training = False
        yield
    finally:
        model.eval()


def _resting(passes: Passes, batch: Batch) -> list[nn.Module]:
    """Return the modules that keep statistics in training mode: a pass changes their own buffers, and scores depend on
    these. A buffer that no score depends on, such as a counter, excuses nothing that its module takes from a batch."""
    model = passes.model
    if next(model.buffers(), None) is None:
        return []
    passes.kept.restore()
    before = [(module, _buffers(module)) for module in model.modules()]
    passes.next_answers(batch)
    moved = [(module, after) for module, own in before if not _equal(own, after := _buffers(module))]
    if not moved:
        return []
    model.eval()
    own, resting = passes.answers(batch), []
    for module, buffers in moved:
        passes.kept.restore()
        module._buffers.update(buffers)
        if passes.differ(own, passes.next_answers(batch), batch):
            resting.append(module)
    model.train()
    return resting


def _buffers(module: nn.Module) -> dict[str, Tensor]:
    return {name: held.clone() for name, held in module._buffers.items() if held is not None}


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(held, other[name]) for name, held in one.items())
