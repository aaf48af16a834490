"""Every figure of a report, regenerated from stored results alone: no training, no torch, no task or model.

A figure is a Vega-Lite specification with its data inside, made by a plain function of results; `write` renders it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import vl_convert
from altair.utils.schemapi import debug_mode

from bench.records import foreign
from reports.figures import asked, effort, flow, inside, jacobians, layout, learning, lengths, memory, symbols, training
from reports.figures.drawing import Looks
from reports.figures.layout import Drawing, Spec
from reports.summary.profiles import quantities, trained
from reports.view import Topic, View, delivery
from reports.view.asked import AskedTopic

__all__ = ["Figure", "figures", "rendered", "write"]

Draw = Callable[[], Drawing]
LONGEST = 1000  # letters of a text in a figure
ENDINGS = ("svg", "png", "vl.json")  # of the files of a figure in a report
PIXELS = 2  # of a PNG per unit of the figure: sharp on a dense screen and in print


@dataclass(frozen=True)
class Figure:
    """A figure of a report, drawn when asked for.

    name: of its files, without an ending. topics: what it is drawn from. beside: what else, as text.
    """

    name: str
    topics: tuple[Topic, ...]
    draw: Draw
    beside: str = ""

    @cached_property
    def drawing(self) -> Drawing:
        """What the figure shows."""
        with debug_mode(False):  # Altair's schema checks take as long as drawing; the tests make them
            return self.draw()

    @cached_property
    def spec(self) -> Spec:
        """The figure as it stands in a report."""
        return layout.spec(self.drawing)


def figures(view: View, answered: Sequence[AskedTopic] = ()) -> list[Figure]:
    """List the figures that a view allows, overviews first. answered: what its models said at other lengths."""
    made = [Figure(name, view.topics, draw) for name, draw in _overviews(view.topics, view.looks)]
    made += _asked(answered, view.looks)
    for topic in view.topics:
        plans = (*_learning(topic, view.looks), *_gradients(topic, view.looks), *_inner(topic, view.looks))
        made += [Figure(name, (topic,), draw) for name, draw in plans]
    return made


def _overviews(topics: Sequence[Topic], models: Looks) -> Iterator[tuple[str, Draw]]:
    scored = [topic for topic in topics if any(group.scores for _, group in topic.drawn)]
    if scored:
        yield "score", partial(lengths.against_length, scored, "score", models)
        yield "skill", partial(lengths.against_length, scored, "skill", models)
    if solvable := [topic for topic in scored if any(group.solved is not None for _, group in topic.drawn)]:
        yield "steps-to-solve", partial(effort.steps_to_solve, solvable, models)
    if priced := effort.priced(topics):
        yield "cost", partial(effort.cost, priced, models)
    if ruled := memory.topics_with_horizon(topics):
        yield "memory-horizon", partial(memory.horizon, ruled, models)


def _asked(answered: Sequence[AskedTopic], models: Looks) -> Iterator[Figure]:
    for topic in answered:
        name, beside = f"{topic.topic.name}-other-lengths", asked.state(topic)
        yield Figure(name, (topic.topic,), partial(asked.against_length, topic, models), beside)
        yield Figure(f"{name}-grid", (topic.topic,), partial(asked.grid, topic, models), beside)


def _learning(topic: Topic, models: Looks) -> Iterator[tuple[str, Draw]]:
    if learning.learned(topic):
        yield f"{topic.name}-learning-curves", partial(learning.curves, topic, models)


def _gradients(topic: Topic, models: Looks) -> Iterator[tuple[str, Draw]]:
    for quantity in quantities(topic.seeds):
        name = topic.file("gradient", quantity)
        yield name, partial(flow.against_distance, topic, quantity, models)
    if trained(topic.seeds):
        yield f"{topic.name}-gradient-through-training", partial(training.through_training, topic, "input", models)
    if any(norm for result in topic.seeds for norm in result.curves.gradient_norm):
        yield f"{topic.name}-gradient-norm", partial(training.norm_per_step, topic, models)


def _inner(topic: Topic, models: Looks) -> Iterator[tuple[str, Draw]]:
    for attention, word in ((False, "gates"), (True, "attention")):
        for line in inside.lines_with_pictures(topic, attention):
            name = topic.file(word, line.label)
            yield name, partial(inside.pictures, topic, line, attention, models)
        for line in symbols.lines_with_symbols(topic, attention):
            name = topic.file(f"{word}-symbols", line.label)
            yield name, partial(symbols.with_symbols, topic, line, attention, models)
    if jacobians.lines_with_jacobians(topic):
        yield f"{topic.name}-jacobian", partial(jacobians.singular_values, topic, models)
        yield f"{topic.name}-lyapunov", partial(jacobians.lyapunov, topic, models)
    if memory.recalled(topic):
        yield f"{topic.name}-recall", partial(memory.recall_by_place, topic, models)
    if memory.contextual(topic):
        yield f"{topic.name}-context-use", partial(memory.effective_context, topic, models)


def as_json(spec: Spec) -> str:
    """Write a specification as JSON.

    Its text is made safe, because a control character ends the process inside the library that draws.
    """
    return json.dumps(_safe(spec), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def write(name: str, text: str, folder: Path) -> None:
    """Render a specification, given as JSON, into files of every ending in ENDINGS, each whole or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    picture = vl_convert.vegalite_to_svg(text, show_warnings=True)
    png = vl_convert.svg_to_png(picture, scale=PIXELS)
    for ending, content in zip(ENDINGS, (picture.encode(), png, text.encode()), strict=True):
        delivery.write(folder / f"{name}.{ending}", content)


def rendered(drawing: Drawing, ending: Literal["svg", "png", "pdf"]) -> bytes:
    """Render a drawing as the content of one file."""
    picture = svg(layout.spec(drawing))
    if ending == "svg":
        return picture.encode()
    return vl_convert.svg_to_png(picture, scale=PIXELS) if ending == "png" else vl_convert.svg_to_pdf(picture)


def svg(spec: Spec) -> str:
    """Render a specification as SVG."""
    return vl_convert.vegalite_to_svg(as_json(spec), show_warnings=True)


def _safe(spec: Spec) -> Spec:
    safe: Spec = foreign.throughout(spec, lambda text: foreign.block(text, LONGEST))
    return safe
