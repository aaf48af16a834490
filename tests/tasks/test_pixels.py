from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.trial.drawing import draws_alike
from tasks.base import Task, UnscorableError
from tasks.corpora.resolving import CorpusError, files, pack, resolve
from tasks.pixels import Pixels, permutation
from tests.support.examples_in_columns import columns
from tests.support.pictures import head, idx, png

RANDOM = np.random.default_rng(0)


def held(task: Task, split: Any = "test") -> tuple[Tensor, Tensor]:
    batches = list(task.held_out(split))
    return torch.cat([b.inputs[..., 0] for b in batches]), torch.cat([b.targets for b in batches])


def test_the_docstrings_example() -> None:
    shown, batch = columns(Pixels.__doc__), Pixels(4).training_batch(0)
    assert [int(word) for word in shown["step"]] == list(range(4))
    assert [int(word) for word in shown["input"]] == (batch.inputs[0, :, 0] * 100).round().tolist()
    assert [word == "·" for word in shown["target"]] == (~batch.reads.mask[0]).tolist()
    assert int(shown["target"][-1]) == int(batch.targets[0])


def test_the_digits_are_the_published_ones() -> None:
    (path,) = files(resolve("digits", fallback="digits", folder=None))
    table = [[int(v) for v in line.split(",")] for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    assert len(table) == 1797
    task = Pixels(64)
    for split, part in (("validation", table[1197:1497]), ("test", table[1497:])):
        pixels, labels = held(task, split)
        assert (pixels * 16).tolist() == [row[:64] for row in part]
        assert labels.tolist() == [row[64] for row in part]
    known = {tuple(row[:64]) for row in table[:1197]}
    assert all(tuple(row) in known for row in (task.training_batch(0).inputs[..., 0] * 16).tolist())
    assert task.data is not None
    assert hashlib.sha256(path.read_bytes()).hexdigest() == task.data.sha256
    assert task.data.sha256 in path.with_name("digits.txt").read_text("utf-8")


def test_chance_is_the_most_frequent_class_of_the_test_part() -> None:
    task = Pixels(16)
    _, labels = held(task)
    shares = [float((labels == digit).double().mean()) for digit in range(10)]
    assert task.chance == pytest.approx(max(shares))
    metric = task.spec.objective.metric()
    for batch in task.test_dataloader():
        metric.update(torch.eye(10)[shares.index(max(shares))].expand(len(batch), -1), batch)
    assert metric.compute().score == pytest.approx(task.chance)


def test_the_permutation_is_the_same_everywhere() -> None:
    assert permutation(9).tolist() == [8, 4, 3, 0, 1, 7, 2, 6, 5]
    digest = hashlib.sha256(repr(permutation(64).tolist()).encode()).hexdigest()
    assert Pixels(64, permuted=True).notes == (f"permutation of pixels: sha256 {digest}",)
    assert Pixels(64).notes == ()
    assert digest == "d73dd83cb10491aefa4164bf32b3b1796d39572b64b2902876297750dd769809"
    plain, _ = held(Pixels(64))
    permuted, _ = held(Pixels(64, permuted=True))
    assert torch.equal(permuted, plain[:, permutation(64)])
    assert sorted(permutation(784).tolist()) == list(range(784))


@pytest.mark.parametrize("side", [4, 8, 16])
def test_resampling_keeps_the_mean(side: int) -> None:
    """By the mean of blocks where it shrinks by whole numbers; an antialiased triangle weighs neighbours too."""
    whole, _ = held(Pixels(64))
    small, _ = held(Pixels(side**2))
    assert small.shape == (300, side**2)
    assert float((small.mean(1) - whole.mean(1)).abs().mean()) < 0.04
    if side == 4:
        blocks = whole.view(300, 4, 2, 4, 2).mean((2, 4)).flatten(1)
        assert float(torch.corrcoef(torch.stack([blocks.flatten(), small.flatten()]))[0, 1]) > 0.95


def mnist(folder: Path, size: int = 5) -> np.ndarray[Any, Any]:
    images = RANDOM.integers(0, 256, (120, size, size), np.uint8)
    labels = (np.arange(120) % 4).astype(np.uint8)
    for part, chosen in (("train", slice(0, 90)), ("t10k", slice(90, 120))):
        idx(folder / f"{part}-images-idx3-ubyte", images[chosen])
        idx(folder / f"{part}-labels-idx1-ubyte", labels[chosen])
    return images


def test_mnist_files(tmp_path: Path) -> None:
    images = mnist(tmp_path)
    packed = tmp_path / "t10k-images-idx3-ubyte"
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    task = Pixels(25, corpus=str(tmp_path))
    draws_alike(task)
    for split, first, stop in (("validation", 75, 90), ("test", 90, 120)):
        pixels, labels = held(task, split)
        assert (pixels * 255).round().tolist() == images[first:stop].reshape(-1, 25).tolist()
        assert labels.tolist() == [number % 4 for number in range(first, stop)]
    assert (task.spec.outputs, task.chance) == (4, pytest.approx(8 / 30))


def test_arrays(tmp_path: Path) -> None:
    images = RANDOM.normal(size=(60, 4, 4))
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", np.arange(60) // 10)
    task = Pixels(16, corpus=str(tmp_path))
    scaled = ((images - images.min()) / np.ptp(images)).reshape(60, 16).astype(np.float32)
    pixels, labels = held(task)
    np.testing.assert_allclose(pixels.numpy(), scaled[9::10], atol=1e-6)
    assert pixels.dtype == torch.float32
    assert labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_folder_of_pngs(tmp_path: Path) -> None:
    images = {(c, i): RANDOM.integers(0, 256, (3, 4, 1)) for c in "ab" for i in range(10)}
    for (c, i), image in images.items():
        png(tmp_path / "set" / c / f"{i}.png", image, kind=i % 5)
    (tmp_path / "set" / ".hidden.png").write_bytes(b"no image")
    task = Pixels(16, corpus=str(tmp_path / "set"))
    _, labels = held(task)
    assert labels.tolist() == [0, 1]
    assert task.images["test"].pixels[1].mul(255).round().tolist() == images["b", 9][..., 0].tolist()
    assert task.images["training"].labels.bincount().tolist() == [8, 8]


def write_mixed(folder: Path) -> None:
    for i in range(20):
        png(folder / "x" / f"{i:02}.png", np.zeros((3, 4 if i else 5, 1), int))


def write_labels(*labels: int, images: int = 20) -> Any:
    def write(folder: Path) -> None:
        np.save(folder / "images.npy", np.zeros((images, 3, 3)))
        np.save(folder / "labels.npy", np.array(labels))

    return write


def write_cut(folder: Path) -> None:
    mnist(folder)
    path = folder / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])


def write_unknown(folder: Path) -> None:
    mnist(folder)
    idx(folder / "t10k-labels-idx1-ubyte", np.full(30, 9, np.uint8))


def write_pickle(folder: Path) -> None:
    write_labels(*range(20))(folder)
    np.save(folder / "labels.npy", np.array([{}] * 20), allow_pickle=True)


def write_sizes(folder: Path) -> None:
    mnist(folder)
    idx(folder / "train-images-idx3-ubyte", np.zeros((40, 3, 5), np.uint8))
    idx(folder / "train-labels-idx1-ubyte", np.arange(40, dtype=np.uint8) % 2)
    idx(folder / "t10k-images-idx3-ubyte", np.zeros((30, 2, 3), np.uint8))


def write_numbers(value: float) -> Any:
    def write(folder: Path) -> None:
        write_labels(*range(2), images=20)(folder)
        np.save(folder / "labels.npy", np.arange(20) % 2)
        images = np.load(folder / "images.npy").astype(np.float64)
        images[7, 1, 1] = value
        np.save(folder / "images.npy", images)

    return write


def write_pngs(folder: Path) -> None:
    for name in ("x", "y"):
        for number in range(10):
            png(folder / name / f"{number:02}.png", np.full((4, 4, 1), number))


def write_flat(folder: Path) -> None:
    for number in range(20):
        png(folder / f"{number:02}.png", np.full((4, 4, 1), number))


def write_beside(folder: Path) -> None:
    write_pngs(folder)
    png(folder / "00.png", np.zeros((4, 4, 1), int))


def write_more(name: str) -> Any:
    def write(folder: Path) -> None:
        write_pngs(folder)
        (folder / ".hidden").mkdir()
        (folder / name).touch() if "." in name else (folder / name).mkdir()

    return write


def write_nothing(folder: Path) -> None:
    write_pngs(folder)
    path = folder / "x" / "05.png"
    path.write_bytes(head(path.read_bytes(), 16, bytes(8)))


def spoil(end: int | None, altered: int | None = None) -> Any:
    """Cut an image off at a byte, or alter one."""

    def write(folder: Path) -> None:
        write_pngs(folder)
        content = bytearray((folder / "x" / "05.png").read_bytes())
        if altered is not None:
            content[altered] ^= 1
        (folder / "x" / "05.png").write_bytes(content[:end])

    return write


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_mixed, r"x/01\.png: expected 5 x 3 pixels as in .*x/00\.png, got 4 x 3\. Scale the images"),
        (write_labels(*[0, -1] * 10), r"labels\.npy: expected labels 0, 1, 2 … 65535, got -1 for image 1"),
        (write_unknown, r"image 0 of the test part has label 9, out of range: .* images are 0, 1, 2, 3$"),
        (write_labels(0, 1), r"labels\.npy: expected one label for each of 20 images, got 2"),
        (write_cut, r"t10k-labels-idx1-ubyte: expected an IDX file of bytes in 1 dimensions, 30 by its head, got 29"),
        (write_pickle, r"labels\.npy: expected an array of numbers as numpy\.save writes it"),
        (write_labels(*[0, 2**16] * 10), r"labels\.npy: expected labels 0, 1, 2 … 65535, got 65536 for image 1"),
        (write_sizes, "expected images of one size, got 5 x 3 to train and 3 x 2 to test"),
        (write_numbers(np.nan), "expected finite numbers of at most 1e[+]30, got nan in image 7"),
        (write_numbers(-1e300), "expected finite numbers of at most 1e[+]30, got -1e[+]300 in image 7"),
        (write_flat, "expected one folder of .png files per class, two or more, got all images in "),
        (write_beside, "expected one folder of .png files per class, two or more, got images beside them"),
        (write_more("z"), r"z: expected \.png files of a class, got none\. Fill the folder, or take it out"),
        (write_more("x/a.JPG"), r"x/a\.JPG: expected \.png files only, got \.JPG\. Convert it, or take it out"),
        (spoil(50), r"x/05\.png: a broken PNG image \(its chunk IDAT is cut off or altered: the checksum differs\)"),
        (spoil(None, 45), r"x/05\.png: a broken PNG image \(its chunk IDAT is cut off or altered"),
        (spoil(45 - 12), r"x/05\.png: a broken PNG image \(unpack_from"),
        (write_nothing, r"x/05\.png: expected a PNG image, not interlaced, of 1 to 2\^24 pixels, got 0 x 0 pixels"),
        (lambda folder: None, r"no images in it\. Expected train-images-idx3-ubyte"),
        (
            lambda folder: idx(folder / "train-images-idx3-ubyte", np.zeros((2, 2, 2), np.uint8)),
            "there is no train-lab",
        ),
    ],
)
def test_one_message_names_the_file(tmp_path: Path, write: Any, message: str) -> None:
    write(tmp_path)
    with pytest.raises(CorpusError, match=message):
        Pixels(9, corpus=str(tmp_path))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_labels(*range(9), images=9), "the validation part holds no image, so no score can be measured on it"),
        (write_labels(*range(5), *[5] * 15), "all images of the test part have label 5"),
    ],
)
def test_a_test_part_with_nothing_to_score(tmp_path: Path, write: Any, message: str) -> None:
    write(tmp_path)
    with pytest.raises(UnscorableError, match=message):
        Pixels(9, corpus=str(tmp_path))


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^Pixels: length must be a square, .*; got 12\. The nearest are 9 and 16$"):
        Pixels(12)
    with pytest.raises(CorpusError, match=r"there is no folder .*; did you mean digits\?"):
        Pixels(16, corpus="digit")
    (tmp_path / "a.npy").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"expected a folder, got the file .*a\.npy"):
        Pixels(16, corpus=str(tmp_path / "a.npy"))


def test_a_folder_goes_to_another_machine(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    mnist(tmp_path / "here")
    found = resolve(str(tmp_path / "here"), fallback="digits", folder=None)
    name, content = pack(found.source, found.folder)
    for file, body in content.items():
        (tmp_path / "there" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "there" / file).write_bytes(body)
    there = resolve(str(tmp_path / "there" / name), fallback="digits", folder=None)
    assert (there.name, there.sha256) == ("here", found.sha256)
    (tmp_path / "there" / name / "t10k-labels-idx1-ubyte").write_bytes(b"other")
    assert resolve(str(tmp_path / "there" / name), fallback="digits", folder=None).sha256 != found.sha256
