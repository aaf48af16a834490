"""Every figure of a report, regenerated from stored results alone: no training, no torch, no task or model.

A figure is a Vega-Lite specification with its data inside, made by a plain function of results; `write` renders it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import vl_convert
from altair.utils.schemapi import debug_mode

from bench.records import foreign
from reports.figures import asked, effort, flow, inside, lengths, memory, training
from reports.figures.drawing import Figure, Looks, Spec
from reports.summary.profiles import quantities, trained
from reports.view import Topic, View, delivery
from reports.view.asked import AskedTopic

__all__ = ["Figure", "figures", "rendered", "write"]

Plan = tuple[str, Callable[[], Spec]]
LONGEST = 1000  # letters of a text in a figure
PIXELS = 2  # of a PNG per unit of the figure: sharp on a dense screen and in print


def figures(view: View, answered: Sequence[AskedTopic] = ()) -> Iterator[Figure]:
    """Draw the figures that a view allows, overviews first. answered: what its models said at other lengths."""
    plans = [*_overviews(view.topics, view.looks), *_asked(answered, view.looks)]
    for topic in view.topics:
        plans += [*_gradients(topic, view.looks), *_inner(topic, view.looks)]
    for name, draw in plans:
        with debug_mode(False):  # Altair's schema checks take as long as drawing; the tests make them
            spec = draw()
        yield Figure(name, spec)


def _overviews(topics: Sequence[Topic], models: Looks) -> Iterator[Plan]:
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


def _asked(answered: Sequence[AskedTopic], models: Looks) -> Iterator[Plan]:
    for topic in answered:
        yield f"{topic.topic.name}-other-lengths", partial(asked.against_length, topic, models)
        yield f"{topic.topic.name}-other-lengths-grid", partial(asked.grid, topic, models)


def _gradients(topic: Topic, models: Looks) -> Iterator[Plan]:
    for quantity in quantities(topic.seeds):
        name = topic.file("gradient", quantity)
        yield name, partial(flow.against_distance, topic, quantity, models)
    if trained(topic.seeds):
        yield f"{topic.name}-gradient-through-training", partial(training.through_training, topic, "input", models)
    if any(norm for result in topic.seeds for norm in result.curves.gradient_norm):
        yield f"{topic.name}-gradient-norm", partial(training.norm_per_step, topic, models)


def _inner(topic: Topic, models: Looks) -> Iterator[Plan]:
    for attention, word in ((False, "gates"), (True, "attention")):
        for line in inside.lines_with_pictures(topic, attention):
            name = topic.file(word, line.label)
            yield name, partial(inside.pictures, topic, line, attention, models)
    if inside.lines_with_jacobians(topic):
        yield f"{topic.name}-jacobian", partial(inside.singular_values, topic, models)
        yield f"{topic.name}-lyapunov", partial(inside.lyapunov, topic, models)
    if memory.recalled(topic):
        yield f"{topic.name}-recall", partial(memory.recall_by_place, topic, models)
    if memory.contextual(topic):
        yield f"{topic.name}-context-use", partial(memory.effective_context, topic, models)


def write(figure: Figure, folder: Path) -> list[Path]:
    """Render a figure as SVG, PNG and Vega-Lite JSON, each whole or not at all; return the files' paths.

    Its text is made safe, because a control character ends the process inside the library that draws.

    Raises:
        OSError: the folder cannot be written.
    """
    spec = _safe(figure.spec)
    picture = vl_convert.vegalite_to_svg(spec, show_warnings=True)
    contents = {
        "svg": picture.encode(),
        "png": vl_convert.svg_to_png(picture, scale=PIXELS),
        "vl.json": json.dumps(spec, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(),
    }
    paths = []
    for ending, content in contents.items():
        path = folder / f"{figure.name}.{ending}"
        delivery.write(path, content)
        paths.append(path)
    return paths


def rendered(spec: Spec, ending: Literal["svg", "png", "pdf"]) -> bytes:
    """Render a specification as the content of one file; its text is made safe."""
    picture = vl_convert.vegalite_to_svg(_safe(spec), show_warnings=True)
    if ending == "svg":
        return picture.encode()
    return vl_convert.svg_to_png(picture, scale=PIXELS) if ending == "png" else vl_convert.svg_to_pdf(picture)


def _safe(spec: Spec) -> Spec:
    safe: Spec = foreign.throughout(spec, lambda text: foreign.block(text, LONGEST))
    return safe
