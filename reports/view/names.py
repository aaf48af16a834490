"""Other names for models, as a paper calls them: `mypackage.mymodule:MyModel` as Ours."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from bench.records.errors import UsageError
from reports.view.topic import Topic
from reports.view.view import View


def read(given: Iterable[str], labels: Iterable[str]) -> dict[str, str]:
    """Read `entry=Name` of every label that it stands for; an entry may hold options, so the last `=` counts.

    labels: those of the view. A label with a version behind it, `gru (version 2)`, belongs to the entry `gru`.

    Raises:
        UsageError: no `=`, no such model, or one name for two models.
    """
    held = list(dict.fromkeys(labels))
    names: dict[str, str] = {}
    for text in given:
        entry, equals, name = (part.strip() for part in text.rpartition("="))
        if not (entry and equals and name):
            raise UsageError(f"--label expects ENTRY=NAME, as in --label lstm=LSTM, got {text!r}")
        own = [label for label in held if label == entry or label.startswith(f"{entry} (")]
        if not own:
            near = difflib.get_close_matches(entry, held, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"--label {text}: no model {entry!r} is shown; {hint}(shown: {', '.join(held)})")
        names |= {label: name + label.removeprefix(entry) for label in own}
    shown = [names.get(label, label) for label in held]
    if twice := sorted({name for name in shown if shown.count(name) > 1}):
        raise UsageError(f"--label: several models would be called {twice[0]!r}; give each a name of its own")
    return names


def renamed(view: View, names: Mapping[str, str]) -> View:
    """Call models by other names; each keeps its look and its place."""
    looks = {names.get(label, label): look for label, look in view.looks.items()}
    return replace(view, topics=tuple(_topic(topic, names) for topic in view.topics), looks=looks)


def _topic(topic: Topic, names: Mapping[str, str]) -> Topic:
    members = {member.place: replace(member, label=names.get(member.label, member.label)) for member in topic.members}
    lines = tuple(
        replace(line, label=names.get(line.label, line.label), members=tuple(members[m.place] for m in line.members))
        for line in topic.lines
    )
    return replace(topic, members=tuple(members.values()), lines=lines)
