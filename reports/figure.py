"""One figure for a paper or a slide, with its caption beside it: `python -m reports.figure STORE NAME`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from os.path import isdir
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from bench.cli import command
from bench.records import foreign
from bench.records.errors import UsageError
from bench.store import Store
from reports.summary.study import settings
from reports.text import studies
from reports.text.words import sentence
from reports.view import delivery
from reports.view.asked import asked_topics, readings
from reports.view.command import AS_THEY_ARE, Naming, chosen, names

if TYPE_CHECKING:
    from reports.figures.figures import Figure

FORMATS = ("pdf", "svg", "png")
WIDTHS = ("column", "text", "slide")

app = App(name="python -m reports.figure", help="One figure for a paper or a slide; trains nothing.", version_flags=[])


@app.default
def figure(
    results: str,
    name: str = "",
    /,
    *,
    width: str = "column",
    format: Annotated[str, Parameter(name="--format")] = "",
    title: bool = True,
    choice: Naming = AS_THEY_ARE,
    output: Path | None = None,
) -> None:
    """Draw one figure at its size in print, and its caption as .tex and .md beside it. Without NAME: list the figures.

    Parameters
    ----------
    results
        A folder of results, as `python -m bench.run --store` writes it; or a study, by its name in studies/results or
        its file.
    name
        The figure's name: that of its files in a report, as `copying-gradient-input`.
    width
        column (3.3 in, no text under 7 pt), text (5.5 in) or slide (16:9, no text under 18 pt).
    format
        pdf (the default), svg, png, or several of them, separated by commas.
    title
        Whether the figure has a heading.
    output
        The file to write, instead of NAME-WIDTH in `STORE/report/paper`, and of STUDY-NAME-WIDTH for a study; its
        ending gives the format where none is given.
    """
    formats = [chosen("format", text, FORMATS) for text in names(format or _ending(output) or FORMATS[0])]
    chosen("width", width, WIDTHS)
    held = figures(choice, results)
    study = studies.known(results)
    place = f"{studies.title(study)}-" if study else f"{results}/report/paper/"
    # Loaded late, because drawing takes half a second to load, and help and bad usage need none of it.
    from reports.figures import media

    drawn = held()
    if not drawn:
        raise UsageError(f"nothing to draw from {results}: no cell of these has a skill, and none solved its task")
    if not name:
        print(foreign.block("\n".join(drawn)))
        return
    drawing = drawn[chosen("figure", name, drawn)].drawing
    made = media.fitted(drawing, media.MEDIA[width], title)
    path = output or Path(f"{place}{name}-{width}")
    if not path.name:
        raise UsageError(f"--output expects a file, got {str(output)!r}")
    files = {path.with_name(f"{_stem(path)}.{ending}"): made.content(ending) for ending in formats}
    caption = Caption(name, drawing.title, drawing.caption)
    files |= {path.with_name(f"{_stem(path)}.{ending}"): text.encode() for ending, text in caption.files().items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            delivery.write(file, content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}. Give a file in a writable folder.") from None
    print(foreign.block("\n".join(map(str, files))))


def figures(choice: Naming, results: str) -> Callable[[], dict[str, Figure]]:
    """Read the chosen results of a store or of a study, and return what lists their figures by name.

    Raises:
        UsageError: neither, or nothing is chosen.
    """
    study = studies.known(results)
    if study is None and studies.near(results) and not isdir(results):
        study = studies.find(results)  # which says so
    return _study(choice, study) if study else _stored(choice, Store(Path(results)))


def _stored(choice: Naming, source: Store) -> Callable[[], dict[str, Figure]]:
    view = choice.of(source)

    def drawn() -> dict[str, Figure]:
        from reports.figures.figures import figures as of_view

        return {each.name: each for each in of_view(view, asked_topics(view, readings(source)))}

    return drawn


def _study(choice: Naming, path: Path) -> Callable[[], dict[str, Figure]]:
    rows, looks = choice.named(studies.read(path))

    def drawn() -> dict[str, Figure]:
        from reports.figures.study import figures as of_study

        return {each.name: each for each in of_study(settings(rows), looks)}

    return drawn


def _ending(output: Path | None) -> str:
    return output.suffix.removeprefix(".").lower() if output else ""


def _stem(path: Path) -> str:
    """The name of a file without an ending that stands for a format; `gradient-residual.0` keeps its own."""
    return path.stem if _ending(path) in FORMATS else path.name


class Caption:
    """The caption of a figure, for a paper and for a page."""

    def __init__(self, name: str, title: str, lines: Sequence[str]) -> None:
        self.name = name
        self.title = f"{title}."
        self.text = " ".join(sentence(line) for line in lines if line.strip())

    def files(self) -> dict[str, str]:
        """Write the caption as LaTeX, to be read with `\\input` in a figure, and as Markdown."""
        tex = f"\\caption{{\\textbf{{{foreign.latex(self.title)}}} {foreign.latex(self.text)}}}\n"
        return {
            "tex": f"{tex}\\label{{fig:{self.name}}}\n",
            "md": f"**{foreign.markdown(self.title)}** {foreign.markdown(self.text)}\n",
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 fine, 2 bad usage, no store or nothing to show, with one message."""
    return command.run(app, arguments, app.name[0])


if __name__ == "__main__":
    sys.exit(main())
