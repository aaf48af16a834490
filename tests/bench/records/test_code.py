"""The sha256 of an own class's source text: what it covers, and what it does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import catalog
from bench.records.code import files
from bench.records.job import Surroundings
from bench.trial import trial
from tests.support.jobs import EXAMPLES, a_job

COVERED = ["pkg/__init__.py", "pkg/model.py", "pkg/near.py", "pkg/sub/__init__.py", "pkg/sub/deep.py", "beside.py",
           "pkg/late.py", "pkg/named.py"]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "pkg" / "sub").mkdir(parents=True)
    for name in [*COVERED, "pkg/other.py", "unrelated.py"]:
        (tmp_path / name).write_text("")
    (tmp_path / "pkg" / "model.py").write_text(
        "from . import near\nimport beside, json, torch\n"
        "def late():\n    from pkg import late\n    import importlib; importlib.import_module('pkg.named')\n"
    )
    (tmp_path / "pkg" / "near.py").write_text("from .sub.deep import something\n")
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("pkg", "beside", "mine", "helper")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", COVERED)
def test_what_a_class_imports_of_its_own_counts(folder: Path, name: str) -> None:
    before = catalog.code("pkg.model:Mine")
    assert catalog.code("pkg.model:Mine") == before
    with (folder / name).open("a") as file:
        file.write("x = 1\n")
    assert catalog.code("pkg.model:Mine") != before


@pytest.mark.parametrize("name", ["pkg/other.py", "unrelated.py"])
def test_what_it_does_not_import_does_not(folder: Path, name: str) -> None:
    before = catalog.code("pkg.model:Mine")
    (folder / name).write_text("x = 1\n")
    assert catalog.code("pkg.model:Mine") == before
    assert catalog.code("lstm", "adding") is None


NAMED = {
    "import importlib\nimportlib.import_module('..near', __package__)\n": "pkg/near.py",
    "import importlib\nimportlib.import_module(name='pkg.near')\n": "pkg/near.py",
    "import importlib\nimportlib.import_module('.deep', package='pkg.sub')\n": "pkg/sub/deep.py",
    "from importlib import import_module as get\nget('pkg.near')\n": "pkg/near.py",
    "import elsewhere\n": "../second/elsewhere.py",
    "from spread import part\n": "../second/spread/part.py",
}


@pytest.mark.parametrize("source", NAMED)
def test_names_are_followed_wherever_python_finds_them(
    folder: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By any way to name a module literally, and in every folder of the path that is nobody's installation."""
    second, installed = folder.parent / f"second-{folder.name}", folder.parent / f"others-{folder.name}"
    for root in (second, installed):
        (root / "spread").mkdir(parents=True)
        monkeypatch.syspath_prepend(root)
    (installed / "theirs-1.dist-info").mkdir()
    (installed / "theirs.py").write_text("x = 1\n")
    (second / "elsewhere.py").write_text("x = 1\n")
    (second / "spread" / "part.py").write_text("x = 1\n")
    (folder / "pkg" / "sub" / "mine.py").write_text(f"import theirs\n{source}class Mine: pass\n")
    before = catalog.code("pkg.sub.mine:Mine")
    (installed / "theirs.py").write_text("x = 2\n")
    assert catalog.code("pkg.sub.mine:Mine") == before
    path = folder / NAMED[source].replace("../second", str(second))
    path.write_text("x = 2\n")
    assert catalog.code("pkg.sub.mine:Mine") != before


def test_a_class_by_import_path_counts_below_the_suite_too(tmp_path: Path) -> None:
    """Its own file and its neighbours in a package of its own; what the suite's versions speak of does not."""
    folder = tmp_path / "models" / "own"
    folder.mkdir(parents=True)
    (folder / "net.py").write_text("import models.lstm\nfrom models.own import near\n")
    (folder / "near.py").write_text("")
    (tmp_path / "models" / "lstm.py").write_text("")
    assert files({"models.own.net": folder / "net.py"}).keys() == {"models.own.net", "models.own.near"}
    assert files({"models.lstm": tmp_path / "models" / "lstm.py"}).keys() == {"models.lstm"}


def test_cells_of_other_peoples_code_are_known_by_it(folder: Path) -> None:
    """An edit, also of a helper, is another cell; the key of a cell by name does not change."""
    (folder / "mine.py").write_text(f"import helper\nfrom {EXAMPLES} import Mean\nclass Mine(Mean):\n    version = 1\n")
    (folder / "helper.py").write_text("x = 1\n")
    before = a_job("mine:Mine")
    assert before.cell.code is not None
    assert len(before.cell.code) == 64
    assert trial.run(before, Surroundings()).result.status == "ok"
    (folder / "helper.py").write_text("x = 2\n")
    assert a_job("mine:Mine").cell.key != before.cell.key
    assert a_job("gru").cell.code is None

    result = trial.run(before, Surroundings()).result
    assert (result.status, result.score) == ("invalid", None)
    assert (result.error or "").startswith("CodeChangedError: the code of mine:Mine is not what the sweep was planned")
