"""Text as the site's Markdown wants it: lists with an empty line before, links within the site, notebooks as pages."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(#[^)\s]*)?(?=\))")  # a path within the repository, and a heading in it
ITEM = re.compile(r"\s*(?:[-*]|\d+\.) ")


def spaced(text: str) -> str:
    """Return Markdown with an empty line before each list, as repository hosts read it; code stays as it is."""
    return "\n".join(_spaced(text.split("\n")))


def _spaced(lines: list[str]) -> Iterator[str]:
    before, fenced, listed = "", False, False
    for line in lines:
        fenced ^= line.lstrip().startswith("```")
        item = bool(ITEM.match(line)) and not fenced
        if item and before.strip() and not listed and not before.startswith("    "):
            yield ""
        listed = item or (listed and bool(line.strip()))
        yield line
        before = line


def linked(text: str, page: str, place: Callable[[str], str | None]) -> str:
    """Return Markdown whose links lead to pages of the site.

    page: the path of the file that holds them. place: tells where the site has a file of the repository, both as paths;
    None: under the same path.
    """
    folder = posixpath.dirname(page)

    def moved(link: re.Match[str]) -> str:
        path, heading = link[1], link[2] or ""
        new = place(posixpath.normpath(posixpath.join(folder, path)))
        return (
            f"{path}{heading}"
            if new is None
            else posixpath.relpath(new, folder or ".") + ("" if "#" in new else heading)
        )

    return LINK.sub(moved, text)


def targets(text: str, page: str) -> set[str]:
    """Return the paths, in the repository, that a page links to."""
    return {posixpath.normpath(posixpath.join(posixpath.dirname(page), link[1])) for link in LINK.finditer(text)}


def code(text: str, language: str) -> str:
    """Return text as a block of code."""
    return f"```` {language}\n{text.rstrip()}\n````\n"


# -- notebooks --------------------------------------------------------------------------------------------------------


def notebook(text: str) -> str:
    """Return a notebook as Markdown: its text, its code and what its cells show."""
    return "\n\n".join(part for cell in json.loads(text)["cells"] for part in _cell(cell)) + "\n"


def _cell(cell: Mapping[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield code(source, "python")
    shown = [part for output in cell["outputs"] for part in _output(output)]
    if shown:
        yield '<div class="output" markdown="1">\n\n' + "\n\n".join(_joined(shown)) + "\n\n</div>"


def _output(output: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what an output shows best, with its kind: a picture, a table, or text."""
    data = {kind: "".join(value) for kind, value in output.get("data", {"text/plain": output.get("text", "")}).items()}
    html = data.get("text/html", "")
    if "image/png" in data:
        picture = "".join(data["image/png"].split())
        yield "picture", f'<img alt="What the cell above draws" src="data:image/png;base64,{picture}">'
    elif "<table" in html:
        yield (
            "table",
            re.sub(r"<style.*?</style>|\n\s*", "", html, flags=re.DOTALL).replace(' border="1" class="dataframe"', ""),
        )
    else:
        yield "text", data["text/plain"]


def _joined(shown: list[tuple[str, str]]) -> Iterator[str]:
    """Yield outputs as Markdown, texts that follow each other as one block."""
    lines: list[str] = []
    for kind, content in [*shown, ("end", "")]:
        if kind == "text":
            lines.append(content.rstrip())
            continue
        if lines:
            yield code("\n".join(lines), "text")
            lines = []
        yield content
