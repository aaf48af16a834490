"""Docstrings as Markdown has them: an empty line before a list."""

from __future__ import annotations

from typing import Any

import griffe
from markdowns import spaced


class Spaced(griffe.Extension):
    """Put an empty line before each list of a docstring, because Markdown otherwise takes it for the paragraph."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = spaced(obj.docstring.value)
