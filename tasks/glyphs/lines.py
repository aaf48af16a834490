"""Lines of glyphs: set side by side in columns, then rendered with slant, height, ink and noise of their own."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from tasks.glyphs.shapes import ROWS

HEIGHT = ROWS + 2  # a line lies one row higher or lower than another
MARGIN = 3  # empty columns before the first glyph, at most
# By slant: how far each row moves to the right, or to the left.
SLANTS = torch.tensor([[-1, -1, -1, 0, 0, 0, 1, 1, 1], [0] * HEIGHT, [1, 1, 1, 0, 0, 0, -1, -1, -1]])


class Setting(NamedTuple):
    """Where the glyphs of each line stand.

    glyph (batch, columns): the number in its line of the glyph that a column belongs to; −1: it is between glyphs.
    place (batch, columns): which of the glyph's columns it is. held (batch,): glyphs that the line holds.
    """

    glyph: Tensor
    place: Tensor
    held: Tensor


def set_line(gaps: Tensor, widths: Tensor, columns: int) -> Setting:
    """Set as many glyphs as fit, and leave the last column empty.

    gaps (batch, glyphs), at least 0: empty columns before each glyph; widths (batch, glyphs), at least 1: its columns.
    """
    ends = (gaps + widths).cumsum(1)
    starts = ends - widths
    held = (ends < columns).sum(1)
    there = torch.arange(ends.size(1)) < held[:, None]
    marks = torch.zeros(len(ends), columns + 1, dtype=torch.long)
    marks.scatter_(1, torch.where(there, starts, columns), 1)
    glyph = marks[:, :columns].cumsum(1) - 1
    at = glyph.clamp(min=0)
    place = torch.arange(columns) - starts.gather(1, at)
    inside = (glyph >= 0) & (place < widths.gather(1, at))
    return Setting(torch.where(inside, glyph, -1), torch.where(inside, place, 0), held)


def columns_of(setting: Setting, bitmaps: Tensor) -> Tensor:
    """Return the upright lines (batch, columns, ROWS), 0 paper and 1 ink. bitmaps (batch, glyphs, widest, ROWS)."""
    rows = torch.arange(len(bitmaps))[:, None]
    return bitmaps[rows, setting.glyph.clamp(min=0), setting.place] * (setting.glyph >= 0)[..., None]


def render(upright: Tensor, noise: float, generator: Generator) -> Tensor:
    """Return lines (batch, columns, HEIGHT) as a scanner would see them.

    Each line has its own slant (left, none, right), height (0, 1 or 2 rows from the top) and ink (.6 … 1); each pixel
    its own normal noise of standard deviation `noise`.
    """
    batch, columns, _ = upright.shape
    slant, top = (torch.randint(3, (batch, 1, 1), generator=generator) for _ in range(2))
    ink = 0.6 + 0.4 * torch.rand(batch, 1, 1, generator=generator)
    row = torch.arange(HEIGHT) - top
    inside = (row >= 0) & (row < ROWS)
    lines = upright.gather(2, row.clamp(0, ROWS - 1).expand(-1, columns, -1)) * inside
    column = torch.arange(columns)[:, None] - SLANTS[slant[:, 0, 0], None]
    seen = (column >= 0) & (column < columns)
    lines = lines.gather(1, column.clamp(0, columns - 1)) * seen
    return ink * lines + noise * torch.randn(batch, columns, HEIGHT, generator=generator)
