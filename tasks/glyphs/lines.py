"""Lines of glyphs: set side by side in columns, then rendered with slant, height, ink and noise of their own."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

BESIDE = 2  # rows that a line has more than its glyphs, because it lies one row higher or lower than another
MARGIN = 3  # empty columns before the first glyph, at most
STEEP = 3  # rows in which a slanted line moves one column


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
    """Return the upright lines (batch, columns, rows), 0 paper and 1 ink. bitmaps (batch, glyphs, widest, rows)."""
    rows = torch.arange(len(bitmaps))[:, None]
    return bitmaps[rows, setting.glyph.clamp(min=0), setting.place] * (setting.glyph >= 0)[..., None]


def render(upright: Tensor, noise: float, generator: Generator) -> Tensor:
    """Return lines (batch, columns, rows + BESIDE) as a scanner would see them. upright (batch, columns, rows).

    Each line has its own slant (left, none, right), height (0, 1 or 2 rows from the top) and ink (.6 … 1); each pixel
    its own normal noise of standard deviation `noise`.
    """
    batch, columns, rows = upright.shape
    height = rows + BESIDE
    slant, top = (torch.randint(3, (batch, 1, 1), generator=generator) for _ in range(2))
    ink = 0.6 + 0.4 * torch.rand(batch, 1, 1, generator=generator)
    row = torch.arange(height) - top
    inside = (row >= 0) & (row < rows)
    lines = upright.gather(2, row.clamp(0, rows - 1).expand(-1, columns, -1)) * inside
    column = torch.arange(columns)[:, None] - slants(height)[slant[:, 0, 0], None]
    seen = (column >= 0) & (column < columns)
    lines = lines.gather(1, column.clamp(0, columns - 1)) * seen
    return ink * lines + noise * torch.randn(batch, columns, height, generator=generator)


def slants(height: int) -> Tensor:
    """Return by slant (left, none, right) how far each row of a line moves to the right: (3, height)."""
    right = (torch.arange(height) - (height - 1) / 2).div(STEEP).round().long()
    return torch.stack([right, torch.zeros_like(right), -right])
