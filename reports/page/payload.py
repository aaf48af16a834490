"""What the page shows, as plain JSON: topics (a task in one setting), groups of seeds, cells, tests, origins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from bench.records.asked import Asked
from reports.page import cells, origins
from reports.page.series import SCALE, Lists, short
from reports.summary.grouping import steps_exponent
from reports.summary.memory import worse_with_more
from reports.text import asked, paper, words
from reports.text.notes import references
from reports.view import Topic, View
from reports.view.asked import AskedTopic

FORMAT = 1


def payload(
    title: str,
    view: View,
    sweeps: Sequence[Asked] = (),
    corrupt: Sequence[str] = (),
    answered: Sequence[AskedTopic] = (),
    drawn: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Collect everything the page's script reads. The same store gives the same content.

    sweeps: what was asked of the store. corrupt: names of unreadable records. answered: what the models of the view
    said at other lengths. drawn: names of the figures beside the page, by the name of their topic.
    """
    lists = Lists()
    places = {result.cell.key: place for place, result in enumerate(view.results)}
    groups = [
        cells.group(member.group, lists)
        | {
            "topic": number,
            "label": member.label,
            "difference": member.difference,
            "cells": [places[result.cell.key] for result in member.group.results],
            "chosen": [places[result.cell.key] for result in member.group.seeds],
        }
        for number, topic in enumerate(view.topics)
        for member in topic.members
    ]
    return {
        "format": FORMAT,
        "title": title,
        "looks": {
            label: {"index": place, "colour": look.colour, "dash": list(look.dash), "shape": look.shape}
            for place, (label, look) in enumerate(view.looks.items())
        },
        "topics": [_topic(topic) | _files(topic, drawn or {}) for topic in view.topics],
        "groups": groups,
        "cells": [cells.cell(r, member.place, lists) for member in view.members for r in member.group.results],
        "settings": {"names": list(cells.SETTINGS), "rows": [cells.settings(result) for result in view.results]},
        "asked": [_asked(topic) for topic in answered],
        "tests": [test for topic in view.topics for test in cells.tests(topic)],
        "provenance": origins.provenance(view.results, sweeps),
        "warnings": origins.warnings(view.results, view.groups, sweeps, corrupt),
        "paper": _paper(view),
        "distances": lists.held,
        "profile_scale": SCALE,
    }


def _paper(view: View) -> dict[str, list[str]]:
    """The table of all tasks as lines of text, to be copied into a paper."""
    if not view.topics:
        return {}
    made = paper.lay_out(view)
    return {"Markdown": paper.markdown(made).splitlines(), "LaTeX": paper.latex(made).splitlines()}


def _files(topic: Topic, drawn: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The figures of a topic beside the page: the name without the topic's, and the address without an ending."""
    names = drawn.get(topic.name, ())
    return {"figures": {name.removeprefix(f"{topic.name}-"): f"figures/{quote(name, safe='')}" for name in names}}


def _asked(topic: AskedTopic) -> dict[str, Any]:
    """A topic's models at other lengths: a row for each trained length of a model, a cell for each tested one."""
    return {
        "title": topic.topic.title,
        "score": topic.topic.heading.measure,
        "lengths": topic.lengths,
        "notes": [*asked.said(topic)],
        "rows": [
            {
                "label": member.label,
                "difference": member.difference,
                "trained": asked.trained(row),
                "cells": [_square(asked.cell(row, length)) for length in topic.lengths],
                "effective": asked.effective(row),
            }
            for member, row in topic.rows
        ],
    }


def _square(cell: asked.Cell) -> dict[str, Any]:
    step = None if cell.skill is None else max(0, min(10, round(10 * cell.skill)))
    return {"lines": list(cell.lines), "own": cell.own, "mark": cell.mark, "step": step}


def _topic(topic: Topic) -> dict[str, Any]:
    """A task in one setting; groups, and lines over length, by the places of the groups."""
    score = topic.heading.score
    return {
        "name": topic.name,
        "title": topic.title,
        "task": topic.heading.task,
        "score": topic.heading.measure,
        "metric": topic.heading.metric if score else None,
        "unit": score.unit if score else None,
        "logarithmic": topic.heading.logarithmic,
        "lengths": topic.lengths,
        "references": list(references(topic)),
        "harmed": worse_with_more(topic.drawn),
        "groups": [member.place for member in topic.members],
        "lines": [
            {
                "label": line.label,
                "groups": [member.place for member in line.members],
                "exponent": short(steps_exponent(line.groups), 3),
                "solved_length": line.solved.length if line.solved else None,
                "solved_text": words.solved_length(line.solved).replace("\n", " "),
            }
            for line in topic.lines
        ],
    }
