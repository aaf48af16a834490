"""The pixels task: an image read pixel by pixel, row by row; its class is asked for after the last."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import Dataset

from tasks.base import Accuracy, Batch, Data, Example, Features, Reads, Row, Spec, Split, Task, generator
from tasks.corpora.resolving import files, resolve
from tasks.images.reading import Images, load

STEPS_PER_BATCH = 32_768


class Pixels(Task):
    """Read the grey values of an image, one at a step, and say its class at the last.

    Rule: the image is resampled to √T × √T pixels and read row by row from its upper left corner, 0 white … 1 black
    (of the digits; other files keep their own scale). The class is read at the last step.

    The first image of `Pixels(4).training_batch(0)`, in hundredths; · marks a step that is not read:

        step     0  1  2  3
        input   33 48 18 28
        target   ·  ·  ·  9

    length T is the number of pixels read, a square: 4, 9, 16, 25 … Natural lengths are those of the files, 64 for the
    digits and 784 for MNIST; 49, 100, 196 lie between. Resampling is linear with antialiasing: at 4, little is left.

    permuted: pixels come in a fixed order instead: sorted by the sha256 of their numbers 0 … T−1, counted row by row
    and written in decimal. It depends on T alone, and is the same on every machine.

    corpus: `digits`, 1,797 images of 8 × 8 (1,197 train, 300 validate, 300 test: fewer than the other tasks hold out),
    or a folder: MNIST's or Fashion-MNIST's four IDX files; `images.npy` and `labels.npy`; PNG files in one folder per
    class (see `tasks.images.reading`). The digits are divided by row, not by writer: the 13 people who wrote them are
    not kept apart, so the score is not that on unseen writers.

    Score (accuracy, higher is better): right classes over images. chance: the share of the most frequent class in the
    test part, measured. best 1. Never solved: nobody knows the score of the best predictor. No exact solution, no
    credit, for the same reason.

    Source: Le, Jaitly & Hinton 2015 (A simple way to initialize recurrent networks of rectified linear units,
    arXiv:1504.00941), section 4.2, MNIST with and without permutation.

    Raises:
        ValueError: the length is not a square.
        CorpusError: no such folder, or files that are not such images; see `tasks.images.reading.load`.
    """

    version = 1
    minimum_length = 4
    fallback = "digits"

    def __init__(self, length: int, *, corpus: str = "digits", permuted: bool = False, **common: Any) -> None:
        super().__init__(length, **common)
        self.side = math.isqrt(length)
        if self.side**2 != length:
            raise ValueError(
                f"Pixels: length must be a square, because images are resampled to √T × √T; got {length}. The nearest "
                f"are {self.side**2} and {(self.side + 1) ** 2}"
            )
        resolved = resolve(corpus, fallback="digits", folder=self.folder)
        self.data = Data(resolved.name, resolved.sha256)
        self.images = load(tuple(files(resolved)), resolved.source, resolved.sha256)
        self.order = permutation(length) if permuted else torch.arange(length)
        if permuted:
            self.notes = (f"permutation of pixels: sha256 {fingerprint(self.order)}",)
        counts = self.images["test"].labels.bincount()
        self.spec = Spec(
            inputs=Features(1),
            outputs=int(self.images["training"].labels.max()) + 1,
            objective=Accuracy(),
            steps=length,
        )
        self.chance = float(counts.max() / counts.sum())
        self.best = 1.0
        self.solved_threshold = None

    def lengths(self) -> Sequence[int]:
        return [side * side for side in range(math.isqrt(self.minimum_length), self.side + 1)]

    def training_batch(self, step: int) -> Batch:
        """Draw `batch_size` training images, with replacement."""
        images = self.images["training"]
        stream = generator(self.seed, "train", step)
        return self.read(images, torch.randint(len(images.labels), (self.batch_size,), generator=stream))

    def held_out(self, split: Split) -> Dataset[Batch]:
        """Return every image of a part, in order."""
        return _HeldOut(self, self.images[split])

    def written(self, batch: Batch) -> Example:
        """Write the first sequence, and beside it the image."""
        image = torch.empty(self.length).scatter(0, self.order, batch.inputs[0, :, 0].cpu()).view(self.side, -1)
        rows = (Row("image" if y == 0 else "", tuple(row)) for y, row in enumerate(image.tolist()))
        return super().written(batch)._replace(beside=tuple(rows))

    def read(self, images: Images, chosen: Tensor) -> Batch:
        """Return some images as sequences. chosen (batch,): their numbers."""
        size = (self.side, self.side)
        pixels = images.pixels[chosen].unsqueeze(1)
        if pixels.shape[2:] != size:
            pixels = interpolate(pixels, size, mode="bilinear", antialias=True).clamp(0, 1)
        mask = (torch.arange(self.length) == self.length - 1).expand(len(chosen), -1)
        return Batch(pixels.flatten(1)[:, self.order, None], images.labels[chosen], Reads(mask))


class _HeldOut(Dataset[Batch]):
    """The images of a part, in batches of about STEPS_PER_BATCH pixels."""

    def __init__(self, task: Pixels, images: Images) -> None:
        self.task, self.images = task, images
        self.rows = max(8, STEPS_PER_BATCH // task.length)

    def __len__(self) -> int:
        return math.ceil(len(self.images.labels) / self.rows)

    def __getitem__(self, index: int) -> Batch:
        if not 0 <= index < len(self):
            raise IndexError(index)
        first = index * self.rows
        return self.task.read(self.images, torch.arange(first, min(first + self.rows, len(self.images.labels))))


def permutation(length: int) -> Tensor:
    """Return the pixels (length,) in the order in which they come: sorted by the sha256 of their numbers as text."""
    return torch.tensor(sorted(range(length), key=lambda i: hashlib.sha256(str(i).encode()).digest()))


def fingerprint(order: Tensor) -> str:
    """Return the sha256 of a permutation, written as a Python list."""
    return hashlib.sha256(repr(order.tolist()).encode()).hexdigest()
