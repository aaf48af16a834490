"""The command `python -m bench.lecture NAME`: one picture for a lecture, measured, drawn at a slide's size, and said.

A lecture is a TOML file (`bench.records.lecture`): a path, or the name of a file in `lectures/`, here or beside the
suite. Exit code: 0, or that of the sweeps where a cell has no scientific answer.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from bench import catalog
from bench.cli import command
from bench.cli.settings import Settings, configured
from bench.records import foreign
from bench.records.entry import Entry
from bench.records.errors import UsageError
from bench.records.estimate import duration
from bench.records.job import Job
from bench.records.lecture import Lecture, read
from bench.run import estimate_from, measure, resolver
from bench.runner import papers
from bench.runner.plan import plan
from bench.store import Store
from reports.figure import FORMATS
from reports.view import delivery
from reports.view.command import chosen, names

if TYPE_CHECKING:
    from bench.lectures.pictures import Picture
    from reports.figures.layout import Drawing

FOLDER = "lectures"
WIDTH = 88  # letters of a line of text

app = App(name="python -m bench.lecture", help="One picture for a lecture, from one command.", version_flags=[])


@app.default
def lecture(
    name: Annotated[str | None, Parameter(help="A file, or its name in lectures/.")] = None,
    *,
    every: Annotated[bool, Parameter("--list", help="Show every lecture.", negative="")] = False,
    format: Annotated[str, Parameter(name="--format", help="png (the default), svg, pdf, or several.")] = "png",
    store: Annotated[str, Parameter(help="Folder of results (results-lectures).")] = "results-lectures",
    workers: Annotated[int | None, Parameter(help="Worker processes (default: one per core).")] = None,
    data: Annotated[str | None, Parameter(help="Folder of corpora, as for bench.run.")] = None,
) -> int:
    """Measure what is missing of a lecture's sweeps, draw its picture, and say what to see in it."""
    if every:
        return _list(store)
    if name is None:
        known = ", ".join(papers.known([FOLDER]))
        raise UsageError(f"expected the name of a lecture. Known: {known}; or the path of a file")
    formats = [chosen("format", ending, FORMATS) for ending in names(format)]
    content = read(papers.found("lecture", name, [FOLDER]))
    picture = _picture(content)
    _, settings = configured({"store": store, "workers": workers, "data": data, "wandb": "off"})
    code = 0
    for sweep in content.sweeps:
        code = max(code, measure([sweep], settings, table=False))
        if code > 1:  # interrupted
            return code
    drawing = _drawing(content, picture, settings)
    print(foreign.block("\n".join(_written(Path(name).stem, content, drawing, settings, formats))))
    return code


def _picture(content: Lecture) -> Picture:
    """Return the way a lecture is drawn; before anything is measured, because measuring takes a minute.

    Raises:
        UsageError: there is none of this name, or a package that draws is not installed.
    """
    try:
        from bench.lectures.pictures import PICTURES
    except ImportError as error:
        raise UsageError(f"a lecture needs the package {error.name}: pip install {error.name}") from None
    if content.picture not in PICTURES:
        raise UsageError(catalog.unknown("picture", content.picture, PICTURES))
    return PICTURES[content.picture]


def _jobs(content: Lecture, settings: Settings, download: bool) -> list[Job]:
    """Return the cells of a lecture in the order of its sweeps, each with where its data lie.

    download: whether a corpus that is not here is fetched; a cell without its corpus has no data.
    """
    resolve = resolver(settings)
    planned = [item for sweep in content.sweeps for item in plan(sweep)]
    jobs = [item.with_data(resolve(item.request, download) if item.request else None) for item in planned]
    return list({job.cell.key: job for job in jobs}.values())


def _labels(content: Lecture, models: Collection[str]) -> dict[str, str]:
    """Return names in the picture by models as records name them. models: those of the lecture.

    Raises:
        UsageError: a label is of another model.
    """
    task, length = content.sweeps[0].tasks[0], content.sweeps[0].lengths[0]
    made = {papers.named(task, Entry.parse(entry), length)[1]: label for entry, label in content.labels.items()}
    for model in made:
        if model not in models:
            raise UsageError(catalog.unknown("model of this lecture", model, models))
    return made


def _drawing(content: Lecture, picture: Picture, settings: Settings) -> Drawing:
    """Draw a lecture's picture from its stored cells.

    Raises:
        UsageError: a cell has no answer, or the cells are not such as the picture shows.
    """
    from bench.lectures.shown import Shown

    store, jobs = Store(settings.store), _jobs(content, settings, download=True)
    labels = _labels(content, {job.cell.model for job in jobs})
    cells = []
    for job in jobs:
        result = store.answer(job.cell.key)
        if result is None:
            raise UsageError(f"no picture without {job.cell.label}, which failed; what is said above tells why")
        cells.append(Shown(result, labels.get(job.cell.model, job.cell.model), store, job.source))
    try:
        return picture(cells, content.title)
    except (AssertionError, LookupError, ValueError) as error:
        said = f"{type(error).__name__}: {foreign.message(error)}"
        raise UsageError(
            f"the picture {content.picture!r} cannot be drawn of these cells ({said}). The lectures in {FOLDER}/ show "
            f"what it is made of."
        ) from error


def _written(stem: str, content: Lecture, drawing: Drawing, settings: Settings, formats: Sequence[str]) -> list[str]:
    """Write a picture at a slide's size, and its text; return what is said about it.

    Raises:
        UsageError: a file cannot be written.
    """
    from reports.figures.media import MEDIA, fitted

    made, folder = fitted(drawing, MEDIA["slide"], head=True), Path(settings.store) / "report" / FOLDER
    text = "\n\n".join((f"# {content.title}", content.see.strip(), " ".join(drawing.caption), content.source))
    files: dict[Path, str | bytes] = {folder / f"{stem}.{ending}": made.content(ending) for ending in formats}
    files[folder / f"{stem}.md"] = f"{text}\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, body in files.items():
            delivery.write(path, body)
    except OSError as error:
        raise UsageError(f"cannot write into {folder}: {error.strerror}. Give another --store.") from None
    return ["", content.title, "", *textwrap.wrap(content.see, WIDTH), "", *map(str, files)]


def _list(store: str) -> int:
    """Show every lecture: its name, its message, and how long what is missing of it takes."""
    from reports.text import formats
    from reports.text.layout import Column, Table

    held = {result.key for result in Store(store).answers()} if Path(store).is_dir() else set()
    estimate = estimate_from(store)
    rows = []
    for name, path in sorted(papers.known([FOLDER]).items()):
        content = read(path)
        cells = [job.cell for job in _jobs(content, Settings(), download=False)]
        left = sum(estimate.seconds(cell) for cell in cells if cell.key not in held)
        rows.append((name, content.title, duration(left) if left else "stored"))
    columns = (Column("name", "left"), Column("message", "left"), Column("on one core"))
    formats.print_table(Table("Lectures: python -m bench.lecture NAME", columns, tuple(rows)), formats.terminal())
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; bad usage ends with one message and exit code 2."""
    return command.run(app, arguments, "bench.lecture")


if __name__ == "__main__":
    sys.exit(main())
