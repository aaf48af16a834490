"""Glyphs of two scripts, drawn for this suite: seven rows, one to five columns, the sixth row is the base line."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

ROWS = 7
WIDEST = 5

_LATIN = {
    "a": "..../..../.##./...#/.###/#.##/....",
    "b": "#.../#.../###./#..#/#..#/###./....",
    "e": "..../..../.##./####/#.../.##./....",
    "h": "#.../#.../###./#..#/#..#/#..#/....",
    "l": "#/#/#/#/#/#/.",
    "o": "..../..../.##./#..#/#..#/.##./....",
    "s": ".../.../.##/#../.##/##./...",
    "t": ".#./.#./###/.#./.#./.##/...",
    "v": "...../...../#...#/#...#/.#.#./..#../.....",
    "y": "..../..../#..#/#..#/.###/...#/.##.",
}
# Forms as in Arabic writing: one base line, dots above and below. An upright and a ring are Latin's too.
_EASTERN = {
    "A": "#/#/#/#/#/#/.",
    "B": "...../...../...../#...#/#...#/#####/..#..",
    "D": ".../.../.#./..#/..#/###/...",
    "F": "...#./...../..##./..###/#...#/#####/.....",
    "H": "..../..../.##./#..#/#..#/.##./....",
    "J": "..../..../####/..#./.#../#.#./.##.",
    "N": "..#../...../#...#/#...#/#...#/.###./.....",
    "R": ".../.../..#/..#/..#/.#./#..",
    "S": "...../...../...../#.#.#/#####/#..../###..",
    "T": ".#.#./...../...../#...#/#...#/#####/.....",
}


class Script(NamedTuple):
    """Glyphs by number: letters, bitmaps (glyphs, widest, rows) of 0 and 1 column by column, widths (glyphs,)."""

    letters: str
    bitmaps: Tensor
    widths: Tensor

    @property
    def widest(self) -> int:
        """The columns of the widest glyph of this script, or of one that shares its lines."""
        return self.bitmaps.size(1)

    @property
    def rows(self) -> int:
        """The rows of every glyph."""
        return self.bitmaps.size(2)

    def of(self, letters: str) -> Script:
        """Return the glyphs of some letters, in their order.

        Raises:
            ValueError: the script lacks one.
        """
        if lacking := [letter for letter in letters if letter not in self.letters]:
            raise ValueError(
                f"the glyphs drawn for this suite are {self.letters}, got {', '.join(map(repr, lacking))}. Others come "
                f"from a font of your own: font=PATH"
            )
        chosen = torch.tensor([self.letters.index(letter) for letter in letters])
        return Script(letters, self.bitmaps[chosen], self.widths[chosen])


def _script(drawn: dict[str, str]) -> Script:
    bitmaps = torch.zeros(len(drawn), WIDEST, ROWS)
    widths = torch.zeros(len(drawn), dtype=torch.long)
    for number, rows in enumerate(text.split("/") for text in drawn.values()):
        widths[number] = len(rows[0])
        for y, row in enumerate(rows):
            for x, point in enumerate(row):
                bitmaps[number, x, y] = point == "#"
    return Script("".join(drawn), bitmaps, widths)


LATIN = _script(_LATIN)
EASTERN = _script(_EASTERN)
