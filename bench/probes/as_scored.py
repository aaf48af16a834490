"""Whether answers depend on what they may not where a model is trained and scored: its own numbers, many sequences.

`causality` looks at five sequences in float64 and without gradients. A model may do something else with more of them,
in single precision, in inference mode or where gradients are on; this looks at a batch as training has it, and at one
as scoring has it. Passes of one shape and one seed are compared, as there. On the CPU a batch is also cut in parts.
Other shapes take other kernels and other random numbers, so what the parts differ by counts only where it is more than
what a millionth of the parameters and another seed do.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from bench.probes.causality import SEPARATE, edges, in_mode, overwritten, read_steps, reads_ahead, refusal, window
from bench.probes.passes import COARSE, HALF, Passes, changed, close
from bench.probes.undisturbed import undisturbed
from models.base import SequenceModel
from tasks.base import Batch

POSITIONS = 16_384  # of one pass, at most, where there are more than two sequences
PARTS = 5, 1  # sequences of the first parts that a batch is cut into
NUDGE = 1e-6  # by which parameters are changed, to see how far rounding grows
GROWTH = 4  # rounding may be so many times what the nudge does


def violation(model: SequenceModel, trained: Batch | None, scored: Batch | None) -> str | None:
    """Find what a model's answers depend on although they may not, in words; None where all is well.

    trained, scored: a training batch and a held-out batch; None: it is not looked at. The model is left as it was, and
    so are the global random numbers.
    """
    for batch, mode, under in ((trained, "training", torch.enable_grad), (scored, "evaluation", torch.inference_mode)):
        if batch is None:
            continue
        batch = _bounded(batch).to(model.device)
        with undisturbed(model) as kept:
            passes = Passes(model, kept, wide=False, under=under)
            with in_mode(passes, batch, mode == "training"):
                if mode == "training":
                    _, batch = window(passes, batch)  # a graph of all steps may be large
                reason = _dependence(passes, batch, cut=mode == "evaluation")
        if reason:
            return refusal(model, reason, mode, f", in a batch of {len(batch)}")
    return None


def _bounded(batch: Batch) -> Batch:
    """Return a power of two of a batch's sequences, about as many as POSITIONS holds; the batch where it holds all."""
    fitting = max(2, POSITIONS // batch.steps)
    return batch if len(batch) <= fitting else batch.select(slice(1 << (fitting.bit_length() - 1)))


def _dependence(passes: Passes, batch: Batch, *, cut: bool) -> str | None:
    """Change all inputs of half the sequences, and those after one step in each of the others, whose answers up to it
    must stay; then cut the batch in parts."""
    own = passes.answers(batch)
    of = batch.reads.sequences
    if passes.overwrites or len(own) != len(of):
        return overwritten(passes)
    inputs, others, last = passes.model.spec.inputs, _half(len(batch)), _last_steps(passes.model, batch)
    seen = ~others[of] & (batch.reads.mask.nonzero()[:, 1] <= last[of])
    later = torch.where(others, 0, last + 1)
    both = passes.answers(changed(batch, inputs, torch.ones_like(others), later))
    if not close(own[seen], both[seen], COARSE):
        tolerance = _rounding(passes, batch, own)
        beside = passes.answers(changed(batch, inputs, others, 0))
        if not close(own[seen], beside[seen], tolerance):
            return f"an answer depends on the other sequences of its batch: {SEPARATE}"
        if not close(own[seen], both[seen], tolerance):
            apart = ((own - both).abs().amax(1).cpu() * seen).nan_to_num()
            return reads_ahead(int(last[of[apart.argmax()]]))
    if not cut or len(batch) == 1 or passes.model.device.type != "cpu":
        return None
    bounds = [0, *(bound for bound in (PARTS[0], sum(PARTS)) if bound < len(batch)), len(batch)]
    parts = torch.cat([passes.answers(batch.select(slice(*pair))) for pair in itertools.pairwise(bounds)])
    if close(own, parts, COARSE) or close(own, parts, _rounding(passes, batch, own, again=True)):
        return None
    return f"an answer is another where its batch is cut in parts: {SEPARATE}"


def _rounding(passes: Passes, batch: Batch, own: Tensor, *, again: bool = False) -> float:
    """Return how far answers may part, as a fraction of the largest: further than COARSE where a nudge of all
    parameters moves them far. again: also as far as the model parts from itself, asked again; anything goes where some
    of it is in half precision, which other shapes round in another way."""
    if again and passes.widths(batch) & HALF:
        return math.inf
    if again:
        passes.answers(batch)
    else:
        passes.kept.restore()
    drawn = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in passes.model.parameters():
            if parameter.is_floating_point():
                nudge = NUDGE * torch.randn(parameter.shape, generator=drawn)
                parameter.data.mul_(1 + nudge.to(parameter.device))
    moved, tolerance = passes.next_answers(batch, seed=int(again)), COARSE
    while tolerance < 1 and not close(own, moved, tolerance / GROWTH):
        tolerance *= GROWTH
    return tolerance if tolerance < 1 else math.inf


def _half(sequences: int) -> Tensor:
    """Return which sequences (batch,) are changed as a whole: half of them, drawn."""
    return torch.randperm(sequences, generator=torch.Generator().manual_seed(0)) < sequences // 2


def _last_steps(model: SequenceModel, batch: Batch) -> Tensor:
    """Return the step (batch,) after which each sequence's inputs are changed: where chunks end, then read steps evenly
    spread; the last step where all may be read."""
    ends, steps = edges(batch), read_steps(batch)
    if model.spec.look_ahead or batch.lengths is not None or not steps:
        return torch.full((len(batch),), batch.steps - 1)
    rest = max(1, len(batch) // 2 - len(ends))
    chosen = torch.tensor([*ends, *(steps[i * len(steps) // rest] for i in range(rest))])
    place = (~_half(len(batch))).cumsum(0) - 1
    return chosen[place.clamp(min=0) % len(chosen)]
