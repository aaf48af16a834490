"""Transcripts: read from frames without alignment (CTC) or frame by frame, and scored by their errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, ctc_loss

from tasks.base import fitting
from tasks.base.batch import Batch
from tasks.base.metrics import RatioMetric
from tasks.base.objectives import log_odds
from tasks.base.spec import Objective

BLANK = 0  # the class of frames that show no symbol; symbols are 1, 2 …


@final
class Transcription(Objective):
    """Connectionist temporal classification: the loss sums the probabilities of all alignments of the transcript.

    Every frame is read. outputs (batch · frames, 1 + symbols), class 0 the blank; targets (batch, longest) symbols 1 …,
    of which `lengths` count. The answer that a probe follows back is the log probability of the whole transcript, nats.

    Score (errors per symbol, lower is better): insertions, deletions and substitutions from the decoded transcript to
    the right one, over the symbols of the right one. Decoded is the likeliest class of each frame, repetitions removed,
    then blanks.

    Source: Graves et al. 2006 (Connectionist temporal classification), section 4; decoding: section 3.2, best path.
    """

    metric_name = "error_rate"
    unit = "errors per symbol"
    counted = "sequences"
    higher_is_better = False

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the mean over sequences of −log p per symbol, so that long transcripts weigh like short ones."""
        assert batch.lengths is not None
        return -(self.answer(outputs, batch) / batch.lengths).mean()

    def fault(self, batch: Batch, outputs: int) -> str:
        return fitting.transcripts(batch, outputs)

    def metric(self) -> RatioMetric:
        return _Errors()

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        frames = _frames(outputs, batch).log_softmax(-1).transpose(0, 1)
        assert batch.lengths is not None
        return -ctc_loss(frames, batch.targets, batch.reads.counts, batch.lengths, blank=BLANK, reduction="none")


@final
class FramewiseTranscription(Objective):
    """Cross-entropy of the class of every read frame; scored like `Transcription`, the right transcript decoded alike.

    outputs (reads, 1 + symbols), targets (reads,); every sequence has equally many reads. Between two equal symbols
    there must be a frame of class 0.
    """

    metric_name = "error_rate"
    unit = "errors per symbol"
    counted = "sequences"
    higher_is_better = False

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(outputs, batch.targets)

    def fault(self, batch: Batch, outputs: int) -> str:
        return fitting.classes(batch, outputs)

    def metric(self) -> RatioMetric:
        return _Errors()

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        return log_odds(outputs, batch.targets)


class _Errors(RatioMetric):
    """Units are sequences: edits over symbols."""

    def sums(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        said, spoken = decode(_frames(outputs, batch).argmax(-1))
        if batch.lengths is None:
            right, lengths = decode(batch.targets.view(len(batch), -1))
        else:
            right, lengths = batch.targets, batch.lengths
        return edits(said, spoken, right, lengths), lengths


def _frames(outputs: Tensor, batch: Batch) -> Tensor:
    return outputs.view(len(batch), -1, outputs.size(-1))


def decode(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Remove repetitions, then blanks: frames (batch, time) of classes -> symbols (batch, time), lengths (batch,).

    What follows a transcript in its row is 0.
    """
    first = torch.ones_like(frames, dtype=torch.bool)
    first[:, 1:] = frames[:, 1:] != frames[:, :-1]
    kept = first & (frames != BLANK)
    place = torch.where(kept, kept.cumsum(1) - 1, frames.size(1))  # one column beyond for what is removed
    symbols = frames.new_zeros(len(frames), frames.size(1) + 1).scatter(1, place, frames)
    return symbols[:, :-1] * (symbols[:, :-1] != BLANK), kept.sum(1)


def edits(said: Tensor, spoken: Tensor, right: Tensor, lengths: Tensor) -> Tensor:
    """Count the errors (batch,) from the first `spoken` symbols of said (batch, m) to the first `lengths` of right."""
    number = torch.zeros_like(lengths)
    for i, row in enumerate(_distances(said[:, : int(spoken.max())], right[:, : int(lengths.max())])):
        number = torch.where(spoken == i, row.gather(1, lengths[:, None]).squeeze(1), number)
    return number


def constant_error(said: Tensor, right: Tensor, lengths: Tensor) -> float:
    """Return the least errors per symbol that a beginning of one constant transcript makes.

    said (m,): the constant whose beginnings are tried, none longer than the longest right transcript. right (batch, n),
    lengths (batch,): many right transcripts.
    """
    longest = int(lengths.max())
    rows = _distances(said[:longest].expand(len(right), -1), right[:, :longest])
    return min(int(row.gather(1, lengths[:, None]).sum()) for row in rows) / int(lengths.sum())


def _distances(said: Tensor, right: Tensor) -> Iterator[Tensor]:
    """Yield the edit distances (batch, n + 1) from the first 0, 1 … m symbols of said to all beginnings of right: the
    least number of insertions, deletions and substitutions (Levenshtein 1966)."""
    places = torch.arange(right.size(1) + 1, device=right.device)
    row = places.expand(len(right), -1)
    yield row
    for symbol in said.unbind(1):
        replaced = row[:, :-1] + (symbol[:, None] != right)
        best = torch.cat([row[:, :1] + 1, torch.minimum(replaced, row[:, 1:] + 1)], dim=1)
        # Insertions: from any place k before j, at the cost of j − k.
        row = (best - places).cummin(1).values + places
        yield row
