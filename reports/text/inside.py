"""What gates and attention are called, and the symbols that were read beside them."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.result import Closeup, Picture

ATTENTION = "attention"  # the name of pictures whose rows are answered steps, not units
FAINTEST = 0.01  # percent: a smaller weight is drawn like none
UNREAD = "·"  # as tasks write a step at which nothing is asked


def is_attention(name: str) -> bool:
    """Tell whether a picture shows attention: `attention`, `attention.block0`, `attention.block0.1` of a head."""
    return name.partition(".")[0] == ATTENTION


def named(name: str) -> str:
    """Write `attention.block0.1` as `attention, block 0, head 1`, and `forget` as `forget gate`."""
    first, *parts = name.split(".")
    if first != ATTENTION:
        return f"{name.replace('_', ' ')} gate"
    said = [f"block {part.removeprefix('block')}" if part.startswith("block") else f"head {part}" for part in parts]
    return ", ".join([first, *said])


def percent(picture: Picture) -> Sequence[Sequence[float]]:
    """Give the rows of a picture in percent, as fine as they are known."""
    return [[value / 100 for value in row] for row in picture.finer] if picture.finer else picture.rows


def said_of(picture: Picture) -> str:
    """Say what a picture alone does not show: weights too small to be seen, and steps that share a column."""
    parts = []
    if is_attention(picture.name):
        largest = max((value for row in percent(picture) for value in row), default=0.0)
        parts.append(f"largest weight {largest:.2g} %" if largest else "every weight below 0.5 %: spread evenly")
        parts += ["uncoloured: below 0.5 %"] if largest and not picture.finer else []
    stride = picture.steps[1] - picture.steps[0] if len(picture.steps) > 1 else 1
    return ", ".join([*parts, *([f"{stride} steps a column"] if stride > 1 else [])])


# -- chosen steps ------------------------------------------------------------------------------------------------------


def columns(closeup: Closeup) -> list[int | None]:
    """List the places of a closeup's steps, with None wherever steps are left out."""
    places: list[int | None] = []
    for place, step in enumerate(closeup.steps):
        if place and step != closeup.steps[place - 1] + 1:
            places.append(None)
        places.append(place)
    return places


def read(closeup: Closeup) -> list[str]:
    """Write what is read at each step of a closeup."""
    rows = [row for name, row in closeup.symbols.items() if name != "target"]
    return [" ".join(row[place] for row in rows) for place in range(len(closeup.steps))]


def answers(closeup: Closeup) -> list[str]:
    """Write what is read at each answered step and, behind an arrow, what is asked there."""
    targets = closeup.symbols.get("target", (UNREAD,) * len(closeup.steps))
    asked = [f" → {target}" if target != UNREAD else "" for target in targets]
    at = {step: text + behind for step, text, behind in zip(closeup.steps, read(closeup), asked, strict=True)}
    return [at.get(step, f"step {step}") for step in closeup.answered]
