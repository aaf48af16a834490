"""PNG files as grey images (W3C Portable Network Graphics, second edition), without interlacing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.corpora.decoding import CorpusFormatError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type -> samples of a pixel
PALETTE = 3
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
LARGEST = 2**24  # pixels; a small file can claim any size

Bytes = NDArray[np.uint8]


class _Header(NamedTuple):
    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filtering: int
    interlaced: int


def read_png(path: Path) -> Bytes:
    """Read a PNG file as grey values (height, width), 0 … 255; transparency is ignored.

    Raises:
        CorpusFormatError: the file is no PNG, is broken, interlaced, or has none or more than 2^24 pixels.
    """
    content = path.read_bytes()
    if not content.startswith(SIGNATURE):
        raise CorpusFormatError(f"{path}: expected a PNG image, got a file that begins with {content[:8]!r}")
    try:
        return _grey(content, path)
    except (struct.error, zlib.error, ValueError, KeyError, IndexError) as error:
        if isinstance(error, CorpusFormatError):
            raise
        raise CorpusFormatError(f"{path}: a broken PNG image ({error}). Save it again") from None


def _grey(content: bytes, path: Path) -> Bytes:
    chunks = list(_chunks(content))
    header = _Header(*struct.unpack(">IIBBBBB", next(body for kind, body in chunks if kind == b"IHDR")))
    if header.interlaced or not 0 < header.width * header.height <= LARGEST:
        what = "an interlaced one" if header.interlaced else f"{header.width} x {header.height} pixels"
        raise CorpusFormatError(f"{path}: expected a PNG image, not interlaced, of 1 to 2^24 pixels, got {what}")
    size = CHANNELS[header.colour]
    line = (header.width * size * header.depth + 7) // 8
    packed = b"".join(body for kind, body in chunks if kind == b"IDAT")
    raw = zlib.decompressobj().decompress(packed, header.height * (line + 1))
    rows = _unfiltered(raw, header.height, line, max(1, size * header.depth // 8))
    samples = _samples(rows, header.depth, header.width * size).reshape(header.height, header.width, size)
    if header.colour == PALETTE:
        palette = np.frombuffer(next(body for kind, body in chunks if kind == b"PLTE"), np.uint8).reshape(-1, 3)
        return np.rint(palette[samples[..., 0]] @ LUMA).astype(np.uint8)
    values = samples / (2**header.depth - 1) * 255
    return np.rint(values[..., :3] @ LUMA if size >= 3 else values[..., 0]).astype(np.uint8)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    kind = b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, place)
        body = content[place + 8 : place + 8 + length]
        if content[place + 8 + length : place + 12 + length] != struct.pack(">I", zlib.crc32(kind + body)):
            raise ValueError(f"its chunk {kind.decode('latin-1')} is cut off or altered: the checksum differs")
        yield kind, body
        place += 12 + length


def _unfiltered(raw: bytes, height: int, line: int, pixel: int) -> Bytes:
    """The bytes (height, line) before filtering. pixel: bytes from a byte to the one that its filter calls left."""
    filtered = np.frombuffer(raw, np.uint8).reshape(height, line + 1)
    rows = np.zeros((height + 1, pixel + line), np.uint8)  # a row and a pixel of zeros before the first
    for number, (kind, *values) in enumerate(filtered.tolist(), start=1):
        above, row = rows[number - 1].tolist(), [0] * pixel
        for i, value in enumerate(values):
            left, up, corner = row[i], above[pixel + i], above[i]
            guess = (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]
            row.append((value + guess) & 255)
        rows[number] = row
    return rows[1:, pixel:]


def _paeth(left: int, up: int, corner: int) -> int:
    near = left + up - corner
    return min((left, up, corner), key=lambda value: abs(near - value))


def _samples(rows: Bytes, depth: int, count: int) -> NDArray[np.int64]:
    """Samples (height, count) of 1, 2, 4, 8 or 16 bits, the first in the highest bits of a byte."""
    if depth == 16:
        return rows[:, 0::2].astype(np.int64) * 256 + rows[:, 1::2]
    shifts = np.arange(8 - depth, -1, -depth)
    return ((rows[:, :, None] >> shifts) & (2**depth - 1)).reshape(len(rows), -1)[:, :count].astype(np.int64)
