"""The ocr task: a line of text as an image, read column by column; its transcript is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from tasks.base import (
    Batch,
    Data,
    Features,
    FramewiseTranscription,
    Notation,
    Spec,
    Split,
    SyntheticTask,
    Transcription,
    choose,
)
from tasks.base import generator as stream
from tasks.base.transcription import BLANK, constant_error
from tasks.glyphs.fonts import distinct, fewest_columns, given, of_font
from tasks.glyphs.lines import BESIDE, MARGIN, Setting, columns_of, render, set_line
from tasks.glyphs.shapes import LATIN, Script

SPACE = 3  # columns that a space between words adds
SPACES = 0.15  # share of gaps that are spaces
OBJECTIVES = {"none": Transcription, "framewise": FramewiseTranscription}
MEASURED = 200_000  # columns of the lines that chance is measured on


class OCR(SyntheticTask):
    """Read an image of a line column by column, and write down its letters.

    Rule: letters are uniform over a b e h l o s t v y, bitmaps of 7 rows and 1 to 5 columns drawn for this suite
    (`tasks.glyphs.shapes`). Each stands in a cell of 5 columns, as typewriters set them; between cells are 1 or 2 empty
    columns and now and then a space. A line has as many as fit, its own slant, height and ink, and each pixel its own
    noise (`tasks.glyphs.lines`). Columns of 9 pixels are the frames. With L letters and R pairs of equal neighbours, a
    transcript needs L + R frames; an empty column follows each letter, so that no line needs more than it has.

    The first line of `OCR(12).training_batch(0)`, # where a pixel is above .5, and the class of each column, which
    `alignment=framewise` reads 5 steps later (0 between letters; a … y are 1 … 10). The transcript is what is left of
    the classes when repetitions and then 0 are removed:

        step    0 1 2 3 4 5 6 7 8 9 10 11
        row0    · · · · · · · · · ·  ·  ·
        row1    · · · · · · · · · ·  ·  ·
        row2    · · · · · · · · · ·  ·  ·
        row3    · · · # # · · · · ·  ·  ·
        row4    · · · · · # · · # ·  ·  ·
        row5    · · · # # # · · · ·  ·  ·
        row6    · · # · # # · · · ·  ·  ·
        row7    · · · · · · · · · ·  ·  ·
        row8    · · · · · · · · · ·  ·  ·
        class   0 0 1 1 1 1 0 0 0 0  0  0

    length T is the number of columns of the line.

    alignment:
    - `none`: connectionist temporal classification. Every step is read; only the transcript is known in training.
    - `framewise`: the class of every column is known. It is read 5 steps later, so that the whole letter is in sight:
      the line goes on with 5 empty columns.

    noise: standard deviation of a pixel's noise; ink is .6 … 1.

    font: `drawn`, or a user's bitmap font in BDF, whose glyphs are cut to their ink (`tasks.glyphs.fonts`). Cells then
    have as many columns as the widest letter, framewise answers come so many steps later, and lines are 2 rows higher
    than all letters.

    letters: those that are drawn, each with equal probability.

    Score (errors per symbol, the character error rate; lower is better): insertions, deletions and substitutions over
    letters. Decoding is the same in both alignments, see `tasks.base.Transcription`.

    chance: the least error of a constant transcript, measured on lines of their own: of all beginnings of `abe…y`
    repeated. Letters are exchangeable and their number does not depend on them, so that only the pattern of a constant
    matters. Saying nothing scores 1. best 0. Solved at .05, one error in twenty letters: noise leaves the least
    possible error unknown. For the same reason there is no exact solution, and no credit. Without alignment, training
    rests on a plateau first, where a model says one letter for every line: near chance.

    Source: Milosavljević's lecture, line recognition with and without alignment; Graves et al. 2006 (Connectionist
    temporal classification).
    """

    version = 1
    minimum_length = 10
    own_data = "font"

    def __init__(
        self,
        length: int,
        *,
        alignment: Literal["none", "framewise"] = "none",
        noise: float = 0.2,
        font: str = "drawn",
        letters: str = "abehlostvy",
        **common: Any,
    ) -> None:
        super().__init__(length, **common)
        objective = choose("OCR", "alignment", alignment, OBJECTIVES)
        if noise < 0:
            raise ValueError(f"OCR: option 'noise' expects at least 0, got {noise}")
        self.noise = noise
        self.script, self.data = self._script(font, letters)
        self.shortest = fewest_columns("OCR", length, self.script)
        self.later = self.script.widest if objective is FramewiseTranscription else 0
        self.height = self.script.rows + BESIDE
        self.notation = Notation(
            targets=f"-{letters}", features=[f"row{y}" for y in range(self.height)], shades=(0.0, 1.0)
        )
        self.spec = Spec(
            inputs=Features(self.height),
            outputs=1 + len(letters),
            objective=objective(),
            steps=length + self.later,
        )
        lines = max(32, MEASURED // length)
        drawn, setting = self._letters(stream(0, "chance", "OCR", length), lines)
        constant = torch.arange(drawn.size(1)) % len(letters) + 1
        self.chance = constant_error(constant, 1 + drawn, setting.held)
        self.best = 0.0
        self.solved_threshold = 0.05

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        letters, setting = self._letters(generator, batch_size)
        images = render(columns_of(setting, self.script.bitmaps[letters]), self.noise, generator)
        if not self.later:
            reads = self.read_last(batch_size, self.length, self.length)
            symbols = (1 + letters) * (torch.arange(letters.size(1)) < setting.held[:, None])
            return Batch(images, symbols, reads, setting.held)
        paper = self.noise * torch.randn(batch_size, self.later, self.height, generator=generator)
        reads = self.read_last(batch_size, self.length + self.later, self.length)
        return Batch(torch.cat([images, paper], dim=1), self._classes(letters, setting).flatten(), reads)

    def frames(self, split: Literal["training"] | Split) -> Tensor | None:
        return None if self.later else self._classes(*self._letters(*self.first_draw(split)))[0]

    def lengths(self) -> Sequence[int]:
        return range(max(self.minimum_length, self.shortest), self.length + 1)

    def _script(self, font: str, letters: str) -> tuple[Script, Data | None]:
        """Return the glyphs of the letters, and the font they are of where it is a user's."""
        own = given("OCR", font, self.folder, letters=letters)
        if own is None:
            return LATIN.of(letters), None
        (script,) = of_font(own, letters)
        distinct(own, script)
        return script, Data(own.name, own.sha256)

    def _letters(self, generator: Generator, batch_size: int) -> tuple[Tensor, Setting]:
        """Draw letters (batch, more than fit), and where they stand."""
        size = (batch_size, self.length // self.script.widest)
        letters = torch.randint(len(self.script.letters), size, generator=generator)
        gaps = torch.randint(1, 3, size, generator=generator)
        gaps += SPACE * (torch.rand(size, generator=generator) < SPACES)
        gaps[:, 0] = torch.randint(1, MARGIN + 1, (batch_size,), generator=generator)
        return letters, set_line(gaps, torch.full(size, self.script.widest), self.length)

    def _classes(self, letters: Tensor, setting: Setting) -> Tensor:
        """The class (batch, columns) of each column: its letter where the letter has ink, BLANK between letters."""
        letter = letters.gather(1, setting.glyph.clamp(min=0))
        inked = (setting.glyph >= 0) & (setting.place < self.script.widths[letter])
        return torch.where(inked, 1 + letter, BLANK)
