"""What README.md and docs/ show is run: commands at toy size, code blocks as they stand, links, flags and fields."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import pytest
from packaging.requirements import Requirement
from pydantic import BaseModel

from bench.records.reading import Question, Reading
from bench.records.result import Result
from bench.records.rung import Rung
from bench.store.store import COLUMNS
from tests.support.fonts import suites_font

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text("utf-8")
FORMAT = (DOCS / "results-format.md").read_text("utf-8")
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if path.is_file())
# What users are told: README and all pages of docs/ but those that report measurements, whose flags are other scripts'.
MEASURED = {"default-sweep.md", "performance.md", "reliability.md"}
TOLD = [ROOT / "README.md", *(path for path in sorted(DOCS.glob("*.md")) if path.name not in MEASURED)]
GUIDE = "\n".join(path.read_text("utf-8") for path in TOLD)
EXAMPLES = {"tasks/majority.py", "models/minimal.py", "tests/tasks/test_majority.py"}  # files that readers may add
LONGEST = 180  # lines of README
SET_UP = "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e "
# Flags in the guide that are other tools'.
PIP = {"--index-url"}
RAY = {"--generate", "--head", "--port", "--include-dashboard"}
TENSORBOARD = {"--logdir"}
SLURM = {"--job-name", "--array", "--cpus-per-task", "--mem", "--time"}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def files(page: str) -> dict[str, str]:
    """Code blocks that say in their first line which file they are."""
    return {block.split("\n")[0].removeprefix("# "): block for block in blocks(page, "python")}


def commands() -> list[str]:
    """Every line of the guide's shell blocks, without its comment."""
    return [line.partition("  #")[0].strip() for block in blocks(GUIDE, "bash") for line in block.splitlines()]


def set_up(ending: str) -> tuple[str, str]:
    """What a one-line set-up command installs, and what it then runs."""
    (line,) = [line for line in commands() if line.startswith(SET_UP) and line.endswith(ending)]
    target, _, then = line.removeprefix(SET_UP).partition(" && ")
    return target.strip("'"), then


def run(arguments: list[str], folder: Path, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter with the suite importable, as its installation would make it; no network can be reached."""
    closed = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    hidden = ("BENCH_DATA", "NO_PROXY", "no_proxy")
    variables = {name: value for name, value in os.environ.items() if name not in hidden} | closed | environment
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables |= {"XDG_CACHE_HOME": str(folder / "cache"), "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=variables, input=given, capture_output=True, text=True, timeout=240, check=False
    )


def run_each(lines: list[list[str]], folder: Path, **environment: str) -> Iterator[tuple[int, str, str]]:
    """Run several command lines; yield the exit code of each, and what it wrote to stdout and stderr."""
    done = run(["-m", "tests.support.forked"], folder, json.dumps(lines), **environment)
    assert done.returncode == 0, done.stderr
    yield from map(json.loads, done.stdout.splitlines())


def python(line: str, *more: str) -> list[str]:
    """The arguments behind the interpreter of a shell line."""
    interpreter, *arguments = shlex.split(line.partition(">")[0])
    assert interpreter in ("python", ".venv/bin/python"), line
    return [*arguments, *more]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the guide's own files in it, and a font for the commands that read `own.bdf`."""
    folder = tmp_path_factory.mktemp("readme")
    for name, content in files(GUIDE).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    suites_font(folder / "own.bdf")
    return folder


@pytest.fixture(scope="module")
def main_job(workspace: Path) -> subprocess.CompletedProcess[str]:
    """The README's main job: its own arguments, but length 10 and two steps.

    Without its first half (a new environment, an installation), which takes minutes and the package index, and which
    the tests themselves are run after: .ci/run executes the README's test command as it stands, on the same set-up.
    """
    target, then = set_up("1000")
    assert target == "."
    assert then == ".venv/bin/python -m bench.run --lengths 10,100,1000"
    return run(python(then.replace("10,100,1000", "10"), "--budget", "smoke", "--steps", "2"), workspace)


def test_main_job_fills_the_default_table_without_network(
    main_job: subprocess.CompletedProcess[str], workspace: Path
) -> None:
    assert main_job.returncode == 0, main_job.stderr
    assert len(list((workspace / "results" / "cells").glob("*.json"))) == 25, "five tasks × five models"
    assert "using the embedded corpus 'python' instead" in main_job.stdout
    assert "using the embedded corpus 'generated' instead" in main_job.stdout
    assert "transformer" in main_job.stdout.split("[25/25]")[1], "no table after the last cell"


def test_readme_is_short() -> None:
    assert README.count("\n") < LONGEST


def test_every_command_that_shows_results(main_job: subprocess.CompletedProcess[str], workspace: Path) -> None:
    lines: list[list[str]] = []
    for module in ("reports.table", "reports.gradients", "bench.status"):
        held = [python(line) for line in commands() if line.startswith(f"python -m {module} results")]
        assert held, module
        lines += held
    for code, shown, error in run_each(lines, workspace):
        assert code == 0, error
        assert "adding" in shown


def test_frame_and_stdlib_reader(main_job: subprocess.CompletedProcess[str], workspace: Path) -> None:
    frame = run(["load.py"], workspace)
    assert frame.returncode == 0, frame.stderr
    assert "[25 rows x 8 columns]" in frame.stdout
    plain = run(["-S", "read.py"], workspace)  # -S: not even installed packages can be seen
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.count("\n") == 25
    assert "lstm\t10\t0\tok\t" in plain.stdout


def test_stdlib_reader_sees_a_flipped_byte(
    main_job: subprocess.CompletedProcess[str], workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "results" / "cells").mkdir(parents=True)
    line = bytearray(next((workspace / "results" / "cells").glob("*.json")).read_bytes())
    line[200] ^= 1
    (tmp_path / "results" / "cells" / "0.json").write_bytes(line)
    assert "is corrupt" in run([str(workspace / "read.py")], tmp_path).stderr


def test_script_without_the_runner(workspace: Path) -> None:
    script = files(GUIDE)["script.py"]
    statements = [line for line in script.splitlines()[1:] if line]
    assert len(statements) <= 10
    (workspace / "short.py").write_text(script.replace("600", "20").replace("=100,", "=10,"), "utf-8")
    done = run(["short.py"], workspace)
    assert done.returncode == 0, done.stderr
    assert "test_score" in done.stdout
    assert "knowing nothing: 0.1667" in done.stdout


@pytest.mark.parametrize("ending", ["window=64", "FirstValue", "FirstLetter"])
def test_own_model_and_own_task(workspace: Path, ending: str) -> None:
    (line,) = [line for line in commands() if line.startswith("python -m bench.run") and line.endswith(ending)]
    added = {
        "--tasks": "adding",
        "--models": "gru",
        "--budget": "smoke",
        "--steps": "2",
        "--store": ending,
        "--workers": "1",
    }
    more = [word for flag, value in added.items() if flag not in line for word in (flag, value)]
    done = run(python(line.replace("10,100", "10"), *more), workspace)
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_bytes()) for path in (workspace / ending / "cells").glob("*.json")]
    assert len(records) == line.count(",mypackage") + 1
    for record in records:
        assert record["status"] == "ok", record["error"]
        assert abs(record["size"]["parameters_body"] / 16_000 - 1) < 0.02


def test_every_example_is_shown(workspace: Path) -> None:
    lines = [line for line in commands() if line.startswith("python -m bench.show") and "--store" not in line]
    assert len(lines) >= 4
    shown = {}
    for line, (code, shown[line], error) in zip(lines, run_each([*map(python, lines)], workspace), strict=True):
        assert code == 0, f"{line}\n{error}"
        assert "T = " in shown[line] or (workspace / shown[line].strip()).is_file()
    own = next(line for line in lines if "FirstLetter" in line)
    letters = {row.split()[0]: row.split()[1:] for row in shown[own].splitlines() if row}
    assert letters["target"][-1] == letters["input"][0]
    assert len(files(GUIDE)["mypackage/classes.py"].splitlines()) <= 23, "the file's name and three empty lines on top"


def test_own_model_sees_its_window_only(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from tasks.adding import Adding

    monkeypatch.syspath_prepend(str(workspace))
    from mypackage.mymodule import MyModel

    task = Adding(20)
    model = MyModel(task.spec, window=5, hidden=4)
    x = torch.randn(2, 20, 2, requires_grad=True)
    features = model.encode(x, task.read_last(2, 20, 8))  # row by row: steps 12 to 19 of each sequence
    features.view(2, 8, -1)[:, 0].sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum((0, 2)).nonzero().flatten().tolist() == [8, 9, 10, 11, 12]


def test_every_option_line_plans(workspace: Path) -> None:
    lines = [line for line in commands() if line.startswith("python -m bench.run")]
    assert len(lines) > 8
    planned = [python(line, *["--dry-run"] * ("--dry-run" not in line)) for line in lines]
    for line, (code, _, error) in zip(lines, run_each(planned, workspace), strict=True):
        assert code == 0, f"{line}\n{error}"


def test_flags_exist(workspace: Path) -> None:
    known = PIP | RAY | SLURM | TENSORBOARD
    modules = (
        "bench.check",
        "bench.doctor",
        "bench.evaluate",
        "bench.lecture",
        "bench.merge",
        "bench.paper",
        "bench.publish",
        "bench.run",
        "bench.show",
        "bench.status",
        "reports",
        "reports.gradients",
        "reports.figure",
        "reports.lengths",
        "reports.remedies",
        "reports.table",
    )
    for _, helped, _ in run_each([["-m", module, "--help"] for module in modules], workspace, COLUMNS="200"):
        known |= set(re.findall(r"--[a-z][a-z-]*", helped))
    mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", GUIDE))
    assert "--lengths" in mentioned
    assert mentioned - known == set()


def test_test_command_installs_what_the_tests_need() -> None:
    target, then = set_up("pytest")
    assert (target, then) == (".[dev]", ".venv/bin/pytest")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [Requirement(text) for text in project["dependencies"] + project["optional-dependencies"]["dev"]]
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))
    for requirement in wanted:
        pin = pins[requirement.name]
        assert requirement.specifier.contains(pin), f"{requirement} is pinned to {pin}"
    assert pins["torch"] in README, "the CPU build that README names is not the pinned one"


def test_ci_runs_the_test_command() -> None:
    (pattern,) = re.findall(r"grep -E '(.*)' README.md", (ROOT / ".ci" / "run").read_text("utf-8"))
    assert re.findall(pattern, README, re.MULTILINE) == [f"{SET_UP}'.[dev]' && .venv/bin/pytest"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)", page.read_text("utf-8")):
        if link.startswith("https://"):
            continue
        target, _, heading = link.partition("#")
        path = page.parent / target if target else page
        assert path.exists(), f"{page.name} links to {link}"
        assert not heading or heading in headings(path.read_text("utf-8")), f"{page.name} links to {link}"


def headings(page: str) -> set[str]:
    """The anchors of a page's headings."""
    words = (re.sub(r"[^\w\s-]", "", title) for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE))
    return {title.lower().replace(" ", "-") for title in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    named = set(re.findall(r"`((?:bench|tasks|models|reports|tests|docs)/[\w./-]*)`", text)) - EXAMPLES
    named |= {module.replace(".", "/") for module in re.findall(r"python -m ((?:bench|reports|tests)[.\w]*)", text)}
    missing = {path for path in named if not ((ROOT / path).exists() or (ROOT / f"{path}.py").is_file())}
    assert missing == set()


def test_every_page_is_reached_from_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#\s]+)", README))
    pages = {f"docs/{path.name}" for path in DOCS.glob("*.md")}
    assert pages - linked == set()


def test_corpora_table_matches_the_known_ones() -> None:
    from tasks.corpora.known import EMBEDDED, KNOWN

    page = (DOCS / "corpora.md").read_text("utf-8")
    for name, known in KNOWN.items():
        assert known.folder in page, f"docs/corpora.md does not say where {name} lies"
    mentioned = set(re.findall(r"corpus=(\w+)`", page))
    assert mentioned <= {*KNOWN, *EMBEDDED}


def test_sources_name_every_preprint_that_code_cites() -> None:
    page = (DOCS / "sources.md").read_text("utf-8")
    files = [path for package in ("tasks", "models") for path in (ROOT / package).rglob("*.py")]
    cited = {number for path in files for number in re.findall(r"arXiv[: ](\d{4}\.\d{4,5})", path.read_text("utf-8"))}
    assert len(cited) > 5
    assert {number for number in cited if f"arXiv:{number}" not in page} == set()


def test_lectures_are_named_not_numbered() -> None:
    files = [path for package in ("bench", "tasks", "models") for path in (ROOT / package).rglob("*.py")]
    numbered = [path for path in files if re.search(r"\bdecks?\b", path.read_text("utf-8"))]
    assert numbered == [], "say whose lecture it is, as in docs/sources.md"


def parts(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A record's class and those of its parts."""
    yield model
    for field in model.model_fields.values():
        yield from (part for kind in inner(field.annotation) for part in parts(kind))


def inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, UnionType) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from inner(argument)


@pytest.mark.parametrize("part", dict.fromkeys([*parts(Result), *parts(Reading), Rung]), ids=lambda part: part.__name__)
def test_specification_names_every_field(part: type[BaseModel]) -> None:
    rows = " ".join(line.split("|")[1] for line in FORMAT.splitlines() if line.startswith("|"))
    described = {name.split(".")[-1] for name in re.findall(r"`([^`]+)`", rows)}
    assert set(part.model_fields) - described == set()


def test_specification_names_nothing_else_and_every_column() -> None:
    _, _, fields = FORMAT.partition("## Fields")
    fields, _, columns = fields.partition("## As a DataFrame")
    columns, _, reading = columns.partition("## A reading")
    reading, _, rung = reading.partition("## A rung")
    rows = [line.split("|")[1] for line in fields.splitlines() if line.startswith("|")]
    described = {name.split(".")[-1] for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert described == {name for part in parts(Result) for name in part.model_fields}
    rows = [line.split("|")[1] for line in reading.splitlines() if line.startswith("|")]
    described = {name.split(".")[-1] for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert described == {*Reading.model_fields, *Question.model_fields}
    assert set(re.findall(r"(?m)^\| `([^`]+)`", rung)) == {*Rung.model_fields}
    table = [line.split("|")[1] for line in columns.splitlines() if line.startswith("|")]
    assert {name for row in table for name in re.findall(r"`([^`]+)`", row)} == set(COLUMNS)
