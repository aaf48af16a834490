"""What a figure is made for: a column of a paper, the width of its text, a slide. Sizes are data, one way fits them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import vl_convert

from bench.records.errors import UsageError
from reports.figures import figures, layout
from reports.figures.layout import AXIS, LEAST_TEXT, MARGIN, Drawing, Place, Spec

INCH = 72.0  # points
DOTS = 300.0  # of a PNG per inch


@dataclass(frozen=True)
class Medium:
    """A place for a figure, in points. text: no letter is smaller. fills: the figure has exactly this height, too."""

    width: float
    height: float
    text: float
    fills: bool = False

    @property
    def point(self) -> float:
        """Points that a unit of a drawing takes, so that its smallest text has this size."""
        return self.text / LEAST_TEXT


# One column of two (as at ICML and ACL), the text of one column (as narrow as at NeurIPS), a slide of 16:9.
MEDIA = {
    "column": Medium(3.3 * INCH, 9 * INCH, text=7),
    "text": Medium(5.5 * INCH, 8 * INCH, text=7),
    "slide": Medium(40 / 3 * INCH, 7.5 * INCH, text=18, fills=True),
}

LEAST = 60.0  # units: a narrower panel shows nothing
LOWEST = 36.0  # units: a lower one neither
FLATTEST = 0.62  # of the height as drawn
ROUNDS, GROWING = 10, 4  # of laying out and measuring; those in which panels may still grow


@dataclass(frozen=True)
class Fitted:
    """A figure at its size. svg: in units. width, height: in units. point: points that a unit takes."""

    spec: Spec
    svg: str
    width: float
    height: float
    point: float

    def content(self, ending: str) -> bytes:
        """Write the figure as the content of a file: pdf, svg or png."""
        if ending == "svg":
            return self._sized("pt").encode()
        if ending == "png":
            return vl_convert.svg_to_png(self._sized(""), scale=1, ppi=DOTS)
        return vl_convert.svg_to_pdf(self._sized(""))

    def _sized(self, unit: str) -> str:
        """The SVG in its frame, the drawing in the middle. unit: of its width and height; empty: the PDF's points."""
        wide, high = _size(self.svg)
        left, top = (wide - self.width) / 2, (high - self.height) / 2
        width, height = (f"{round(side * self.point, 2):g}{unit}" for side in (self.width, self.height))
        box = f"{left:g} {top:g} {self.width:g} {self.height:g}"
        ground = f'<rect x="{left:g}" y="{top:g}" width="{self.width:g}" height="{self.height:g}" fill="white"/>'
        framed = f'width="{width}" height="{height}" viewBox="{box}">{ground}'
        return _FRAME.sub(lambda _: framed, self.svg, count=1)


_FRAME = re.compile(r'width="([\d.]+)" height="([\d.]+)" viewBox="[^"]*">')


def _size(svg: str) -> tuple[float, float]:
    found = _FRAME.search(svg)
    assert found, "every rendered figure states its size"
    return float(found[1]), float(found[2])


def fitted(drawing: Drawing, medium: Medium, head: bool) -> Fitted:
    """Lay out a drawing so that it fills the width of a medium, with as many panels in a row as it takes.

    head: whether the title is shown.

    Raises:
        UsageError: with text of the medium's size, the panels do not fit.
    """
    width = medium.width / medium.point
    for across in range(max(grid.columns for grid in drawing.grids), 0, -1):
        if made := _fit(drawing, Place(width, across, head=head, captioned=False), medium):
            return made
    count = sum(len(grid.panels) for grid in drawing.grids)
    size = f"{medium.width / INCH:.3g} × {medium.height / INCH:.3g} in"
    raise UsageError(
        f"{count} panels do not fit on {size} with text of {medium.text:g} points. Show fewer of them with --models, "
        "--lengths or --tasks, or take another --width."
    )


def _fit(drawing: Drawing, place: Place, medium: Medium) -> Fitted | None:
    """Find width and height of the panels; None where they would become too small."""
    width, height = place.width, medium.height / medium.point
    columns = max(min(grid.columns, place.across) for grid in drawing.grids)
    panel = max(LEAST, (width - 2 * MARGIN) / columns - AXIS)
    drawn = max(panel["width"] for grid in drawing.grids for panel in grid.panels)
    least = min(panel["height"] for grid in drawing.grids for panel in grid.panels)
    shape = max(FLATTEST, LOWEST / least, panel / drawn)  # narrow panels keep their shape
    place = place._replace(panel=panel, height=min(1.0, shape))
    for number in range(ROUNDS):
        if (place.panel or 0) < LEAST or least * place.height < LOWEST:
            return None
        spec = layout.spec(drawing, place)
        svg = figures.svg(spec)
        wide, high = _size(svg)
        wider, higher = width - wide, height - high if medium.fills or high > height else 0.0
        if number >= GROWING:  # a heading that breaks at one width and not at the next would never come to rest
            wider, higher = min(0.0, wider), min(0.0, higher)
        if abs(wider) <= 1 and abs(higher) <= 1:
            return Fitted(spec, svg, width, height if medium.fills else high, medium.point)
        body = sum(_heights(drawing, place.across)) * place.height
        place = place._replace(panel=(place.panel or 0) + wider / columns, height=place.height * (1 + higher / body))
    return None


def _heights(drawing: Drawing, across: int) -> Iterator[float]:
    """The height of every row of panels, as drawn."""
    for grid in drawing.grids:
        for row in grid.rows(max(1, min(grid.columns, across))):
            yield max(panel["height"] for panel in row)
