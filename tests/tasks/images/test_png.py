from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.corpora.decoding import CorpusFormatError
from tasks.images.png import read_png
from tests.support.pictures import head, png

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
def test_every_filter(tmp_path: Path, kind: int) -> None:
    grey = RANDOM.integers(0, 256, (7, 5, 1))
    assert read_png(png(tmp_path / "a.png", grey, kind=kind)).tolist() == grey[..., 0].tolist()


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_every_depth(tmp_path: Path, depth: int) -> None:
    samples = RANDOM.integers(0, 2**depth, (4, 9, 1))
    expected = np.rint(samples[..., 0] / (2**depth - 1) * 255)
    assert read_png(png(tmp_path / "a.png", samples, depth=depth, kind=1)).tolist() == expected.tolist()


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_colours_become_grey(tmp_path: Path, colour: int, channels: int) -> None:
    samples = RANDOM.integers(0, 256, (4, 6, channels))
    luma = samples[..., :3] @ [0.299, 0.587, 0.114] if channels > 2 else samples[..., 0]
    assert read_png(png(tmp_path / "a.png", samples, colour=colour, kind=4)).tolist() == np.rint(luma).tolist()


def test_a_palette(tmp_path: Path) -> None:
    path = png(
        tmp_path / "a.png", np.array([[[0], [2], [1]]]), depth=4, colour=3, palette=bytes([0] * 3 + [9] * 3 + [255] * 3)
    )
    assert read_png(path).tolist() == [[0, 255, 9]]


def test_what_is_refused(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", np.zeros((3, 3, 1), int))
    whole = path.read_bytes()
    for content, message in (
        (b"GIF89a", "expected a PNG image, got a file that begins with b'GIF89a'"),
        (whole[:40], "a broken PNG image"),
        (head(whole, 28, b"\x01"), "not interlaced, .* got an interlaced one"),
        (head(whole, 16, b"\x7f\xff\xff\xff" * 2), "of 1 to 2.24 pixels, got 2147483647 x 2147483647"),
        (head(whole, 25, b"\x07"), "a broken PNG image"),
        (whole.replace(b"IDAT", b"IDAX"), "a broken PNG image"),
    ):
        path.write_bytes(content)
        with pytest.raises(CorpusFormatError, match=f"a.png: .*{message}"):
            read_png(path)
