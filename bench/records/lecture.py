"""A picture for a lecture as data: what is measured for it, how it is drawn, and what one sees in it.

A TOML file:

    title = "A product of many factors vanishes or explodes"
    source = "Hanna's lecture"
    picture = "powers"
    see = "Three straight lines: …"

    [labels]
    "rnn:activation=identity:recurrent_scale=0.8" = "0.8^k"

    [[sweeps]]
    tasks = "adding"
    models = "rnn:activation=identity:recurrent_scale=0.8"
    lengths = [100]

A sweep holds the keys of a configuration (`bench.run --config`), as in a paper. A corpus that lies beside the lecture's
file is found there, wherever the command runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from bench.records.entry import Entry
from bench.records.frozen import Frozen
from bench.records.paper import Text, made, record, tables
from bench.records.sweep import Sweep


class Lecture(Frozen):
    """A picture for a lecture.

    title: its message, which stands above it. source: the lectures that draw or say it. picture: the name of the way it
    is drawn. see: a short text that says what to see. labels: names of models in the picture, by entry.
    """

    title: Text
    source: Text
    picture: Text
    see: Text
    sweeps: Annotated[tuple[Sweep, ...], Field(min_length=1)]
    labels: dict[str, Text] = Field(default_factory=dict)


def read(path: Path) -> Lecture:
    """Read a lecture from its TOML file.

    Raises:
        PaperError: it cannot be read, is not TOML, or a key or value does not fit.
    """

    def lecture(content: Mapping[str, Any]) -> Lecture:
        sweeps = tuple(_beside(sweep, path.parent) for sweep in tables(Sweep, content, "sweeps"))
        return record(Lecture, {**content, "sweeps": sweeps}, "")

    return made(path, "lecture", lecture)


def _beside(sweep: Sweep, folder: Path) -> Sweep:
    """A sweep whose tasks read the files of this folder, where an option names one of them."""

    def found(entry: Entry) -> Entry:
        options = [(name, str((folder / str(value)).resolve()) if (folder / str(value)).is_file() else value)
                   for name, value in entry.options]  # fmt: skip
        return Entry(entry.name, tuple(options))

    return sweep.model_copy(update={"tasks": tuple(map(found, sweep.tasks))})
