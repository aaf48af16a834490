"""Every figure of a report, regenerated from stored results alone: no training, no torch, no task or model.

A figure is a Vega-Lite specification with its data inside, made by a plain function of results; `write` renders it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import vl_convert
from altair.utils.schemapi import debug_mode

from bench.records.result import Result
from reports.figures import effort, flow, heat, inside, jacobian, lengths, memory, training
from reports.figures.drawing import Figure, Look, Spec, looks
from reports.summary.profiles import quantities, trained
from reports.view.blocks import Rank
from reports.view.topics import Topic, slug, topics

__all__ = ["Figure", "figures", "write"]

Plan = tuple[str, Callable[[], Spec]]
PIXELS = 2  # of a PNG per unit of the figure: sharp on a dense screen and in print


def figures(results: Sequence[Result], rank: Rank, everything: Iterable[Result] = ()) -> Iterator[Figure]:
    """The figures that the results allow, overviews first.

    rank: order of tasks and models. everything: all results of the store where `results` is only a view of it, so that
    a model keeps its colour in every view.
    """
    found = topics(results, rank)
    models = looks(label for topic in (*found, *topics(everything, rank)) for label in topic.labels)
    plans = [*_overviews(found, models)]
    for topic in found:
        plans += [*_gradients(topic, models), *_inner(topic, models)]
    for name, draw in plans:
        with debug_mode(False):  # Altair's schema checks take as long as drawing; the tests make them
            spec = draw()
        yield Figure(name, spec)


def _overviews(found: Sequence[Topic], models: dict[str, Look]) -> Iterator[Plan]:
    groups = {topic.name: [group for line in topic.lines for group in line.groups] for topic in found}
    scored = [topic for topic in found if any(group.scores for group in groups[topic.name])]
    if scored:
        yield "score", partial(lengths.against_length, scored, "score", models)
        yield "skill", partial(lengths.against_length, scored, "skill", models)
    if solvable := [topic for topic in scored if any(group.solved is not None for group in groups[topic.name])]:
        yield "steps-to-solve", partial(effort.steps_to_solve, solvable, models)
    if priced := effort.priced(found):
        yield "cost", partial(effort.cost, priced, models)
    if ruled := memory.topics_with_horizon(found):
        yield "memory-horizon", partial(memory.horizon, ruled, models)


def _gradients(topic: Topic, models: dict[str, Look]) -> Iterator[Plan]:
    results = [result for line in topic.lines for group in line.groups for result in group.seeds]
    for quantity in quantities(results):
        name = f"{topic.name}-gradient-{slug(quantity)}"
        yield name, partial(flow.against_distance, topic, quantity, models)
    if trained(results):
        yield f"{topic.name}-gradient-through-training", partial(heat.through_training, topic, "input", models)
    if any(norm for result in results for norm in result.curves.gradient_norm):
        yield f"{topic.name}-gradient-norm", partial(training.norm_per_step, topic, models)


def _inner(topic: Topic, models: dict[str, Look]) -> Iterator[Plan]:
    for attention, word in ((False, "gates"), (True, "attention")):
        for line in inside.lines_with_pictures(topic, attention):
            name = f"{topic.name}-{word}-{slug(line.label)}"
            yield name, partial(inside.pictures, topic, line, attention, models)
    if jacobian.lines_with_jacobians(topic):
        yield f"{topic.name}-jacobian", partial(jacobian.singular_values, topic, models)
        yield f"{topic.name}-lyapunov", partial(jacobian.lyapunov, topic, models)
    if memory.recalled(topic):
        yield f"{topic.name}-recall", partial(memory.recall_by_place, topic, models)
    if memory.contextual(topic):
        yield f"{topic.name}-context-use", partial(memory.effective_context, topic, models)


def write(figure: Figure, folder: Path) -> list[Path]:
    """Render a figure as SVG, PNG and Vega-Lite JSON; the files' paths.

    Raises:
        OSError: the folder cannot be written.
    """
    picture = vl_convert.vegalite_to_svg(figure.spec, show_warnings=True)
    contents = {
        "svg": picture.encode(),
        "png": vl_convert.svg_to_png(picture, scale=PIXELS),
        "vl.json": json.dumps(figure.spec, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(),
    }
    paths = []
    for ending, content in contents.items():
        path = folder / f"{figure.name}.{ending}"
        path.write_bytes(content)
        paths.append(path)
    return paths
