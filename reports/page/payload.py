"""What the page shows, as plain JSON: topics (a task in one setting), groups of seeds, cells, tests, origins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.records.asked import Asked
from bench.records.result import Result
from reports.figures.drawing import Look
from reports.page import cells as page_cells
from reports.page import origins as page_origins
from reports.page import series as page_series
from reports.page.series import Lists, short
from reports.summary import grouping as summary
from reports.summary.grouping import Group
from reports.view import blocks
from reports.view.blocks import Rank
from reports.view.topics import Topic, topics

FORMAT = 1


def payload(
    title: str,
    results: Sequence[Result],
    rank: Rank,
    models: Mapping[str, Look],
    sweeps: Sequence[Asked] = (),
    corrupt: Sequence[str] = (),
) -> dict[str, Any]:
    """Everything the page's script reads. The same store gives the same content.

    models: how each model label is drawn. sweeps: what was asked of the store. corrupt: names of unreadable records.
    """
    by_setting = blocks.blocks(summary.groups(results), rank)
    groups = [group for members in by_setting.values() for group in members]
    results = [result for group in groups for result in _in_order(group)]
    index = {id(group): place for place, group in enumerate(groups)}
    places = {result.cell.key: place for place, result in enumerate(results)}
    lists = Lists()
    shown, held = [], []
    for number, (topic, members) in enumerate(zip(topics(results, rank), by_setting.values(), strict=True)):
        names = blocks.labels(members)
        shown.append(_topic(topic, members, names, index))
        for group in members:
            label, difference = names[id(group)]
            place = {"topic": number, "label": label, "difference": difference}
            place["cells"] = [places[result.cell.key] for result in _in_order(group)]
            place["chosen"] = [places[result.cell.key] for result in group.seeds]
            held.append(page_cells.group(group, lists) | place)
    cells = [page_cells.cell(r, place, lists) for place, group in enumerate(groups) for r in _in_order(group)]
    return {
        "format": FORMAT,
        "title": title,
        "looks": {
            label: {"index": place, "colour": look.colour, "dash": list(look.dash), "shape": look.shape}
            for place, (label, look) in enumerate(models.items())
        },
        "topics": shown,
        "groups": held,
        "cells": cells,
        "settings": {"names": list(page_cells.SETTINGS), "rows": [page_cells.settings(r) for r in results]},
        "tests": page_cells.tests(groups, [group["topic"] for group in held]),
        "provenance": page_origins.provenance(results, sweeps),
        "warnings": page_origins.warnings(results, groups, sweeps, corrupt),
        "distances": lists.held,
        "profile_scale": page_series.SCALE,
    }


def _in_order(group: Group) -> list[Result]:
    return sorted(group.results, key=lambda result: (result.cell.recipe.learning_rate, result.cell.seed))


def _topic(
    topic: Topic, members: Sequence[Group], names: Mapping[int, tuple[str, str]], index: Mapping[int, int]
) -> dict[str, Any]:
    """A task in one setting: its groups, and its lines over length (one group per model and length, in the order of the
    report). names: (label, difference) of a group, index: its place, both by id."""
    lines: list[dict[str, Any]] = [
        {
            "label": names[id(line[0])][0],
            "groups": [index[id(group)] for group in line],
            "exponent": short(summary.steps_exponent(line), 3),
            "solved_length": summary.solved_length(line),
        }
        for line in summary.series(members).values()
    ]
    order = [names[id(group)][0] for group in members]
    lines.sort(key=lambda line: (order.index(line["label"]), line["groups"]))
    reference = next((group.reference for group in members if group.reference), None)
    return {
        "name": topic.name,
        "title": topic.title,
        "task": members[0].identity.task,
        "score": topic.score,
        "metric": reference.metric.replace("_", " ") if reference else None,
        "unit": reference.unit if reference else None,
        "logarithmic": reference is not None and not reference.higher_is_better and reference.best == 0,
        "lengths": sorted({group.identity.length for group in members}),
        "references": list(blocks.references(members)),
        "groups": [index[id(group)] for group in members],
        "lines": lines,
    }
