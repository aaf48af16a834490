"""Images as files: PNG of any kind, and MNIST's IDX."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np


def png(
    path: Path, samples: np.ndarray, *, depth: int = 8, colour: int = 0, kind: int = 0, palette: bytes = b""
) -> Path:
    """Write samples (height, width, channels) as a PNG file, every row filtered by `kind`."""
    height, width, _ = samples.shape
    if depth == 16:
        rows = [row.astype(">u2").tobytes() for row in samples.reshape(height, -1)]
    else:
        bits = (samples.reshape(height, -1)[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
        rows = [np.packbits(row.reshape(-1)).tobytes() for row in bits]
    pixel = max(1, samples.shape[2] * depth // 8)
    body, above = b"", bytes(len(rows[0]))
    for row in rows:
        body += bytes([kind]) + bytes((v - guess(kind, i, pixel, row, above)) & 255 for i, v in enumerate(row))
        above = row
    first = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", first), (b"PLTE", palette), (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in parts]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks if palette else [c for c in chunks if b"PLTE" not in c]))
    return path


def head(content: bytes, place: int, value: bytes) -> bytes:
    """Put a value at a place of a PNG file's head, and mend the checksum of it."""
    changed = content[:place] + value + content[place + len(value) :]
    return changed[:29] + struct.pack(">I", zlib.crc32(changed[12:29])) + changed[33:]


def guess(kind: int, i: int, pixel: int, row: bytes, above: bytes) -> int:
    a, b, c = row[i - pixel] if i >= pixel else 0, above[i], above[i - pixel] if i >= pixel else 0
    if kind == 4:
        p = a + b - c
        pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
        return a if pa <= pb and pa <= pc else b if pb <= pc else c
    return [0, a, b, (a + b) // 2][kind]


def idx(path: Path, values: np.ndarray) -> Path:
    path.write_bytes(struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes())
    return path
