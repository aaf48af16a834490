"""The scripts task: which script each column of a line belongs to, where two scripts and dirt mix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from tasks.base import Accuracy, Batch, Data, Features, Notation, Spec, SyntheticTask
from tasks.base import generator as stream
from tasks.glyphs.fonts import fewest_columns, given, of_font
from tasks.glyphs.lines import BESIDE, MARGIN, Setting, columns_of, render, set_line
from tasks.glyphs.shapes import EASTERN, LATIN, Script

PAPER, LATIN_CLASS, EASTERN_CLASS, GARBAGE = range(4)
ENDS = 1 / 3  # of glyphs, the share that begins a word
BETWEEN_WORDS = 3  # columns that are added to the gap there
DIRT = 0.4  # share of the pixels of garbage that are inked
MEASURED = 200_000  # columns of the lines that chance is measured on


class _Line(NamedTuple):
    """The glyphs of lines: kinds (batch, glyphs) 1 … 3, bitmaps (batch, glyphs, widest, rows), where they stand."""

    kinds: Tensor
    bitmaps: Tensor
    setting: Setting


class Scripts(SyntheticTask):
    """Read an image of a line column by column, and say of each: paper, Latin, eastern script, or garbage.

    Rule: a line is made of words, each Latin, eastern or garbage with equal probability, of 1, 2, 3 … glyphs (another
    one follows with probability 2/3). Glyphs of a script are uniform over its ten (`tasks.glyphs.shapes`); one of
    garbage has 3 … 5 columns, of which each pixel is inked with probability .4. Between glyphs is 1 empty column,
    between words are 4; as many glyphs stand there as fit. Slant, height, ink and noise are those of `ocr`. Both
    scripts have the same upright (l) and the same ring (o): only their word tells whose they are.

    The first line of `Scripts(12).training_batch(0)`, # where a pixel is above .5; · marks a column that is not read:

        step    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
        row0    · · · · · · · · · ·  ·  ·  ·  ·  ·  ·  ·
        row1    · · · · · · · · · ·  ·  ·  ·  ·  ·  ·  ·
        row2    · · · · · · · · · ·  ·  ·  ·  ·  ·  ·  ·
        row3    · · · # · # · # · ·  ·  ·  ·  ·  ·  ·  ·
        row4    · · · # # # # · · ·  ·  ·  ·  ·  ·  ·  ·
        row5    · · · # · · · · · ·  ·  ·  ·  ·  ·  ·  ·
        row6    · · # # # · · · · ·  ·  ·  ·  ·  ·  ·  ·
        row7    · · · · # · · · · ·  ·  ·  ·  ·  ·  ·  ·
        row8    · · · · · · · · · ·  ·  ·  ·  ·  ·  ·  ·
        class   · · · · · 0 0 0 2 2  2  2  2  0  0  0  0

    class 0: paper, 1: Latin, 2: eastern, 3: garbage, of column i read at step i+5, so that the rest of the glyph is in
    sight: the line goes on with 5 empty columns.

    length T is the number of columns of the line; there are T+5 steps.

    noise: standard deviation of a pixel's noise; ink is .6 … 1.

    font: `drawn`, or a user's bitmap font in BDF, whose glyphs are cut to their ink (`tasks.glyphs.fonts`). Lines are 2
    rows higher than all of them; columns are read as many steps later as the widest has; garbage has at most so many.

    letters, eastern: the letters of the two scripts. eastern is empty for those drawn for this suite, and with a font
    for all of its letters that are not Latin.

    Score (accuracy, higher is better): right columns over T columns. chance: the share of the most frequent class,
    paper, measured on lines of their own. best 1. Never solved, and without exact solution or credit: a word of shared
    glyphs alone is of either script, columns of garbage may be empty or look like letters, and noise does the rest, so
    that the best possible score is below 1 and not known.

    Source: Milosavljević's lecture, classification of columns (background, Arabic, non-Arabic, garbage).
    """

    version = 1
    minimum_length = 10
    own_data = "font"

    def __init__(
        self,
        length: int,
        *,
        noise: float = 0.2,
        font: str = "drawn",
        letters: str = "abehlostvy",
        eastern: str = "",
        **common: Any,
    ) -> None:
        super().__init__(length, **common)
        if noise < 0:
            raise ValueError(f"Scripts: option 'noise' expects at least 0, got {noise}")
        self.noise = noise
        self.latin, self.eastern, self.data = self._scripts(font, letters, eastern)
        self.shortest = fewest_columns("Scripts", length, self.latin)
        height, self.later = self.latin.rows + BESIDE, self.latin.widest
        self.notation = Notation(features=[f"row{y}" for y in range(height)], shades=(0.0, 1.0))
        self.spec = Spec(inputs=Features(height), outputs=4, objective=Accuracy(), steps=length + self.later)
        pixels = max(1, self.latin.bitmaps[0].numel() // LATIN.bitmaps[0].numel())  # so that memory stays bounded
        line = self._line(stream(0, "chance", "Scripts", length), max(32, MEASURED // pixels // length))
        counts = _classes(line).flatten().bincount(minlength=4)
        self.chance = float(counts.max() / counts.sum())
        self.best = 1.0
        self.solved_threshold = None

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        line = self._line(generator, batch_size)
        upright = columns_of(line.setting, line.bitmaps)
        paper = upright.new_zeros(batch_size, self.later, self.latin.rows)
        images = render(torch.cat([upright, paper], dim=1), self.noise, generator)
        return Batch(images, _classes(line).flatten(), self.read_last(batch_size, images.size(1), self.length))

    def lengths(self) -> Sequence[int]:
        return range(max(self.minimum_length, self.shortest), self.length + 1)

    def _scripts(self, font: str, letters: str, eastern: str) -> tuple[Script, Script, Data | None]:
        """Return the glyphs of both scripts, and the font they are of where it is a user's."""
        own = given("Scripts", font, self.folder, letters=letters, eastern=eastern)
        if own is None:
            return LATIN.of(letters), EASTERN.of(eastern or EASTERN.letters), None
        latin, other = of_font(own, letters, eastern)
        return latin, other, Data(own.name, own.sha256)

    def _line(self, generator: Generator, batch_size: int) -> _Line:
        """Draw more glyphs than fit, and where they stand."""
        size = (batch_size, self.length // 2)
        begins = torch.rand(size, generator=generator) < ENDS
        begins[:, 0] = True
        words = begins.cumsum(1) - 1
        kinds = torch.randint(LATIN_CLASS, GARBAGE + 1, size, generator=generator).gather(1, words)
        latin, eastern, widest = self.latin, self.eastern, self.later
        glyphs = torch.randint(math.lcm(len(latin.letters), len(eastern.letters)), size, generator=generator)
        dirty = torch.randint(min(3, widest), widest + 1, size, generator=generator)
        dirt = (torch.rand(*size, widest, latin.rows, generator=generator) < DIRT).float()
        # Rows of both tables: Latin, then eastern. The remainder is uniform, for both sizes divide what is drawn.
        other = len(latin.letters) + glyphs % len(eastern.letters)
        letters = torch.where(kinds == EASTERN_CLASS, other, glyphs % len(latin.letters))
        bitmaps = torch.cat([latin.bitmaps, eastern.bitmaps])[letters]
        widths = torch.cat([latin.widths, eastern.widths])[letters]
        garbage = kinds == GARBAGE
        gaps = 1 + BETWEEN_WORDS * begins
        gaps[:, 0] = torch.randint(1, MARGIN + 1, (batch_size,), generator=generator)
        setting = set_line(gaps, torch.where(garbage, dirty, widths), self.length)
        return _Line(kinds, torch.where(garbage[..., None, None], dirt, bitmaps), setting)


def _classes(line: _Line) -> Tensor:
    """The class (batch, columns) of each column."""
    glyph = line.setting.glyph
    return torch.where(glyph < 0, PAPER, line.kinds.gather(1, glyph.clamp(min=0)))
