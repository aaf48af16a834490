"""The first sequence of a batch, written in a task's own symbols: rows of one word or one shade per step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import Tensor

from tasks.base.batch import Batch
from tasks.base.spec import Features, Inputs, Mixed, Tokens

UNREAD, PADDED = "·", "_"
_WHOLE = re.compile(r"\b0\.")  # the zero of .22
FEW = 4  # numbers of a step that are written as numbers; more are a picture


class Notation(NamedTuple):
    """How a task writes what it reads and what is right.

    inputs: a word for each id of the first column, which then stands for all columns; targets: one for each class;
    either is empty where numbers say it all. features: a name for each real number of a step; empty: they are numbered.
    shades: the values that are drawn white and black; None: the least and the greatest of a sequence.
    """

    inputs: Sequence[str] = ()
    targets: Sequence[str] = ()
    features: Sequence[str] = ()
    shades: tuple[float, float] | None = None


class Row(NamedTuple):
    """A named row of an example. Each cell is a word, or a shade from 0 (white) to 1 (black)."""

    name: str
    cells: tuple[str | float, ...]


class Example(NamedTuple):
    """A sequence as its task writes it. steps: rows with a cell for each step. beside: rows of other lengths."""

    steps: tuple[Row, ...]
    beside: tuple[Row, ...] = ()


def written(inputs: Inputs, notation: Notation, batch: Batch) -> Example:
    """Write the first sequence of a batch: the steps' numbers, inputs, and targets where they are read.

    Targets that no read is aligned with are written beside the steps, as `transcript`.
    """
    steps = Row("step", tuple(map(str, range(batch.steps))))
    read = tuple(_inputs(inputs, notation, batch.inputs[0]))
    if batch.lengths is not None:
        said = batch.targets[0, : int(batch.lengths[0])]
        return Example((steps, *read), (Row("transcript", words(said, notation.targets)),))
    mask = batch.reads.mask[0].tolist()
    right = iter(words(batch.targets[: sum(mask)], notation.targets))
    return Example((steps, *read, Row("target", tuple(next(right) if asked else UNREAD for asked in mask))))


def words(values: Tensor, names: Sequence[str]) -> tuple[str, ...]:
    """Write ids, or classes with more columns behind them, by their names or as numbers; real numbers with two digits
    behind the point, several of one read with commas. values (values,) or (values, columns)."""
    if values.is_floating_point():
        columns = [decimals(column) for column in values.view(len(values), -1).unbind(1)] if len(values) else []
        return tuple(",".join(row) for row in zip(*columns, strict=True))
    first = values if values.dim() == 1 else values[:, 0]
    if names and len(first) and not 0 <= int(first.min()) <= int(first.max()) < len(names):
        raise ValueError(
            f"notation: expected a word for each id, got {len(names)} words and ids from {int(first.min())} to "
            f"{int(first.max())}"
        )
    return tuple(names[value] if names else str(value) for value in first.tolist())


def decimals(values: Tensor) -> tuple[str, ...]:
    """Write real numbers (values,) with two digits behind the point, `.22`; whole numbers where all are whole."""
    if bool((values == values.round()).all()):
        return tuple(f"{value:.0f}" for value in values.tolist())
    return tuple(_WHOLE.sub(".", f"{value:.2f}") for value in values.tolist())


def _inputs(kind: Inputs, notation: Notation, inputs: Tensor) -> Iterator[Row]:
    """Yield a row for each real number of a step; for ids one row, or where they have no words one for each column,
    `_` where a sequence is padded. inputs (time, …)."""
    features, tokens = (kind.features, kind.tokens) if isinstance(kind, Mixed) else (kind, kind)
    behind = 0
    if isinstance(features, Features):
        behind = features.size
        yield from shown(inputs[:, :behind].T, notation)
    if isinstance(tokens, Tokens):
        ids = inputs[:, behind:].long()
        several = ids.size(1) > 1
        padding = (ids == 0).all(1) & several  # with one column no id is reserved for it
        for column in range(1 if notation.inputs else ids.size(1)):
            named = zip(words(ids[:, column], notation.inputs), padding.tolist(), strict=True)
            name = f"id{column}" if several and not notation.inputs else "input"
            yield Row(name, tuple(PADDED if nothing else word for word, nothing in named))


def shown(values: Tensor, notation: Notation) -> Iterator[Row]:
    """Yield a row for each of some real numbers (numbers, time): as numbers where they are few, else as a picture."""
    names = notation.features or ([f"input{i}" for i in range(len(values))] if len(values) > 1 else ["input"])
    if len(values) <= FEW:
        yield from (Row(name, decimals(row)) for name, row in zip(names, values, strict=True))
        return
    low, high = notation.shades or (float(values.min()), float(values.max()))
    shades = ((values - low) / max(high - low, 1e-12)).nan_to_num().clamp(0, 1)
    yield from (Row(name, tuple(row)) for name, row in zip(names, shades.tolist(), strict=True))
