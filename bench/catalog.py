"""Which tasks and models exist, and what the command line must know of them, read without importing them.

A file's name is its entry's name: `tasks/adding.py` is the task `adding`. Options, versions, minimum lengths and
documented rates are read from the source text (they are literals there), so that `--help`, `--dry-run` and a re-run
with nothing to do never load torch. A class of one's own is named by its import path, `package.module:Class`.
"""

from __future__ import annotations

import ast
import difflib
import gc
import importlib
import importlib.util
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from bench.records import foreign
from bench.records.code import digest
from bench.records.entry import IN_A_FILE
from bench.records.errors import BenchError
from bench.records.sweep import MODELS, TASKS

Kind = Literal["task", "model", "optimiser", "schedule", "penalty"]
SUITE = Path(__file__).resolve().parents[1]
OURS = ("tasks", "models", "reports")
PACKAGES: dict[Kind, str] = {"task": "tasks", "model": "models"}
# The functions that a recipe may name: the tables, name -> function, that hold them.
OPTIMISATION = "models.base.optimisation"
TABLES: dict[Kind, str] = {"optimiser": "OPTIMISERS", "schedule": "SCHEDULES", "penalty": "PENALTIES"}
# Set by the command line for every model, so they are no options of an entry.
COMMON = frozenset({"hidden", "parameters", "learning_rate", "clip", "seed", "batch_size", "folder"})

# Class attributes that are read from the source text.
STATED = frozenset({"version", "minimum_length", "tokens_per_step", "fallback", "own_data", "documented_learning_rate"})

# Modules that classes of one's own were written against, and the modules that hold the same names now.
MOVED = {
    "tasks._conll": "tasks.corpora.conll",
    "tasks._context": "tasks.base.context",
    "tasks._corpus": "tasks.corpora.resolving",
    "tasks._download": "tasks.corpora.download",
    "tasks._gazetteer": "tasks.entities.gazetteer",
    "tasks._generated": "tasks.entities.generated",
    "tasks._known": "tasks.corpora.known",
    "tasks._metrics": "tasks.base",
    "tasks._ngram": "tasks.characters.ngram",
    "tasks._objectives": "tasks.base",
    "tasks._spans": "tasks.entities.spans",
    "tasks._synthetic": "tasks.base",
    "tasks._text": "tasks.characters.text",
    "tasks._texts": "tasks.entities.texts",
    "tasks._vocabulary": "tasks.entities.vocabulary",
    "tasks._windows": "tasks.entities.windows",
    "models._attention": "models.parts.attention",
    "models._control": "models.parts.control",
    "models._recurrent": "models.parts.recurrent",
    "models._stacked": "models.parts.stacked",
}


class CatalogError(BenchError):
    """A name, option or value that does not exist: what, expected, got, how to fix."""


@dataclass(frozen=True)
class Option:
    """One option of an entry. kinds: accepted types; choices: accepted values where they are enumerated."""

    name: str
    kinds: tuple[str, ...]
    choices: tuple[Any, ...]
    default: Any

    @property
    def expected(self) -> str:
        """The values that the option accepts, for messages."""
        return " or ".join([*map(shown, self.choices), *self.kinds])

    def convert(self, raw: Any, owner: str) -> Any:
        """Return `raw`, text from the command line or a typed value from a configuration, as a value of this option.

        Raises:
            CatalogError: it is none of the accepted kinds or choices.
        """
        for choice in self.choices:
            if (raw == choice and type(raw) is type(choice)) or raw == shown(choice):
                return choice
        for kind in self.kinds:
            try:
                return _READERS[kind](raw)
            except (KeyError, TypeError, ValueError):
                continue
        near = difflib.get_close_matches(str(raw), [shown(choice) for choice in self.choices], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise CatalogError(f"{owner}: option {self.name!r} expects {self.expected}, got {str(raw)!r}.{hint}")


@dataclass(frozen=True)
class Card:
    """What the source text tells of a task or model, or of a function of a recipe (`class_name` is then its name).
    summary: the first paragraph of its docstring. Fields that do not apply to its kind hold their defaults."""

    kind: Kind
    name: str
    module: str
    class_name: str
    options: dict[str, Option]
    version: int = 1
    minimum_length: int = 1
    tokens_per_step: int | None = None
    fallback: str | None = None
    own_data: str | None = None
    documented_learning_rate: float = 1e-2
    positional: frozenset[str] = frozenset()
    summary: str = ""

    @property
    def data_option(self) -> str:
        """The option that says which data a task reads, where it reads some."""
        return self.own_data or "corpus"

    @property
    def data_fallback(self) -> str | None:
        """What takes the place of the data that the option names; None where the task reads no data."""
        return self.fallback if self.own_data is None else str(self.options[self.own_data].default)

    def load(self) -> Any:
        """Import the class itself and return it (this is where torch is loaded).

        Raises:
            CatalogError: importing its module ends the process.
        """
        try:
            return getattr(importlib.import_module(self.module), self.class_name)
        except SystemExit as error:
            raise CatalogError(_exits(self.module, error)) from None

    def values(self, options: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        """Return options as typed values; those equal to their default are dropped.

        Raises:
            CatalogError: an unknown option, one given twice, or a value it does not accept.
        """
        values: dict[str, Any] = {}
        for key, raw in options:
            if key in self.positional:
                raise CatalogError(
                    f"{self.kind} {self.name}: {key!r} can be no option, because {self.class_name}.__init__ takes it "
                    f"by position. Write it after a `*`, annotated and with a default: (self, …, *, {key}: int = 3, …)"
                )
            if key not in self.options:
                raise CatalogError(unknown(f"option of {self.kind} {self.name}", key, self.options))
            if key in values:
                raise CatalogError(f"{self.kind} {self.name}: option {key!r} is given twice")
            values[key] = self.options[key].convert(raw, f"{self.kind} {self.name}")
        return {key: value for key, value in sorted(values.items()) if value != self.options[key].default}


def names(kind: Kind) -> list[str]:
    """Return the names of all discovered tasks or models."""
    return sorted(_files(kind))


def card(kind: Kind, name: str) -> Card:
    """Return the card of a discovered name, of a unique prefix of one, or of an import path `package.module:Class`.

    A prefix of one default task or model is unique, whatever others it begins.

    Raises:
        CatalogError: no such name, an ambiguous prefix, or a file without exactly one class that states its version.
    """
    if ":" in name:
        module, _, class_name = name.partition(":")
        if module in _files(kind):
            raise CatalogError(f"cannot read {class_name!r} in {name!r}: write an option as {module}:option=value")
        return _read(kind, name, _source(module), module, class_name)
    files = _files(kind)
    if name not in files:
        matches = [candidate for candidate in files if name and candidate.startswith(name)]
        usual = [candidate for candidate in matches if candidate in (*TASKS, *MODELS)]
        if len(usual) == 1:  # a task or a model that joins makes no command line of before ambiguous
            matches = usual
        if len(matches) > 1:
            raise CatalogError(f"{kind} {name!r} is ambiguous: it may be {' or '.join(sorted(matches))}")
        if not matches:
            if "." in name and "/" not in name:
                raise CatalogError(f"{name!r} names no class: an import path is package.module:Class, {name}:MyClass")
            comma = "" if _near(name, files) else f" {IN_A_FILE}."
            raise CatalogError(f"{unknown(kind, name, files)}{comma}")
        name = matches[0]
    return _read(kind, name, files[name], f"{PACKAGES[kind]}.{name}", None)


def code(*names: str) -> str | None:
    """Return the sha256 of the source text of entries given by import path, as it is now (`bench.records.code`).

    The text is read, not imported. None where no entry is given by import path, because a name is known by its version.

    Raises:
        CatalogError: no such module.
    """
    modules = [name.partition(":")[0] for name in names if ":" in name]
    return digest({module: _source(module) for module in modules}) if modules else None


def function(kind: Kind, name: str) -> Card:
    """Return the card of an optimiser, schedule or penalty. Its version is raised when its numbers may change.

    Raises:
        CatalogError: no such name.
    """
    known = _functions(kind)
    if name not in known:
        raise CatalogError(unknown(kind, name, known))
    return known[name]


@cache
def _functions(kind: Kind) -> dict[str, Card]:
    """Return the functions in the table of `kind`, read from the source text."""
    path = _folder("models") / "base" / "optimisation.py"
    tree = ast.parse(path.read_text("utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    tables = {
        node.target.id: node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Dict)
    }
    changes: dict[str, int] = ast.literal_eval(tables["CHANGES"])
    table = tables[TABLES[kind]]
    named = {
        ast.literal_eval(key): ast.unparse(value) for key, value in zip(table.keys, table.values, strict=True) if key
    }
    return {
        name: Card(kind, name, OPTIMISATION, owner, _options(functions[owner]), version=1 + changes.get(name, 0))
        for name, owner in named.items()
    }


def _folder(package: str) -> Path:
    """Return the folder of a package of this suite. The package is not imported, because that would load torch.

    Raises:
        CatalogError: Python finds another package of this name first.
    """
    ours = SUITE / package
    spec = importlib.util.find_spec(package)
    assert spec is not None
    path = Path(next(iter(spec.submodule_search_locations or [str(spec.origin)])))
    if package in OURS and path.resolve() != ours:
        raise CatalogError(
            f"{path} stands in for the package {package!r} of this suite ({ours}), because Python looks there first. "
            f"Rename it, or run from another folder. A class of your own in it is then named by its import path, as in "
            f"--models my_{package}.module:Class"
        )
    return path


def unshadowed() -> None:
    """Make sure that Python finds this suite's own packages under their names.

    Raises:
        CatalogError: a folder or file of one's own stands in for one of them.
    """
    for package in OURS:
        _folder(package)


def _files(kind: Kind) -> dict[str, Path]:
    return {path.stem: path for path in sorted(_folder(PACKAGES[kind]).glob("*.py")) if path.stem != "__init__"}


def _source(module: str) -> Path:
    reason = ""
    try:
        spec = importlib.util.find_spec(module)
    except SystemExit as error:
        raise CatalogError(_exits(module.rpartition(".")[0], error)) from None
    except Exception as error:  # finding `a.b` imports `a`, which may raise anything
        spec, reason = None, f" ({type(error).__name__}: {foreign.message(error)})"
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise CatalogError(
            f"no module {module!r} with Python source can be found{reason}: run from the folder that holds it, or "
            f"install its package"
        )
    return Path(spec.origin)


def _exits(module: str, error: SystemExit) -> str:
    return (
        f"importing {module} ends the process (SystemExit: {foreign.line(repr(error.code))}). Does it parse the "
        f"command line on import? Put that below `if __name__ == '__main__':`"
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause Python's garbage collector: syntax trees are many objects without cycles, and each pass over them costs."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@cache
@_uncollected()
def _read(kind: Kind, name: str, path: Path, module: str, class_name: str | None) -> Card:
    try:
        tree = _tree(path)
    except (SyntaxError, ValueError) as error:
        raise CatalogError(f"{path} is not valid Python: {error}") from None
    if _may_be_outdated(path) and (outdated := list(_outdated(tree))):
        lines = "".join(f"\n  line {line}: `{old}` is now `{new}`" for line, old, new in outdated)
        raise CatalogError(f"{path} imports from modules that have moved:{lines}")
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if class_name is None:
        versioned = [c for c in classes.values() if not c.name.startswith("_") and "version" in _literals(c)]
        if len(versioned) != 1:
            raise CatalogError(
                f"{path.name}: expected exactly one public class that states `version = N`, got {len(versioned)}"
            )
        node = versioned[0]
    elif class_name in classes:
        node = classes[class_name]
    else:
        raise CatalogError(unknown(f"class in {module}", class_name, classes))
    fields = {key: value for key, value in _literals(node).items() if key in STATED}
    summary = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
    return Card(kind, name, module, node.name, _options_of_class(node, tree), **fields, positional=_positional(node),
                summary=summary)  # fmt: skip


@cache
def _written(path: Path) -> str:
    return path.read_text("utf-8")


@cache
def _tree(path: Path) -> ast.Module:
    """Parse a file.

    Raises:
        SyntaxError, ValueError: it is not valid Python.
    """
    return ast.parse(_written(path))


def _may_be_outdated(path: Path) -> bool:
    """Look for the last part of any moved name: to walk a tree takes longer than to search its text."""
    return any(name.rpartition(".")[2] in _written(path) for name in MOVED)


def _outdated(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yield line, statement and new form of each import, inside functions too, of a module that has moved."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        new: list[ast.stmt] = []
        if isinstance(node, ast.ImportFrom) and node.module in MOVED:
            new = [ast.ImportFrom(MOVED[node.module], node.names, 0)]
        elif isinstance(node, ast.ImportFrom):
            full = {alias: f"{node.module}.{alias.name}" for alias in node.names}
            moved = {alias: MOVED[name] for alias, name in full.items() if name in MOVED}
            new = [ast.Import([ast.alias(name, alias.asname or alias.name)]) for alias, name in moved.items()]
        else:
            new = [ast.Import([ast.alias(MOVED[a.name], a.asname)]) for a in node.names if a.name in MOVED]
        if new:
            yield node.lineno, ast.unparse(node), "; ".join(map(ast.unparse, new))


def _literals(node: ast.ClassDef) -> dict[str, Any]:
    """Return a class's attributes that have literal values."""
    literals: dict[str, Any] = {}
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            target, value = statement.targets[0].id, statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            target, value = statement.target.id, statement.value
        else:
            continue
        try:
            literals[target] = ast.literal_eval(value)
        except ValueError:
            continue
    return literals


def _options_of_class(node: ast.ClassDef, tree: ast.Module) -> dict[str, Option]:
    """Return the options of a class: keyword-only arguments of its `__init__` that have a default; where it passes
    others on, those of the classes of this suite that it is made of as well. tree: the module of the class."""
    constructor = _constructor(node)
    own = {} if constructor is None else _options(constructor)
    if constructor is not None and constructor.args.kwarg is None:
        return own
    inherited: dict[str, Option] = {}
    for base in node.bases:
        for parent, module in _classes_named(ast.unparse(base), tree):
            inherited |= _options_of_class(parent, module)
    return inherited | own


def _classes_named(name: str, tree: ast.Module) -> Iterator[tuple[ast.ClassDef, ast.Module]]:
    """Yield the class of this name that a module holds or takes from this suite, and the module it stands in."""
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            yield statement, tree
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            for alias in statement.names:
                if (alias.asname or alias.name) == name:
                    package, *inner = statement.module.split(".")
                    path = SUITE.joinpath(package, *inner).with_suffix(".py")
                    if package in PACKAGES.values() and path.is_file():
                        yield from _classes_named(alias.name, _tree(path))


def _positional(node: ast.ClassDef) -> frozenset[str]:
    """Return the arguments that a class's own `__init__` takes by position after `self` and the first (a task's length,
    a model's spec)."""
    constructor = _constructor(node)
    taken = [] if constructor is None else [*constructor.args.posonlyargs, *constructor.args.args]
    return frozenset(argument.arg for argument in taken[2:])


def _constructor(node: ast.ClassDef) -> ast.FunctionDef | None:
    functions = (statement for statement in node.body if isinstance(statement, ast.FunctionDef))
    return next((function for function in functions if function.name == "__init__"), None)


def _options(function: ast.FunctionDef) -> dict[str, Option]:
    """Return the options of a function: keyword-only arguments that have a default."""
    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return {
        argument.arg: _option(argument, _default(argument, default))
        for argument, default in pairs
        if default is not None and argument.arg not in COMMON
    }


def _default(argument: ast.arg, default: ast.expr) -> Any:
    try:
        return ast.literal_eval(default)
    except ValueError:
        shown = ast.unparse(default)
        raise CatalogError(f"option {argument.arg!r}: its default must be a literal, got {shown}") from None


def _option(argument: ast.arg, default: Any) -> Option:
    kinds: list[str] = []
    choices: list[Any] = []
    pending = [argument.annotation]
    while pending:
        node = pending.pop(0)
        if isinstance(node, ast.BinOp):
            pending = [node.left, node.right, *pending]
        elif isinstance(node, ast.Constant) and node.value is None:
            choices.append(None)
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal"):
            values = ast.literal_eval(node.slice)
            choices.extend(values if isinstance(values, tuple) else [values])
        elif node is not None and ast.unparse(node) in _READERS:
            kinds.append(ast.unparse(node))
        else:
            shown = "none" if node is None else ast.unparse(node)
            raise CatalogError(f"option {argument.arg!r}: annotate it as {', '.join(_READERS)} or Literal, got {shown}")
    return Option(argument.arg, tuple(kinds), tuple(choices), default)


def _boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    return {"true": True, "false": False}[_text(raw)]


def _integer(raw: Any) -> int:
    return raw if type(raw) is int else int(_text(raw))


def _real(raw: Any) -> float:
    number = float(raw) if type(raw) in (int, float) else float(_text(raw))
    if not math.isfinite(number):
        raise ValueError(raw)
    return number


def _integers(raw: Any) -> tuple[int, ...]:
    return tuple(map(_integer, raw if isinstance(raw, list | tuple) else _text(raw).split("+")))


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError(raw)
    return raw


_READERS: dict[str, Any] = {
    "bool": _boolean,
    "int": _integer,
    "float": _real,
    "tuple[int, ...]": _integers,
    "str": _text,
}


def shown(value: Any) -> str:
    """Return an option's value as it is typed."""
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def _near(got: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(got, list(known), n=1, cutoff=0.5)


def unknown(what: str, got: str, known: Iterable[str]) -> str:
    """Say that a name is not known, with the nearest and all that are."""
    near = _near(got, known)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"unknown {what}: {got!r}. {hint}Available: {', '.join(sorted(known)) or 'none'}."
