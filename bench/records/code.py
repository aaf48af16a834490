"""The source text that a class of one's own runs, as one sha256: files are read, nothing is imported.

It covers the class's module, and what that imports from its own package or folder, or from another folder of
`sys.path` that is nobody's installation: names are followed from file to file, the `__init__` of every package on the
way included, relative imports and `import_module("a literal name")` too. Not covered: other installed packages, data
files, modules whose names are made at run time, and folders that the code itself adds to `sys.path`.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

SUITE = frozenset({"bench", "tasks", "models", "reports"})  # known by its versions
BY_NAME = ("import_module", "__import__")
SUFFIXES = ("/__init__.py", ".py", ".so", ".pyd")


STANDARD = frozenset(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))
INSTALLED = ("site-packages", "dist-packages")


def digest(modules: dict[str, Path]) -> str:
    """Return the sha256 over the files of these modules, dotted name -> file, and of what they import of their own."""
    contents = {name: hashlib.sha256(content).hexdigest() for name, content in files(modules).items()}
    lines = "".join(f"{name} {sha256}\n" for name, sha256 in sorted(contents.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def files(modules: dict[str, Path]) -> dict[str, bytes]:
    """Return the bytes of the files of these modules and of what they import of their own, by dotted name."""
    found: dict[str, bytes] = {}
    for name, path in modules.items():
        root = path.parents[len(name.split(".")) - (path.name != "__init__.py")]
        only = name.partition(".")[0] if any(root.glob("*.dist-info")) else None
        _follow(name, [root] if only else _folders(root), only, found)
    return found


def _folders(root: Path) -> list[Path]:
    """Return the folders in which Python looks for modules, without those that hold other people's, and with `root`."""
    folders = [Path(entry or ".") for entry in sys.path]
    own = [folder for folder in folders if folder.is_dir() and not _is_others(folder)]
    return own if root in own else [root, *own]


def _is_others(folder: Path) -> bool:
    standard = folder in STANDARD or folder.parent in STANDARD
    return standard or folder.name in INSTALLED or any(folder.glob("*.dist-info"))


def _follow(name: str, folders: list[Path], only: str | None, found: dict[str, bytes]) -> None:
    """Add a module's file, those of the packages it lies in, and what they import. only: the one package that counts,
    where the folder holds other people's too."""
    waiting = [name]
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in seen or _is_suites(module, name) or (only and module.partition(".")[0] != only):
            continue
        seen.add(module)
        waiting += [module.rpartition(".")[0]] if "." in module else []
        path = next(filter(None, (_file(folder, module) for folder in folders)), None)
        if path is not None:
            found[module] = path.read_bytes()
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            waiting += _imports(found[module], package) if path.suffix == ".py" else []


def _is_suites(module: str, name: str) -> bool:
    """Return whether a module is known by the suite's versions. The module `name` itself, which is given by import
    path, is not, wherever it lies; nor is what lies beside it in a package of its own below one of the suite's."""
    package = name.rpartition(".")[0]
    beside = "." in package and f"{module}.".startswith(f"{package}.")
    return module.partition(".")[0] in SUITE and module != name and not beside


def _file(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    for suffix in SUFFIXES:
        path = Path(f"{base}{suffix}")
        if path.is_file():
            return path
    return next(iter(sorted(base.parent.glob(f"{base.name}.*.so"))), None)


def _imports(text: bytes, package: str) -> Iterator[str]:
    """Yield the dotted names that a source text imports, inside functions too; members may be modules."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return  # importing the module says so
    renamed = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in BY_NAME
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join(filter(None, [*above, node.module]))
            yield from filter(None, [module, *(f"{module}.{alias.name}".strip(".") for alias in node.names)])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {*BY_NAME, *renamed}:
            yield from _named(node, package)


def _named(call: ast.Call, package: str) -> Iterator[str]:
    """Yield the module that a call of `import_module` names, where it names one literally."""
    given = dict(zip(("name", "package"), call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    literal = {key: node.value for key, node in given.items() if isinstance(node, ast.Constant)}
    name, anchor = literal.get("name"), literal.get("package")
    if isinstance(name, str):
        try:
            yield importlib.util.resolve_name(name, anchor if isinstance(anchor, str) else package)
        except ImportError:
            return  # importing the module says so
