"""The wheel, installed in an empty folder, is the whole suite: commands run from outside the checkout on its files.

An editable install sees every file of a checkout, so it hides a folder or a data file that the wheel forgets.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "tasks", "models", "reports", "papers", "lectures", "studies")  # as in pyproject.toml
# What a checkout holds beside what is built; a stale egg-info would bring back files that are gone.
NOT_BUILT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "tests", "docs")
# Kinds of files that the packages hold.
DATA = {".py", ".sha256", ".gz", ".txt", ".js", ".css", ".html", ".toml", ".conll"}
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]

Run = Callable[..., str]


def left_out(folder: str, names: list[str]) -> set[str]:
    """Name what is not copied from a folder of the checkout: stores of results lie at its root."""
    stores = {name for name in names if name.startswith("results") and Path(folder) == ROOT}
    return NOT_BUILT(folder, names) | stores


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel of a copy of this checkout is installed, without asking any index."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("NOT TESTED AS A WHEEL: this environment has no pip")
    source, place = tmp_path_factory.mktemp("source") / "checkout", tmp_path_factory.mktemp("installed")
    shutil.copytree(ROOT, source, ignore=left_out)
    build = [*PIP, "wheel", "--no-index", "--no-build-isolation", "--no-deps", "-w", source.parent, source]
    finished(build, source.parent, {})
    (wheel,) = source.parent.glob("*.whl")
    finished([*PIP, "install", "--no-index", "--no-deps", "--target", place, wheel], source.parent, {})
    return place


@pytest.fixture(scope="module")
def python(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a module, or code with -c, in a folder outside the checkout, on the installed files; returns its output."""
    folder = tmp_path_factory.mktemp("outside")
    environment = {"PYTHONPATH": str(installed), "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"}

    def run(*arguments: str) -> str:
        return finished([sys.executable, *arguments], folder, environment)

    return run


def finished(command: list[str | Path], folder: Path, environment: dict[str, str]) -> str:
    hidden = ("PYTHONPATH", "BENCH_DATA", "PIP_REQUIRE_VIRTUALENV")
    variables = {name: value for name, value in os.environ.items() if name not in hidden} | environment
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(root: Path) -> set[str]:
    """What lies in the packages below `root`."""
    found = (path for package in PACKAGES for path in (root / package).rglob("*") if path.is_file())
    found = (path for path in found if path.name != "README.md")
    return {path.relative_to(root).as_posix() for path in found if "__pycache__" not in path.parts}


def test_every_file_of_the_packages_travels(installed: Path) -> None:
    expected = {name for name in files(ROOT) if Path(name).suffix in DATA}
    assert {"tasks/corpora/litbank.sha256", "reports/page/script/page.html", "reports/page/script/page.css"} <= expected
    assert files(ROOT) == expected, "a new kind of file: add it to DATA here and to package-data in pyproject.toml"
    assert files(installed) == expected


def test_nothing_else_is_installed(installed: Path) -> None:
    """No tests and no docs: their names would be everyone's."""
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names - {"bin", "__pycache__"} == set(PACKAGES)


def test_a_sweep_its_table_and_its_page(python: Run, installed: Path) -> None:
    where = python("-c", "import bench, tasks, models, reports as r; print(bench.__file__, tasks.__path__, r.__file__)")
    assert where.count(str(installed)) == 3
    assert str(ROOT) not in where
    ran = python("-m", "bench.run", "--budget", "smoke", "--lengths", "10", "--tasks", "adding", "--models", "rnn",
                 "--wandb", "off")  # fmt: skip
    assert "[1/1]" in ran
    assert "adding" in python("-m", "reports.table", "results", "--by", "cell")
    assert "index.html" in python("-m", "reports", "results")


def test_names_of_tasks_and_models_are_known(python: Run) -> None:
    planned = python("-m", "bench.run", "--dry-run")
    expected = {path.stem for kind in ("tasks", "models") for path in (ROOT / kind).glob("[a-z]*.py")}
    listed = python("-c", "from bench import catalog; print(*catalog.names('task'), *catalog.names('model'))")
    assert set(listed.split()) == expected
    assert planned.splitlines()[-1].startswith("75 cells")
    for module in ("bench.run", "bench.status", "bench.doctor", "reports", "reports.table", "reports.gradients"):
        assert "--" in python("-m", module, "--help")


def test_papers_lectures_and_studies_are_found(python: Run) -> None:
    """A paper and a study by name, a lecture that reads a text beside it, a study's results."""
    assert "cogscale" in python("-m", "bench.paper", "--list", "--format", "csv")
    assert "hello" in python("-m", "bench.lecture", "--list")
    assert "How far back" in python("-m", "reports.compare", "remedies")


def test_pinned_checksums_can_be_read(python: Run) -> None:
    hashes = "from tasks.corpora.known import KNOWN; print(*map(len, KNOWN['litbank'].files.values()))"
    assert python("-c", hashes).split() == ["64"] * 100
