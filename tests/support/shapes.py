"""Tasks of shapes that no built-in task has, reached as `tests.support.shapes:Class`: a transcript without alignment,
an input of two parts, an answer that is fed back."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Generator, Tensor
from torch.nn.functional import ctc_loss, one_hot

from tasks.base import (
    Batch,
    Column,
    Continuation,
    Features,
    Mixed,
    Objective,
    RatioMetric,
    Reads,
    Spec,
    SquaredError,
    SyntheticTask,
    Tokens,
)

BLANK = 0


@final
class Transcript(Objective):
    """Connectionist temporal classification (Graves et al. 2006); score: transcripts that are wholly right."""

    metric_name, unit, counted, higher_is_better = "exact_transcripts", "fraction correct", "sequences", True

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return -self.answer(outputs, batch).mean()

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        frames = outputs.view(len(batch), -1, outputs.size(-1)).log_softmax(-1).transpose(0, 1)
        return -ctc_loss(frames, batch.targets, batch.reads.counts, batch.lengths, blank=BLANK, reduction="none")

    def metric(self) -> RatioMetric:
        return _Exact()


class _Exact(RatioMetric):
    def sums(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        best = outputs.view(len(batch), -1, outputs.size(-1)).argmax(-1)
        assert batch.lengths is not None
        decoded = [[s for s in row.unique_consecutive().tolist() if s != BLANK] for row in best]
        wanted = [row[:n].tolist() for row, n in zip(batch.targets, batch.lengths.tolist(), strict=True)]
        hits = torch.tensor([float(a == b) for a, b in zip(decoded, wanted, strict=True)])
        return hits, torch.ones_like(hits)


class Transcribe(SyntheticTask):
    """T noisy frames that show one to three of four symbols, each for some frames, after silence; the transcript is
    asked for. length T: frames."""

    version = 1
    minimum_length = 9

    def __init__(self, length: int, **common: Any) -> None:
        super().__init__(length, **common)
        self.spec = Spec(inputs=Features(5), outputs=5, objective=Transcript())
        self.chance, self.best, self.solved_threshold = 1 / 12, 1.0, 0.99  # the best constant transcript: one symbol

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        lengths = torch.randint(1, 4, (batch_size,), generator=generator)
        symbols = torch.randint(1, 5, (batch_size, 3), generator=generator)
        place = torch.arange(self.length) * 3 // self.length  # which third of the sequence each frame lies in
        silent = torch.arange(self.length) % (self.length // 3) == 0
        shown = torch.where(silent | (place >= lengths[:, None]), BLANK, symbols[:, place])
        noise = 0.1 * torch.randn(batch_size, self.length, 5, generator=generator)
        return Batch(one_hot(shown, 5) + noise, symbols, self.read_last(batch_size, self.length, self.length), lengths)


class Pointed(SyntheticTask):
    """T numbers from U[0, 1] and a token beside each, 1 at one step and 0 elsewhere; that step's number is asked for
    after the last. length T: steps."""

    version = 1
    minimum_length = 2

    def __init__(self, length: int, **common: Any) -> None:
        super().__init__(length, **common)
        inputs = Mixed(Features(1), Tokens((Column(2, 3),)))
        self.spec = Spec(inputs=inputs, outputs=1, objective=SquaredError())
        self.chance, self.best, self.solved_threshold = 1 / 12, 0.0, 0.001

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        values = torch.rand(batch_size, self.length, generator=generator)
        place = torch.randint(self.length, (batch_size,), generator=generator)
        inputs = torch.stack([values, one_hot(place, self.length).float()], dim=-1)
        targets = values.gather(1, place[:, None]).squeeze(1)
        return Batch(inputs, targets, self.read_last(batch_size, self.length, 1))


class Counting(SyntheticTask):
    """A number k below 8 is read; k+1, k+2 … are to be said, modulo 8, T of them, each read back as it was said. length
    T: how many."""

    version = 1

    def __init__(self, length: int, **common: Any) -> None:
        super().__init__(length, **common)
        inputs = Tokens((Column(8, 8),))
        self.spec = Spec(inputs=inputs, outputs=8, objective=Continuation(), feed=self.feed)
        self.chance, self.best, self.solved_threshold = 1 / 8, 1.0, 0.99

    @staticmethod
    def feed(answer: Tensor, following: Tensor | None) -> Tensor:
        return answer.argmax(-1, keepdim=True)

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        first = torch.randint(8, (batch_size, 1), generator=generator)
        words = (first + torch.arange(self.length + 1)) % 8
        reads = self.read_last(batch_size, self.length, self.length)
        return Batch(words[:, :-1, None], words[:, 1:].flatten(), reads)


class Asking(SyntheticTask):
    """Forgets to state its best score."""

    version = 1

    def __init__(self, length: int, **common: Any) -> None:
        super().__init__(length, **common)
        self.spec = Spec(inputs=Features(1), outputs=1, objective=SquaredError())
        self.chance, self.solved_threshold = 1.0, None

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        values = torch.rand(batch_size, self.length, 1, generator=generator)
        mask = torch.ones(batch_size, self.length, dtype=torch.bool)
        return Batch(values, values.flatten(), Reads(mask))
