"""The figure of an example of a task: words under their steps, shades as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from reports.figures import drawing
from reports.figures.drawing import Drawing, Row, Sheet, Spec

Cell = str | float
NamedRow = tuple[str, Sequence[Cell]]
LINE = 20  # pixels of a row, and at least of a column
LETTER = 7.5  # pixels of a letter
FONT, SIZE = "monospace", 12


def example(blocks: Sequence[Sequence[NamedRow]], title: str, lines: Sequence[str]) -> Drawing:
    """Draw blocks of rows below each other, each row's cells side by side; what is too wide goes on below.

    A cell is a word, or a shade from 0 (white) to 1 (black). lines: the caption.
    """
    sheet = Sheet({}, [])
    panels = [panel for rows in blocks if rows for panel in _block(sheet, rows)]
    return sheet.finish(drawing.grid(panels, 1, spacing=12), title, lines)


def _block(sheet: Sheet, rows: Sequence[NamedRow]) -> list[Spec]:
    """The panels of one block."""
    steps = max(len(cells) for _, cells in rows)
    letters = max((len(cell) for _, cells in rows for cell in cells if isinstance(cell, str)), default=1)
    column = max(LETTER * letters + 6, LINE)
    margin = LETTER * max(len(name) for name, _ in rows) + 10
    fitting = max(1, int((drawing.PAGE - margin) / column))
    return [
        _panel(sheet, [(name, cells[first : first + fitting]) for name, cells in rows], column, margin)
        for first in range(0, steps, fitting)
    ]


def _panel(sheet: Sheet, rows: Sequence[NamedRow], column: float, margin: float) -> Spec:
    shades: list[Row] = []
    words: list[Row] = []
    for number, (name, cells) in enumerate(rows):
        words.append({"x": margin - 8, "y": number + 0.5, "word": name, "align": "right"})
        for step, cell in enumerate(cells):
            left = margin + column * step
            if isinstance(cell, str):
                words.append({"x": left + column / 2, "y": number + 0.5, "word": cell, "align": "center"})
            else:
                shades.append({"x": left, "right": left + column, "y": number, "below": number + 1, "shade": cell})
    width = margin + column * max(len(cells) for _, cells in rows)
    x = alt.X("x:Q", scale=alt.Scale(domain=[0, width], nice=False), axis=None)
    y = alt.Y("y:Q", scale=alt.Scale(domain=[len(rows), 0], nice=False), axis=None)
    charts: list[Any] = []
    if shades:
        grey = alt.Scale(domain=[0, 1], range=["#ffffff", "#111111"], clamp=True)
        charts.append(
            alt.Chart(sheet.data(shades))
            .mark_rect()
            .encode(
                x=x,
                x2=alt.X2("right:Q"),
                y=y,
                y2=alt.Y2("below:Q"),
                color=alt.Color("shade:Q", scale=grey, legend=None),
            )
        )
    for align in ("right", "center"):
        written = [word for word in words if word["align"] == align]
        mark = alt.Chart(sheet.data(written)).mark_text(font=FONT, fontSize=SIZE, align=align, color=drawing.INK)
        charts.append(mark.encode(x=x, y=y, text=alt.Text("word:N")))
    return drawing.panel(charts, width, LINE * len(rows), drawing.panel_title(""))
