"""Who may import whom: the architecture as a table, held over the syntax trees. Imports inside functions count."""

from __future__ import annotations

import ast
import tomllib
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "tasks", "models", "reports")
ANYTHING = "*"
NOUNS = "bench.result bench.sweep"
ENGINE = "bench.engines.base bench.engines.placement bench.engines.local"
INSIDE = "bench.gradients bench.jacobians"

# The first pattern that matches a module holds. A module that no pattern matches needs a line of its own.
# `_*` are a package's helpers; they are for that package alone.
TABLE: list[tuple[str, str]] = [
    # nouns: they know nothing but each other
    ("bench.sweep", ""),
    ("bench.catalog", ""),
    ("bench.command", ""),
    ("bench.sources", ""),
    ("bench.settings", "bench.sweep"),
    ("bench.result", "bench.sweep"),
    ("bench.columns", "bench.result"),
    # the store
    ("bench.files", ""),
    ("bench.sealed", "bench.result bench.sweep"),
    ("bench.store", f"{NOUNS} bench.columns bench.files bench.sealed"),
    ("bench", "bench.store"),
    # tasks and models never meet
    ("tasks", ""),
    ("tasks.base", ""),
    ("tasks.*", "tasks.base tasks._*"),
    ("models", ""),
    ("models.base", "tasks.base"),
    ("models.attention", "tasks.base models.base models._* models.lstm"),  # its encoder is an lstm
    ("models.*", "tasks.base models.base models._*"),
    # one cell, measured
    ("bench.gradients", "tasks.base models.base"),
    ("bench.jacobians", "tasks.base models.base bench.gradients"),
    ("bench.inspection", f"tasks.base models.base bench.result {INSIDE}"),
    ("bench.recorder", f"tasks.base models.base {NOUNS} {INSIDE} bench.inspection bench.tracking"),
    ("bench.checkpoint", "tasks.base models.base bench.sweep bench.files bench.recorder bench.sources"),
    (
        "bench.trial",
        f"tasks.base models.base {NOUNS} {INSIDE} bench.catalog bench.checkpoint bench.recorder bench.tracking",
    ),
    # the mirror, and what is shown
    ("bench.login", NOUNS),
    ("bench.mirrored", f"{NOUNS} bench.columns"),
    ("bench.tracking", f"{NOUNS} bench.mirrored bench.login"),
    ("bench.console", NOUNS),
    # many cells
    ("bench.engines", ""),
    ("bench.engines.placement", ""),
    ("bench.engines.base", NOUNS),
    ("bench.engines.local", f"{NOUNS} bench.engines.base bench.engines.placement bench.engines._worker"),
    ("bench.engines._worker", f"{NOUNS} bench.engines.placement bench.trial"),
    ("bench.engines.corpora", f"{NOUNS} bench.engines.base bench.files"),
    (
        "bench.engines.*",
        f"{NOUNS} {ENGINE} bench.engines.corpora bench.engines._* bench.sources",
    ),  # each node of a cluster: the local one
    ("bench.leases", "bench.files bench.store"),
    ("bench.plan", f"{NOUNS} bench.catalog bench.console bench.engines.placement"),
    ("bench.missing", f"{NOUNS} bench.store bench.console bench.leases bench.plan bench.engines.placement"),
    (
        "bench.runner",
        f"{NOUNS} bench.store bench.catalog bench.console bench.leases bench.missing bench.plan bench.engines.base",
    ),
    (
        "bench.status",
        f"{NOUNS} bench.command bench.store bench.leases bench.console",
    ),  # estimates the time left
    ("bench.doctor", f"{NOUNS} bench.command bench.store bench.catalog bench.tracking bench.login tasks._corpus"),
    ("bench.merge", f"{NOUNS} bench.command bench.store"),
    ("bench.publish", f"{NOUNS} bench.command bench.store bench.tracking bench.mirrored bench.login bench.workspace"),
    ("bench.workspace", "bench.mirrored"),
    # reports read the store, and nothing else
    ("reports", ""),
    ("reports.__main__", ANYTHING),
    ("reports.summary", f"{NOUNS} bench.store reports._*"),
    ("reports.*", f"{NOUNS} bench.command bench.store reports.summary reports._*"),
    # composition roots
    ("bench.run", ANYTHING),
    ("bench.paper", ANYTHING),
]
ROOTS = {"bench.run", "bench.paper", "reports.__main__"}  # nobody imports them


@cache
def modules() -> dict[str, Path]:
    """Every module of ours, by its dotted name."""
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    dotted = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}
    return {name.removesuffix(".__init__"): path for name, path in dotted.items()}


def imports(path: Path) -> set[str]:
    """All that a file imports, at any depth; of ours as module names, of others as top names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide where a name comes from"
            assert node.module
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (members & modules().keys()) or {node.module}
            found |= {node.module} if not members <= modules().keys() and node.module in modules() else set()
    return {name if name.partition(".")[0] in PACKAGES else name.partition(".")[0] for name in found}


def ours(name: str) -> set[str]:
    """What a module of ours imports of ours."""
    return {other for other in imports(modules()[name]) if other.partition(".")[0] in PACKAGES}


def allowed(name: str) -> str | None:
    return next((may for pattern, may in TABLE if fnmatchcase(name, pattern)), None)


def test_the_table_holds() -> None:
    faults = []
    for name in sorted(modules()):
        may = allowed(name)
        if may is None:
            faults.append(f"{name} stands in no line of the table: add one")
            continue
        package = name.rpartition(".")[0]
        for other in sorted(ours(name)):
            private = other.rpartition(".")[2].startswith("_") and other.rpartition(".")[0] != package
            listed = any(fnmatchcase(other, pattern) for pattern in may.split())
            if other not in modules():
                faults.append(f"{name} imports {other}, which does not exist")
            elif not listed or (private and other not in may.split() and may != ANYTHING):
                faults.append(f"{name} imports {other}; it may import {may or 'nothing of ours'}")
    assert not faults, "\n".join(faults)


def test_nobody_imports_a_command() -> None:
    assert [(name, other) for name in modules() for other in ours(name) if other in ROOTS] == []


def test_no_cycles() -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a cycle: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in done:
            for other in sorted(ours(name) & modules().keys()):  # what does not exist is the table's affair
                visit(other, (*path, name))
            done.add(name)

    for name in modules():
        visit(name, ())


def reached(name: str) -> set[str]:
    """All that a module imports, directly or through others of ours, inside functions too."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = imports(modules()[waiting.pop()]) - found
        found |= new
        waiting += [other for other in new if other in modules()]
    return found


@pytest.mark.parametrize("name", [name for name in modules() if name.startswith("reports.") and name not in ROOTS])
def test_reports_need_no_torch_no_task_no_model(name: str) -> None:
    heavy = {"torch", "lightning", "torchmetrics", "safetensors"}
    assert not [other for other in reached(name) if other in heavy or other.partition(".")[0] in ("tasks", "models")]


def test_the_product_does_not_know_its_tests() -> None:
    assert [name for name, path in modules().items() if "tests" in imports(path) or "pytest" in imports(path)] == []


def test_every_package_is_installed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(name for name, path in modules().items() if path.name == "__init__.py")


def test_this_test_sees_imports_of_every_form(tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    file.write_text(
        "import torch.nn as nn\nimport bench.store\nfrom bench import catalog, load\nfrom bench.sweep import Cell\n"
        "def late():\n    from tasks import _corpus\n    if True:\n        import reports.table\n"
    )
    assert imports(file) == {
        "torch", "bench.store", "bench.catalog", "bench", "bench.sweep", "tasks._corpus", "reports.table",
    }  # fmt: skip
