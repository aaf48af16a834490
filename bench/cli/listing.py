"""What can be asked for: tasks, models and their options, one line each."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from bench import catalog

WORDS = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false",
         "tuple[int, ...]": "whole numbers joined by +"}  # fmt: skip
ACROSS = 26  # letters of a name or an option with its default
LEAST = 40  # letters of what is said of it, at least


def listing(width: int) -> Iterator[str]:
    """Yield a line for every discovered task, model and option of these, below a heading each. width: of a line.

    An option stands as it is typed behind the name, with its default, beside what it accepts.
    """
    for kind in catalog.PACKAGES:
        yield f"{kind}s"
        for name in catalog.names(kind):
            card = catalog.card(kind, name)
            yield _line(f"  {name}", card.summary, width)
            for option in card.options.values():
                accepted = " or ".join([*map(catalog.shown, option.choices), *(WORDS[kind] for kind in option.kinds)])
                yield _line(f"    :{option.name}={catalog.shown(option.default)}", accepted, width)


def _line(left: str, right: str, width: int) -> str:
    left = f"{left:<{ACROSS}}  "
    return (left + textwrap.shorten(right, max(LEAST, width - len(left)), placeholder=" …")).rstrip()
