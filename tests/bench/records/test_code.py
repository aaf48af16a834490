"""The sha256 of an own class's source text: what it covers, and what it does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import catalog
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
