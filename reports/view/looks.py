"""How models are drawn: a colour, a dash and a shape each, the same in every figure and on the page."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from typing import NamedTuple


class Look(NamedTuple):
    """How a model is drawn, everywhere: the dash and the shape tell models apart without the colour."""

    colour: str
    dash: tuple[int, ...]
    shape: str


# Colours of Okabe & Ito 2008 (told apart by colour-blind readers), then some of Tol's muted scheme.
LOOKS = {
    "rnn": Look("#D55E00", (1, 0), "circle"),
    "gru": Look("#0072B2", (7, 3), "square"),
    "lstm": Look("#009E73", (2, 2), "triangle-up"),
    "attention": Look("#CC79A7", (9, 2, 2, 2), "diamond"),
    "transformer": Look("#E69F00", (5, 2), "cross"),
    "oracle": Look("#555555", (1, 0), "triangle-right"),
    "window": Look("#999999", (4, 4), "triangle-left"),
}
SPARE = (
    Look("#56B4E9", (1, 0), "triangle-down"),
    Look("#882255", (6, 2), "circle"),
    Look("#332288", (3, 2), "square"),
    Look("#117733", (8, 2, 2, 2), "triangle-up"),
    Look("#AA4499", (1, 0), "diamond"),
    Look("#6699CC", (5, 3), "cross"),
    Look("#661100", (2, 2), "triangle-down"),
)


def looks(labels: Iterable[str]) -> dict[str, Look]:
    """Give every model label a look.

    The default models keep theirs in every report. The others, entries with options among them, take spare ones in
    alphabetical order; all labels of a report must be given at once, because each look depends on the others.
    """
    spare = cycle(SPARE)
    return {label: LOOKS.get(label) or next(spare) for label in sorted(set(labels))}
