"""What the page shows, as plain JSON: topics (a task in one setting), groups of seeds, cells, tests, origins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.result import Result
from reports import _blocks, _page_cells, _page_origins, _page_series, summary
from reports._blocks import Rank
from reports._drawing import looks
from reports._page_series import Lists, short
from reports._topics import topics
from reports.summary import Group

FORMAT = 1


def payload(
    results: Sequence[Result], rank: Rank, sweeps: Sequence[dict[str, Any]], corrupt: Sequence[str], title: str
) -> dict[str, Any]:
    """Everything the page's script reads. The same store gives the same content."""
    blocks = _blocks.blocks(summary.groups(results), rank)
    groups = [group for members in blocks.values() for group in members]
    results = [result for group in groups for result in _in_order(group)]
    index = {id(group): place for place, group in enumerate(groups)}
    places = {result.cell.key: place for place, result in enumerate(results)}
    lists = Lists()
    shown = [
        _topic(topic.name, topic.title, topic.score, members, index)
        for topic, members in zip(topics(results, rank), blocks.values(), strict=True)
    ]
    owners = {place: number for number, topic in enumerate(shown) for place in topic["groups"]}
    held = []
    for place, group in enumerate(groups):
        content = _page_cells.group(group, lists)
        content["topic"] = owners[place]
        content["label"], content["difference"] = _labels(shown[owners[place]], place)
        content["cells"] = [places[result.cell.key] for result in _in_order(group)]
        content["chosen"] = [places[result.cell.key] for result in group.seeds]
        held.append(content)
    cells = [_page_cells.cell(r, place, lists) for place, group in enumerate(groups) for r in _in_order(group)]
    for topic in shown:
        del topic["labels"]
    models = {group["label"] for group in held}
    return {
        "format": FORMAT,
        "title": title,
        "looks": {
            label: {"index": place, "dash": list(look.dash), "shape": look.shape}
            for place, (label, look) in enumerate(looks(models).items())
        },
        "topics": shown,
        "groups": held,
        "cells": cells,
        "settings": {"names": list(_page_cells.SETTINGS), "rows": [_page_cells.settings(r) for r in results]},
        "tests": _page_cells.tests(groups, [owners[place] for place in range(len(groups))]),
        "provenance": _page_origins.provenance(results, sweeps),
        "warnings": _page_origins.warnings(results, groups, sweeps, corrupt),
        "distances": lists.held,
        "profile_scale": _page_series.SCALE,
    }


def _in_order(group: Group) -> list[Result]:
    return sorted(group.results, key=lambda result: (result.cell.recipe.learning_rate, result.cell.seed))


def _topic(name: str, title: str, score: str, members: Sequence[Group], index: dict[int, int]) -> dict[str, Any]:
    """A task in one setting: its groups, and its lines over length (one group per model and length, in the order of the
    report)."""
    names = _blocks.labels(members)
    lines: list[dict[str, Any]] = []
    for line in summary.series(members).values():
        lines.append({
            "label": names[id(line[0])][0],
            "groups": [index[id(group)] for group in line],
            "exponent": short(summary.steps_exponent(line), 3),
            "solved_length": summary.solved_length(line),
        })  # fmt: skip
    order = [names[id(group)][0] for group in members]
    lines.sort(key=lambda line: (order.index(line["label"]), line["groups"]))
    reference = next((group.reference for group in members if group.reference), None)
    return {
        "name": name,
        "title": title,
        "task": members[0].identity.task,
        "score": score,
        "metric": reference.metric.replace("_", " ") if reference else None,
        "unit": reference.unit if reference else None,
        "logarithmic": reference is not None and not reference.higher_is_better and reference.best == 0,
        "lengths": sorted({group.identity.length for group in members}),
        "references": list(_blocks.references(members)),
        "groups": [index[id(group)] for group in members],
        "labels": {index[id(group)]: names[id(group)] for group in members},
        "lines": lines,
    }


def _labels(topic: dict[str, Any], place: int) -> tuple[str, str]:
    found: tuple[str, str] = topic["labels"][place]
    return found
