"""The ways in which a lecture can be drawn, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.lectures import gradients, inside, training
from bench.lectures.shown import Shown
from reports.figures.layout import Drawing

Picture = Callable[[Sequence[Shown], str], Drawing]  # of the cells of a lecture and its title

PICTURES: Mapping[str, Picture] = {
    "products": gradients.products,
    "activations": gradients.activations,
    "influence": gradients.influence,
    "copies": gradients.copies,
    "gates": inside.gates,
    "impulse": inside.impulse,
    "attention": inside.attention,
    "tags": inside.tags,
    "lengths": training.lengths,
    "clipping": training.clipping,
    "rates": training.rates,
    "writing": training.writing,
}
