"""What the targets of a batch must be for an objective: one message where they are not, said before training."""

from __future__ import annotations

import torch
from torch import Tensor

from tasks.base.batch import Batch


def classes(batch: Batch, outputs: int) -> str:
    """Say what is wrong with targets (reads,) that are classes 0 … outputs − 1; empty: nothing."""
    targets = batch.targets
    if targets.dim() != 1 or targets.dtype not in (torch.int64, torch.uint8):
        return (
            f"targets: expected classes (reads,), whole numbers in torch.int64, got {tuple(targets.shape)} "
            f"{targets.dtype}"
        )
    return _range("targets: expected classes", targets, 0, outputs)


def equal_reads(batch: Batch, scored: int | None) -> str:
    """Say what is wrong where the last `scored` reads of each sequence are scored; empty: nothing. None: all are."""
    least, most = (int(count) for count in batch.reads.counts.aminmax()) if len(batch) else (0, 0)
    if scored is None or least == most >= scored:
        return ""
    got = f"{least}" if least == most else f"{least} to {most}"
    return f"reads: expected equally many of each sequence, at least the {scored} that are scored, got {got}"


def transcripts(batch: Batch, outputs: int) -> str:
    """Say what is wrong with transcripts that no read is aligned with; empty: nothing."""
    lengths, targets, frames = batch.lengths, batch.targets, batch.reads.counts
    if lengths is None:
        return "lengths: expected how many symbols each transcript has, (batch,) of the Batch, got none"
    if targets.dim() != 2 or targets.is_floating_point():
        return f"targets: expected symbols (batch, longest), whole numbers, got {tuple(targets.shape)} {targets.dtype}"
    if not bool(batch.reads.mask.all()):
        return f"reads: expected every step of each sequence, got {int(frames.min())} of {batch.steps}"
    if len(lengths) and not 0 <= int(lengths.min()) <= int(lengths.max()) <= targets.size(1):
        return f"lengths: expected 0 to {targets.size(1)}, the symbols in targets, got {_span(lengths)}"
    said = torch.arange(targets.size(1), device=targets.device) < lengths[:, None]
    fault = _range(
        "targets: expected symbols (class 0 is the blank, of frames between them)", targets[said], 1, outputs
    )
    again = (targets[:, 1:] == targets[:, :-1]) & said[:, 1:]  # a blank must stand between equal symbols
    needed = lengths.cpu() + again.sum(1).cpu()
    if not fault and bool((needed > frames).any()):
        row = int((needed - frames).argmax())
        fault = (
            f"targets: expected transcripts that fit into their frames, got one of {int(lengths[row])} symbols that "
            f"needs {int(needed[row])} frames, with one between equal neighbours, in {int(frames[row])}"
        )
    return fault


def _range(expected: str, values: Tensor, first: int, end: int) -> str:
    """Say that some of the values lie outside first … end − 1; empty: none does."""
    if not values.numel() or (int(values.min()) >= first and int(values.max()) < end):
        return ""
    return f"{expected} from {first} to {end - 1}, because outputs={end}, got {_span(values)}"


def _span(values: Tensor) -> str:
    return f"{int(values.min())} to {int(values.max())}"
