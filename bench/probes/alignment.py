"""When a model says each symbol of a transcript: the probabilities of its classes, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from models.base import SequenceModel
from tasks.base import Batch, FramewiseTranscription, Row, Task, Transcription
from tasks.base.transcription import BLANK, decode
from tasks.base.written import UNREAD, words

SEEN = 0.1  # of a frame, the probability from which a class is drawn although no transcript holds it


def has_frames(task: Task) -> bool:
    """Return whether a task asks for transcripts that are read from frames."""
    return isinstance(task.spec.objective, Transcription | FramewiseTranscription)


def alignment(task: Task, model: SequenceModel, batch: Batch) -> tuple[list[Row], list[Row]]:
    """Write what a model says of the first sequence of a batch: rows of its steps, and its transcript.

    Of the steps: the probability of each class that the right transcript holds or the model gives a frame, from 0 to 1,
    and the likeliest class. Steps that are not read have none.
    """
    one = batch.select(slice(0, 1))
    said = probabilities(model, one)
    likeliest = said.argmax(1)
    held = decode(one.targets[None])[0][0] if one.lengths is None else one.targets[0, : int(one.lengths[0])]
    classes = {BLANK, *held[held != BLANK].tolist(), *(said.amax(0) >= SEEN).nonzero()[:, 0].tolist()}
    names = task.notation.targets
    rows = [
        Row(f"p {name}", _placed(one, said[:, number].tolist(), 0.0))
        for number, name in zip(sorted(classes), words(torch.tensor(sorted(classes)), names), strict=True)
    ]
    rows.append(Row("said", _placed(one, list(words(likeliest, names)), UNREAD)))
    symbols, count = decode(likeliest[None])
    return rows, [Row("said", words(symbols[0, : int(count[0])], names))]


def probabilities(model: SequenceModel, batch: Batch) -> Tensor:
    """Return the probabilities (reads, classes) that a model gives, on the CPU."""
    training = model.training
    model.eval()
    with torch.no_grad():
        outputs = model(batch)
    model.train(training)
    return outputs.float().softmax(1).cpu()


def _placed(batch: Batch, values: Sequence[str | float], unread: str | float) -> tuple[str | float, ...]:
    """Values of the reads at their steps."""
    following: Iterator[str | float] = iter(values)
    return tuple(next(following) if read else unread for read in batch.reads.mask[0].tolist())
