"""Labelled images from files, by split: the digits of this suite, MNIST's files, numpy arrays, folders of PNG files."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.base import UnscorableError
from tasks.corpora.decoding import CorpusFormatError
from tasks.images.png import read_png

OTHERS = (".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")  # images that are not read
MOST_CLASSES = 2**16
LARGEST = 1e30  # of a number, so that differences stay within float32
SPLITS = ("training", "validation", "test")
DIGITS = (1197, 300, 300)
VALIDATION = 1000  # images of a file of training images that validate: its last, at most a sixth
FORMS = (
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (.gz or not); "
    "images.npy and labels.npy; or one folder of .png files per class"
)

Array = NDArray[Any]


class EmptyPartError(CorpusFormatError, UnscorableError):
    """Images of which a part holds nothing to score."""


class Images(NamedTuple):
    """Grey images (images, height, width) of values 0 … 1, and their classes (images,)."""

    pixels: Tensor
    labels: Tensor


@lru_cache(maxsize=2)
def load(paths: tuple[Path, ...], folder: str, sha256: str) -> dict[str, Images]:
    """Read images by split; once per process and content (`sha256`).

    Of images in one piece, the ninth and tenth of every ten of a class validate and test. Of MNIST's files the last of
    the training images validate, 1,000 or a sixth of them. folder: the name to show in messages.

    Raises:
        CorpusFormatError: a malformed file, images of different sizes, a label that is not of a training image.
        EmptyPartError: a part without images, or a test part of one class.
    """
    names = {path.name.removesuffix(".gz"): path for path in paths}
    if "digits.csv" in names:
        parts = _digits(names["digits.csv"])
    elif any(name.endswith("-ubyte") for name in names):
        parts = _mnist(names, folder)
    elif "images.npy" in names:
        parts = _by_rank(_arrays(names, folder))
    else:
        parts = _by_rank(_pngs([path for path in paths if path.suffix.lower() == ".png"], folder))
    _check(parts, folder)
    return parts


def _digits(path: Path) -> dict[str, Images]:
    with gzip.open(path, "rt") as lines:
        rows = torch.from_numpy(np.loadtxt(lines, delimiter=",", dtype=np.int64))
    pixels, labels = rows[:, :64].view(-1, 8, 8) / 16, rows[:, 64]
    parts = zip(pixels.split(DIGITS), labels.split(DIGITS), strict=True)
    return dict(zip(SPLITS, (Images(*part) for part in parts), strict=True))


def _mnist(names: dict[str, Path], folder: str) -> dict[str, Images]:
    known, held = (
        _labelled(_idx(_named(names, f"{part}-images-idx3-ubyte", folder), 3),
                  _idx(labels := _named(names, f"{part}-labels-idx1-ubyte", folder), 1), labels)
        for part in ("train", "t10k")
    )  # fmt: skip
    if known.pixels.shape[1:] != held.pixels.shape[1:]:
        sizes = ("{1} x {0}".format(*images.pixels.shape[1:]) for images in (known, held))
        raise CorpusFormatError(f"{folder}: expected images of one size, got {' to train and '.join(sizes)} to test")
    first = len(known.labels) - min(VALIDATION, len(known.labels) // 6)
    return {
        "training": Images(known.pixels[:first], known.labels[:first]),
        "validation": Images(known.pixels[first:], known.labels[first:]),
        "test": held,
    }


def _named(names: dict[str, Path], name: str, folder: str) -> Path:
    if name not in names:
        raise CorpusFormatError(f"{folder}: there is no {name}. Expected {FORMS}")
    return names[name]


def _idx(path: Path, dimensions: int) -> Array:
    """A file in the IDX format (yann.lecun.com/exdb/mnist) of bytes."""
    content = path.read_bytes()
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        zero, kind, found, *sizes = struct.unpack_from(f">HBB{dimensions}I", content)
    except (struct.error, OSError, EOFError, zlib.error) as error:
        raise CorpusFormatError(f"{path}: expected an IDX file, got one that is cut or broken ({error})") from None
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    if (zero, kind, found) != (0, 8, dimensions) or len(values) != np.prod(sizes):
        raise CorpusFormatError(
            f"{path}: expected an IDX file of bytes in {dimensions} dimensions, {' x '.join(map(str, sizes))} by its "
            f"head, got {len(values)} bytes of kind {kind} in {found} dimensions"
        )
    return values.reshape(sizes)


def _arrays(names: dict[str, Path], folder: str) -> Images:
    path = _named(names, "labels.npy", folder)
    return _labelled(_npy(names["images.npy"], 3), _npy(path, 1), path)


def _npy(path: Path, dimensions: int) -> Array:
    try:
        values: Array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise CorpusFormatError(f"{path}: expected an array of numbers as numpy.save writes it, got {error}") from None
    if values.ndim != dimensions or values.dtype.kind not in "iuf":
        shape = "(images, height, width)" if dimensions == 3 else "(images,)"
        raise CorpusFormatError(f"{path}: expected numbers {shape}, got {values.dtype} of shape {values.shape}")
    return values


def _pngs(paths: Sequence[Path], folder: str) -> Images:
    if not paths:
        raise CorpusFormatError(f"{folder}: no images in it. Expected {FORMS}")
    classes = sorted({path.parent for path in paths})
    images = [read_png(path) for path in paths]
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            expected, got = ("{1} x {0}".format(*shape) for shape in (images[0].shape, image.shape))
            raise CorpusFormatError(f"{path}: expected {expected} pixels as in {paths[0]}, got {got}. Scale the images")
    _classes(classes, Path(folder))
    labels = np.array([classes.index(path.parent) for path in paths])
    return _labelled(np.stack(images), labels, paths[0].parent)


def _classes(classes: list[Path], folder: Path) -> None:
    """Refuse folders that are not one for each class: nothing in them is passed over silently."""
    if folder in classes or len(classes) == 1:
        got = "images beside them" if len(classes) > 1 else f"all images in {classes[0]}"
        raise CorpusFormatError(f"{folder}: expected one folder of .png files per class, two or more, got {got}")
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.is_dir() and not any(found.is_relative_to(path) for found in classes):
            raise CorpusFormatError(
                f"{path}: expected .png files of a class, got none. Fill the folder, or take it out"
            )
        if path.suffix.lower() in OTHERS:
            raise CorpusFormatError(f"{path}: expected .png files only, got {path.suffix}. Convert it, or take it out")


def _labelled(pixels: Array, labels: Array, path: Path) -> Images:
    """Images of any numbers, scaled to 0 … 1: bytes by 255, others from min(0, least) to max(1, greatest)."""
    if len(pixels) != len(labels):
        raise CorpusFormatError(f"{path}: expected one label for each of {len(pixels)} images, got {len(labels)}")
    wrong = np.flatnonzero((labels != np.rint(labels)) | (labels < 0) | (labels >= MOST_CLASSES))
    if len(wrong):
        raise CorpusFormatError(
            f"{path}: expected labels 0, 1, 2 … {MOST_CLASSES - 1}, got {labels[wrong[0]]} for image {wrong[0]}"
        )
    strange = np.argwhere(~(np.abs(pixels) <= LARGEST)) if pixels.dtype.kind == "f" else np.empty((0, 3), np.int64)
    for number, *place in strange[:1].tolist():
        raise CorpusFormatError(
            f"{path.parent}: expected finite numbers of at most {LARGEST:g}, got {pixels[number, *place]} in image "
            f"{number}"
        )
    low, high = (0, 255) if pixels.dtype == np.uint8 else (pixels.min(initial=0), pixels.max(initial=1))
    scaled = (pixels.astype(np.float32) - float(low)) / float(high - low)
    return Images(torch.from_numpy(scaled), torch.from_numpy(labels.astype(np.int64)))


def _by_rank(images: Images) -> dict[str, Images]:
    """Divide each class by itself: an order of the images that repeats itself would leave a part without some class."""
    number = torch.zeros_like(images.labels)
    for label in images.labels.unique():
        number[images.labels == label] = torch.arange(int((images.labels == label).sum())) % 10
    chosen = (number < 8, number == 8, number == 9)
    return {split: Images(images.pixels[part], images.labels[part]) for split, part in zip(SPLITS, chosen, strict=True)}


def _check(parts: dict[str, Images], folder: str) -> None:
    """Refuse parts on which no score means anything."""
    for split, part in parts.items():
        if not len(part.labels):
            raise EmptyPartError(
                f"{folder}: the {split} part holds no image, so no score can be measured on it. Of ten images "
                "of a class the tenth tests and the one before it validates: give at least ten of a class"
            )
    classes = set(parts["training"].labels.tolist())
    for split in SPLITS[1:]:
        for number, label in enumerate(parts[split].labels.tolist()):
            if label not in classes:
                raise CorpusFormatError(
                    f"{folder}: image {number} of the {split} part has label {label}, out of range: the labels of the "
                    f"training images are {', '.join(map(str, sorted(classes)))}"
                )
    if len(parts["test"].labels.unique()) == 1:
        raise EmptyPartError(
            f"{folder}: all images of the test part have label {int(parts['test'].labels[0])}, so every guess of it "
            "would be right. Mix the images"
        )
