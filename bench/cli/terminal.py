"""The terminal that every command writes to: text from outside cannot command it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from bench.records import foreign


class Terminal(Console):
    """A console of rich that shows all text, whoever wrote it, and takes none for a command; styles are rich's own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, every text made safe."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(foreign.block(segment.text), segment.style)
