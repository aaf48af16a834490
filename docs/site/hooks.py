"""What mkdocs is told beside mkdocs.yml: which files of the repository are pages, and where links between them lead.

Pages keep their paths in the repository, so a link that works on a repository host works on the site. What a page links
to without being a page itself (a module, a paper's file, a folder) becomes one; a task or a model stands on the page of
tasks or models. Nothing of the suite but its lists and its commands' help is imported: torch is not needed.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import markdowns
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

from bench import catalog  # noqa: E402
from bench.__main__ import COMMANDS  # noqa: E402
from bench.cli.listing import listing  # noqa: E402
from reports import compare  # noqa: E402
from reports.text import studies  # noqa: E402

HERE = Path(__file__).parent
WIDTH = 84  # letters of a line of a command's help
LANGUAGES = {".py": "python", ".toml": "toml"}
KINDS: dict[str, catalog.Kind] = {"tasks": "task", "models": "model"}
INTRODUCTION = {
    "tasks": "Named as their files; options stand behind a name, as in `copying:recall=reversed`. "
    "T is the length. The text is that of the classes' docstrings, sources are in [sources](docs/sources.md).",
    "models": "Named as their files; options stand behind a name, as in `gru:reset=before`. x is what is read, h the "
    "state, σ the logistic function. The text is that of the classes' docstrings, sources are in "
    "[sources](docs/sources.md).",
}


def on_startup(**_: object) -> None:
    """Keep the suite importable: mkdocs forgets what a hook's file did to the path once it is loaded."""
    sys.path.append(str(ROOT))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the repository's pages, and those that are made, to what the theme brings."""
    pages = {_name(path): path.read_text("utf-8") for path in _markdown()}
    pages["docs/tutorial.md"] = markdowns.notebook((ROOT / "docs/tutorial.ipynb").read_text("utf-8"))
    pages = {f"{name}/README.md": _folder(name) for name in _targets(pages) if (ROOT / name).is_dir()} | pages
    pages |= {f"{name}.md": _source(name) for name in _targets(pages) if _is_source(name)}
    pages |= {f"{kind}.md": _entries(kind) for kind in KINDS}
    pages |= {"commands.md": _commands(), "studies.md": _studies()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=markdowns.spaced(markdowns.linked(text, name, _place))))
    for path in (ROOT / "docs" / "gallery").glob("*.svg"):
        files.append(File.generated(config, _name(path), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Leave out of the search what is long and read elsewhere: sources."""
    if page.file.src_uri.removesuffix(".md").endswith((*LANGUAGES, "LICENSE", "CITATION.cff")):
        page.meta["search"] = {"exclude": True}
    return markdown


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _markdown() -> Iterator[Path]:
    yield from ROOT.glob("*.md")
    yield from (path for path in sorted((ROOT / "docs").rglob("*.md")) if HERE not in path.parents)


def _targets(pages: Mapping[str, str]) -> list[str]:
    """Return the paths, in the repository, that pages link to."""
    return sorted({target for name, text in pages.items() for target in markdowns.targets(text, name)})


# -- where links lead -------------------------------------------------------------------------------------------------


def _place(name: str) -> str | None:
    """Return where the site has a file of the repository; None: under the same path."""
    folder, _, file = name.rpartition("/")
    if folder in KINDS and file.removesuffix(".py") in catalog.names(KINDS[folder]):
        card = catalog.card(KINDS[folder], file.removesuffix(".py"))
        return f"{folder}.md#{card.module}.{card.class_name}"
    if name.endswith(".ipynb"):
        return name.replace(".ipynb", ".md")
    if (ROOT / name).is_dir():
        return f"{name}/README.md"
    return f"{name}.md" if _is_source(name) else None


def _is_source(name: str) -> bool:
    """Tell whether a file is shown on a page of its own, as it is."""
    return (ROOT / name).is_file() and (Path(name).suffix in LANGUAGES or name in ("LICENSE", "CITATION.cff"))


# -- pages that are made ----------------------------------------------------------------------------------------------


def _source(name: str) -> str:
    language = LANGUAGES.get(Path(name).suffix, "text")
    return f"# `{name}`\n\n{markdowns.code((ROOT / name).read_text('utf-8'), language)}"


def _folder(name: str) -> str:
    """Return a page for a folder that is linked as such: what lies in it, pages by title."""
    lines = [f"# {Path(name).name.capitalize()}", ""]
    for path in sorted(path for path in (ROOT / name).iterdir() if path.is_file()):
        said = path.read_text("utf-8").splitlines()[0].lstrip("# ") if path.suffix == ".md" else path.name
        lines.append(f"- [{said}]({path.name})" if path.suffix == ".md" or _is_source(_name(path)) else f"- {said}")
    return "\n".join(lines)


def _entries(kind: str) -> str:
    """Return the page of all tasks, or of all models, from their docstrings."""
    parts = [f"# {kind.capitalize()}\n\n{INTRODUCTION[kind]}"]
    for name in catalog.names(KINDS[kind]):
        card = catalog.card(KINDS[kind], name)
        parts.append(
            f"::: {card.module}.{card.class_name}\n    options:\n      heading: {name}\n      toc_label: {name}"
        )
    return "\n\n".join(parts) + "\n"


def _commands() -> str:
    """Return the page of all commands: the help of each, and the list of tasks and models."""
    parts = ["# Commands\n\n`long-range-bench WORD …` is the same as `python -m MODULE …`."]
    for word, module in COMMANDS.items():
        shown = _said(lambda module=module: importlib.import_module(module).main(["--help"]))
        parts.append(f"## {word}\n\n`python -m {module.removesuffix('.__main__')}`\n\n{markdowns.code(shown, 'text')}")
    parts.append("## list\n\nTasks, models and their options.\n\n" + markdowns.code("\n".join(listing(WIDTH)), "text"))
    return "\n\n".join(parts) + "\n"


def _studies() -> str:
    """Return the page of all studies: the tables of each file of results."""
    parts = [
        "# Studies\n\nEvery file in [studies/results](studies/results), as `python -m reports.compare NAME` reads it. "
        "`python -m reports.compare NAME STORE` puts your models beside one."
    ]
    for name, path in studies.published().items():
        shown = _said(lambda path=path: compare.main([str(path), "--format", "markdown"]))
        parts.append(f"## {name}\n\n{shown}")
    return "\n\n".join(parts) + "\n"


def _said(command: Callable[[], int]) -> str:
    """Return what a command prints."""
    shown = io.StringIO()
    before = dict(os.environ)
    os.environ.update(COLUMNS=str(WIDTH), NO_COLOR="1")
    try:
        with contextlib.redirect_stdout(shown):
            code = command()
    finally:
        os.environ.clear()
        os.environ.update(before)
    if code:
        raise SystemExit(f"a command ended with exit code {code}")
    return "\n".join(line.rstrip() for line in shown.getvalue().splitlines())
