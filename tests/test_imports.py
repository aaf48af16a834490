"""Who may import whom: the architecture as a table, held over the syntax trees. Imports inside functions count."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "tasks", "models", "reports")
ANYTHING = "*"

# One row per folder, or per command: what a folder's files may import of ours beside each other. The first pattern that
# matches a module holds; a module that no pattern matches needs a row.
RECORDS = "bench.records.*"
STORE = f"{RECORDS} bench.store bench.store.*"
BASES = "tasks.base models.base"
PARTS = "tasks.characters.* tasks.entities.* tasks.glyphs.* tasks.images.* tasks.phrases.* tasks.treebank.*"
VIEW = "reports.summary reports.summary.* reports.view reports.view.*"
TABLE: list[tuple[str, str]] = [
    ("bench.catalog", RECORDS),
    ("bench.records.*", ""),
    ("bench.store.*", RECORDS),
    ("bench.cli.listing", "bench.catalog"),
    ("bench.cli.*", RECORDS),
    ("bench.probes.alignment", f"{BASES} tasks.base.transcription tasks.base.written"),
    ("bench.probes.*", f"{BASES} models.parts.layer {RECORDS}"),
    ("bench.mirror.*", RECORDS),
    ("bench.trial.*", f"{BASES} {STORE} bench.catalog bench.probes.* bench.mirror.*"),
    ("bench.engines.worker", f"{RECORDS} bench.engines.* bench.trial.*"),  # the process that measures
    ("bench.engines.*", f"{STORE} bench.engines.* bench.trial.sources"),
    ("bench.runner.*", f"{STORE} bench.catalog bench.cli.* bench.engines.*"),
    ("bench", ANYTHING),  # each name loads what it needs when it is called
    ("bench.__main__", "bench.run bench.cli.*"),
    ("bench.run", ANYTHING),  # composition roots
    ("bench.paper", ANYTHING),
    ("bench.lecture", ANYTHING),
    (
        "bench.lectures.*",
        f"{BASES} tasks.base.written tasks.corpora.conll {STORE} bench.probes.* bench.trial.asking reports.figures.* "
        "reports.view reports.view.*",
    ),
    ("bench.evaluate", ANYTHING),
    ("reports.__main__", ANYTHING),
    ("bench.check", f"{BASES} {RECORDS} bench.catalog bench.cli.* bench.runner.plan bench.trial.*"),
    (
        "bench.show",
        f"{BASES} tasks.base.written {STORE} bench.catalog bench.cli.* bench.probes.alignment bench.trial.asking "
        "reports.figures.* reports.text.example reports.view.delivery",
    ),
    ("bench.doctor", f"{STORE} bench.catalog bench.cli.* bench.mirror.* tasks.corpora.*"),
    ("bench.*", f"{STORE} bench.cli.* bench.mirror.*"),  # the other commands
    # tasks and models never meet
    ("tasks.base.*", ""),
    ("tasks.corpora.*", "bench.records.foreign"),  # one place makes text from outside safe
    ("tasks.*", f"tasks.base tasks.base.* tasks.corpora.* {PARTS}"),
    ("models.base.*", "tasks.base"),
    ("models.attention", f"{BASES} models.parts.* models.lstm"),  # its encoder is an lstm
    ("models.seq2seq", f"{BASES} models.parts.* models.rnn models.gru models.lstm"),  # its cells are theirs
    ("models.*", f"{BASES} models.parts.*"),
    # reports read the store, and nothing else
    ("reports.summary.*", RECORDS),
    ("reports.view.*", f"{STORE} reports.summary reports.summary.*"),
    ("reports.text.*", f"{RECORDS} {VIEW} bench.cli.terminal"),
    ("reports.figures.*", f"{RECORDS} {VIEW} reports.text.*"),
    ("reports.figure", f"{STORE} bench.cli.* {VIEW} reports.text.* reports.figures.*"),
    ("reports.page.*", f"{STORE} {VIEW} reports.text.*"),
    ("reports.*", f"{STORE} bench.cli.* {VIEW} reports.text.*"),
    ("reports", ""),
    ("tasks", ""),
    ("models", ""),
]
ROOTS = {"bench.paper", "bench.lecture", "bench.evaluate", "reports.__main__"}  # nobody imports them


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


def folder(name: str) -> str:
    """The folder of a module, as a package; a package is its own."""
    return name if modules()[name].name == "__init__.py" else name.rpartition(".")[0]


def test_the_table_holds() -> None:
    faults = []
    for name in sorted(modules()):
        may = allowed(name)
        if may is None:
            faults.append(f"{name} stands in no row of the table: add one")
            continue
        for other in sorted(ours(name)):
            beside = folder(name) not in PACKAGES and other in modules() and folder(other) == folder(name)
            if other not in modules():
                faults.append(f"{name} imports {other}, which does not exist")
            elif not beside and not any(fnmatchcase(other, pattern) for pattern in may.split()):
                faults.append(f"{name} imports {other}; it may import {may or 'nothing of ours'}")
    assert not faults, "\n".join(faults)


def test_no_row_is_dead() -> None:
    used = {next(pattern for pattern, _ in TABLE if fnmatchcase(name, pattern)) for name in modules()}
    assert [pattern for pattern, _ in TABLE if pattern not in used] == []


def test_no_module_has_a_leading_underscore() -> None:
    stems = {path: path.stem for path in modules().values()}
    assert [str(path) for path, stem in stems.items() if stem.startswith("_") and not stem.startswith("__")] == []


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


PROGRAMS = {"tests.golden.make", "tests.performance.report"}  # run by hand, and read by tests of other folders


def test_what_tests_share_lies_in_support() -> None:
    """What a test module or a conftest defines is its own; so is what lies in a folder of tests, to other folders."""
    faults = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        here = ".".join(path.relative_to(ROOT).parts[:-1])
        for other in sorted(imports_of_tests(path)):
            package, _, module = other.rpartition(".")
            own = module.startswith("test_") or module == "conftest"
            if own or not (package in (here, "tests.support") or other in PROGRAMS):
                faults.append(f"{path.relative_to(ROOT)} imports {other}: move what is shared to tests/support/")
    assert not faults, "\n".join(faults)


def imports_of_tests(path: Path) -> set[str]:
    """Modules below tests/ that a file imports, scripts that it holds as text included."""
    tree = ast.parse(path.read_text("utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    pairs = [(node.module or "", alias.name) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
             for alias in node.names]  # fmt: skip
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    pairs += [pair for text in texts for pair in re.findall(r"^\s*from (tests[\w.]*) import (\w+)", text, re.MULTILINE)]
    names |= {f"{module}.{name}" if (ROOT / module.replace(".", "/")).is_dir() else module for module, name in pairs}
    return {name for name in names if name.startswith("tests.")}


def test_this_test_sees_imports_of_every_form(tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    file.write_text(
        "import torch.nn as nn\nimport bench.store\nfrom bench import catalog, load\n"
        "from bench.records.sweep import Sweep\n"
        "def late():\n    from tasks.corpora import known\n    if True:\n        import reports.table\n"
    )
    assert imports(file) == {
        "torch", "bench.store", "bench.catalog", "bench", "bench.records.sweep", "tasks.corpora.known", "reports.table",
    }  # fmt: skip


def test_this_test_sees_what_is_imported_of_tests(tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    file.write_text(
        "import TESTS.golden.make\nfrom TESTS.support import jobs\nfrom TESTS.reports.conftest import store\n"
        "SCRIPT = 'import sys\\nfrom TESTS.bench.test_run import main'\n".replace("TESTS", "tests")
    )
    expected = {"tests.golden.make", "tests.support.jobs", "tests.reports.conftest", "tests.bench.test_run"}
    assert imports_of_tests(file) == expected
