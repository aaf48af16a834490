"""The source text that a class of one's own runs, as one sha256: files are read, nothing is imported.

It covers the class's module, and what that imports from its own package or folder: names are followed from file to
file, the `__init__` of every package on the way included, relative imports and `import_module("a literal name")` too.
Not covered: other installed packages, data files, and modules whose names are made at run time.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

SUITE = frozenset({"bench", "tasks", "models", "reports"})  # known by its versions
BY_NAME = ("import_module", "__import__")
SUFFIXES = ("/__init__.py", ".py", ".so", ".pyd")


def digest(modules: dict[str, Path]) -> str:
    """Return the sha256 over the files of these modules, dotted name -> file, and of what they import of their own."""
    files: dict[str, bytes] = {}
    for name, path in modules.items():
        root = path.parents[len(name.split(".")) - (path.name != "__init__.py")]
        installed = any(root.glob("*.dist-info"))
        _follow(name, root, name.partition(".")[0] if installed else None, files)
    lines = "".join(f"{name} {hashlib.sha256(content).hexdigest()}\n" for name, content in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _follow(name: str, root: Path, only: str | None, files: dict[str, bytes]) -> None:
    """Add a module's file, those of the packages it lies in, and what they import. only: the one package that counts,
    where `root` holds other people's too."""
    waiting = [name]
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in seen or module.partition(".")[0] in SUITE or (only and module.partition(".")[0] != only):
            continue
        seen.add(module)
        waiting += [module.rpartition(".")[0]] if "." in module else []
        path = _file(root, module)
        if path is not None:
            files[module] = path.read_bytes()
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            waiting += _imports(files[module], package) if path.suffix == ".py" else []


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
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join(filter(None, [*above, node.module]))
            yield from filter(None, [module, *(f"{module}.{alias.name}".strip(".") for alias in node.names)])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
            "import_module",
            "__import__",
        ):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield f"{package}{first.value}" if first.value.startswith(".") else first.value
