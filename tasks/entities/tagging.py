"""Tagging whole documents token by token through a window: what ner and pos share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from tasks.base import Batch, Replacement, Split, Task, first_sequences, generator
from tasks.base.context import scores_by_context
from tasks.entities.texts import Text

SCORED = 3000  # tokens that context use is measured on: about 190 spans of litbank


class DocumentTagging(Task, ABC):
    """A task of tagging documents. Subclasses set `text` and `lookahead`, and say which tags are marked: those of
    mentions, or of ambiguous words. In generated documents each hangs on the last cue before it."""

    text: Text
    lookahead: int

    def __init__(self, length: int, **common: Any) -> None:
        super().__init__(length, **common)
        self._held_out: dict[Split, _Batches] = {}

    def lengths(self) -> Sequence[int]:
        return range(max(self.minimum_length, self.text.shortest), self.length + 1)

    @abstractmethod
    def marked(self, batch: Batch) -> Tensor:
        """Return where a marked tag is read (batch, time)."""

    def training_batch(self, step: int) -> Batch:
        """Draw `batch_size` random windows of training documents."""
        return self.text.training_batch(self.batch_size, generator(self.seed, "train", step))

    def held_out(self, split: Split) -> Dataset[Batch]:
        """Return every window of every held-out document, in order; laid out once and kept."""
        if split not in self._held_out:
            self._held_out[split] = _Batches(self.text.windows(split).held_out())
        return self._held_out[split]

    def answer_steps(self, batch: Batch) -> Tensor:
        """Return the step (batch,) at which each sequence's last marked tag is read; the last read step of a sequence
        without one."""
        marks = self.marked(batch)
        return torch.where(marks.any(1), _last(marks), super().answer_steps(batch))

    def probe_batch(self, sequences: int) -> Batch:
        """Return the first validation windows in which a marked tag is read; any windows where there is none."""
        marking = (batch.select(self.marked(batch).any(1)) for batch in self.val_dataloader())
        found = first_sequences(marking, sequences)
        return found if len(found) else super().probe_batch(sequences)

    def context_use(self, model: torch.nn.Module) -> list[tuple[int, float]]:
        """Return (c, score) over the first 3,000 tokens of the test documents (the last document is cut there)."""
        windows = self.text.windows("test")
        return scores_by_context(model, self.spec.objective, self.length, lambda context: windows.cut(context, SCORED))

    def credit(self, batch: Batch) -> Tensor | None:
        """Return the credit (batch, time) of generated documents: 1 on the cue of the last marked tag; all 0 in rows
        where none is read, or whose cue lies before the window. None for real corpora."""
        if self.text.cues is None:
            return None
        steps = torch.arange(batch.steps)
        mention = _last(self.marked(batch)) - self.lookahead
        # The cues and mentions of a document alternate, so the last cue before a mention is its own.
        cues = _is_cue(batch, self.text.cues) & (steps < mention[:, None])
        return (cues & (steps == _last(cues)[:, None])).float()

    def counterfactuals(self, batch: Batch) -> list[Replacement] | None:
        """Replace each cue of generated documents in turn by the cue of the next type. None for real corpora.

        A sequence with fewer cues than another has its last cue replaced again; a sequence without cues stays as it is.
        """
        if self.text.cues is None:
            return None
        legal = self.text.cues.to(batch.inputs.device)
        cues = _is_cue(batch, self.text.cues)
        rows = torch.arange(len(cues), device=cues.device)
        replacements = []
        for number in range(1, int(cues.sum(1).max()) + 1):
            position = _last(cues & (cues.cumsum(1) <= number)).clamp(min=0)
            old = batch.inputs[rows, position]
            matches = (old[:, None] == legal).all(-1)
            new = torch.where(matches.any(1)[:, None], legal.roll(-1, 0)[matches.int().argmax(1)], old)
            inputs = batch.inputs.clone()
            inputs[rows, position] = new
            replacements.append(Replacement(position, inputs))
        return replacements


def _is_cue(batch: Batch, cues: Tensor) -> Tensor:
    """Which inputs are cues (batch, time); cues (types, columns)."""
    return (batch.inputs[:, :, None] == cues.to(batch.inputs.device)).all(-1).any(-1)


def _last(marks: Tensor) -> Tensor:
    """The last step at which each row of marks (batch, time) is true; −1 where none is."""
    return (marks * torch.arange(1, marks.size(1) + 1, device=marks.device)).amax(1) - 1


class _Batches(Dataset[Batch]):
    """A held-out set, batch by batch."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        return self.batches[index]
