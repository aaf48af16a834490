from __future__ import annotations

import importlib.util
import inspect
import sys
import types
import typing
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from bench import catalog
from bench.catalog import Card, CatalogError, Kind, Option

ALL: list[tuple[Kind, str]] = [
    *(("task", name) for name in catalog.names("task")),
    *(("model", name) for name in catalog.names("model")),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path, for modules of one's own."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def written(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text, "utf-8")


# -- the source's view is the imported view ----------------------------------------------------------------------------


def test_everything_is_discovered() -> None:
    assert set(catalog.names("task")) >= {"copying", "adding", "running_average", "char_lm", "ner"}
    assert set(catalog.names("model")) >= {"rnn", "gru", "lstm", "attention", "transformer"}
    assert not [name for _, name in ALL if name.startswith("_") or name == "base"]


@pytest.mark.parametrize(
    ("kind", "prefix", "name"),
    [("task", "add", "adding"), ("task", "cop", "copying"), ("task", "run", "running_average"), ("model", "l", "lstm"),
     ("model", "t", "transformer"), ("model", "g", "gru"), ("model", "at", "attention")],
)  # fmt: skip
def test_prefixes_of_the_default_entries_stay_unique(kind: catalog.Kind, prefix: str, name: str) -> None:
    assert catalog.card(kind, prefix).name == name


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_the_card_says_what_the_class_says(kind: Kind, name: str) -> None:
    card = catalog.card(kind, name)
    loaded = card.load()
    assert (card.kind, card.name, card.module) == (kind, name, loaded.__module__)
    assert card.class_name == loaded.__name__
    stated = ["version", "minimum_length", "tokens_per_step", "fallback"] if kind == "task" else []
    for attribute in stated or ["version", "documented_learning_rate"]:
        assert getattr(card, attribute) == getattr(loaded, attribute), attribute
    assert "version" in vars(loaded), "a version is stated by the class itself, never inherited"


def test_a_class_of_ones_own_has_the_options_of_the_model_it_is_made_of(folder: Path) -> None:
    (folder / "mine.py").write_text(
        "from models.lstm import LSTM as Base\n"
        "class Mine(Base):\n    version = 1\n"
        "    def __init__(self, spec, *, own: int = 3, **common): super().__init__(spec, **common)\n"
        "class Closed(Base):\n    version = 1\n    def __init__(self, spec, *, own: int = 3): super().__init__(spec)\n"
    )
    assert {"own", "forget_bias", "layers"} <= set(catalog.card("model", "mine:Mine").options)
    assert set(catalog.card("model", "mine:Closed").options) == {"own"}


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_the_options_are_the_keyword_arguments_of_the_class(kind: Kind, name: str) -> None:
    card = catalog.card(kind, name)
    expected = {}
    for owner in reversed(card.load().__mro__):
        constructor = vars(owner).get("__init__")
        if owner.__module__.partition(".")[0] in catalog.PACKAGES.values() and constructor is not None:
            hints = typing.get_type_hints(constructor)
            expected |= {
                parameter.name: (parameter.default, accepted(hints[parameter.name]))
                for parameter in inspect.signature(constructor).parameters.values()
                if parameter.kind is inspect.Parameter.KEYWORD_ONLY
                and parameter.default is not inspect.Parameter.empty
                and parameter.name not in catalog.COMMON
            }
    assert {key: (option.default, described(option)) for key, option in card.options.items()} == expected
    for option in card.options.values():
        assert option.convert(option.default, name) == option.default
        assert option.convert(shown(option.default), name) == option.default, "as written on a command line"


def accepted(hint: Any) -> set[Any]:
    """What a type annotation accepts, flat: kinds by name, choices by value."""
    if get_origin(hint) in (typing.Union, types.UnionType):
        return set().union(*map(accepted, get_args(hint)))
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    if get_origin(hint) is tuple:
        return {str(hint)}
    return {None} if hint is type(None) else {hint.__name__}


def described(option: Option) -> set[Any]:
    return {*option.kinds, *option.choices}


def shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "prefix", "name"), [("task", "copy", "copying"), ("task", "n", "ner"), ("model", "tr", "transformer")]
)
def test_a_unique_prefix_is_enough(kind: Kind, prefix: str, name: str) -> None:
    assert catalog.card(kind, prefix) == catalog.card(kind, name)


@pytest.fixture
def some_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models `alpha`, `alphabet` and `alps` instead of ours."""
    package = folder / "some_models"
    package.mkdir()
    for name in ("alpha", "alphabet", "alps"):
        written(package, name, "class Model:\n    version = 1\n")
    (package / "base").mkdir()
    written(package / "base", "model", "class Base:\n    version = 1\n")
    monkeypatch.setitem(catalog.PACKAGES, "model", "some_models")
    return package


def test_files_are_entries_and_folders_are_not(some_models: Path) -> None:
    assert catalog.names("model") == ["alpha", "alphabet", "alps"]


def test_a_whole_name_wins_over_longer_ones(some_models: Path) -> None:
    assert catalog.card("model", "alpha").name == "alpha"
    with pytest.raises(CatalogError, match="model 'al' is ambiguous: it may be alpha or alphabet or alps"):
        catalog.card("model", "al")


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("model", "lstmm", "unknown model: 'lstmm'. Did you mean 'lstm'? Available: attention, "),
        ("task", "coping", "unknown task: 'coping'. Did you mean 'copying'?"),
        ("task", "LSTM", "unknown task: 'LSTM'. Available: adding, "),
        ("task", "base", "unknown task: 'base'"),
        ("task", "_corpus", "unknown task: '_corpus'"),
        ("task", "", "unknown task: ''"),
        ("task", "../etc", "unknown task: '../etc'"),
        ("model", "lstm:layers", "cannot read 'layers' in 'lstm:layers': write an option as lstm:option=value"),
        ("model", "lstm:", "write an option as lstm:option=value"),
        ("model", "no_such_module:Model", "no module 'no_such_module' with Python source can be found"),
        ("model", "no_such.module:Model", "no module 'no_such.module' with Python source can be found"),
        ("model", "sys:Model", "no module 'sys' with Python source"),
        ("model", "math:Model", "no module 'math' with Python source"),
        ("model", ".:Model", "no module '.' with Python source"),
    ],
)
def test_unknown_names(kind: Kind, name: str, message: str) -> None:
    with pytest.raises(CatalogError) as error:
        catalog.card(kind, name)
    assert message in str(error.value)


# -- classes of one's own ----------------------------------------------------------------------------------------------


def test_an_import_path_names_a_class(folder: Path) -> None:
    attributes = "    name = 'mine'\n    documented_learning_rate = 0.5\n"
    written(folder, "mine_1", f"class Model:\n{attributes}    def __init__(self, spec, *, width: int = 3): ...\n")
    card = catalog.card("model", "mine_1:Model")
    assert card == Card(
        kind="model",
        name="mine_1:Model",
        module="mine_1",
        class_name="Model",
        options={"width": Option("width", ("int",), (), 3)},
        version=1,
        documented_learning_rate=0.5,
    )
    assert card.load() is sys.modules["mine_1"].Model


def test_reading_a_class_does_not_import_its_module(folder: Path) -> None:
    written(folder, "mine_2", "raise RuntimeError\nclass Model: ...\n")
    assert catalog.card("model", "mine_2:Model").options == {}


@pytest.mark.parametrize(
    ("module", "text", "message"),
    [
        ("mine_3", "class Other: ...\n", "unknown class in mine_3: 'Model'. Available: Other"),
        ("mine_4", "class Modell: ...\n", "Did you mean 'Modell'?"),
        ("mine_5", "class Model(\n", "mine_5.py is not valid Python"),
        ("mine_6", "class Model:\n    def __init__(self, *, a: list = 1): ...\n", "option 'a': annotate it as bool, "),
        ("mine_7", "class Model:\n    def __init__(self, *, a=1): ...\n", "option 'a': annotate it as"),
        (
            "mine_8",
            "class Model:\n    def __init__(self, *, a: int = max(1, 2)): ...\n",
            "option 'a': its default must be a literal, got max(1, 2)",
        ),
    ],
)
def test_a_class_that_cannot_be_read(folder: Path, module: str, text: str, message: str) -> None:
    written(folder, module, text)
    with pytest.raises(CatalogError) as error:
        catalog.card("model", f"{module}:Model")
    assert message in str(error.value)


def test_a_package_that_fails_to_import(folder: Path) -> None:
    (folder / "broken_package").mkdir()
    written(folder / "broken_package", "__init__", "raise RuntimeError('half installed')\n")
    with pytest.raises(CatalogError, match=r"RuntimeError: half installed\): run from the folder that holds it"):
        catalog.card("model", "broken_package.model:Model")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("class Model: ...\n", 0),
        ("class _Hidden:\n    version = 1\n", 0),
        ("class A:\n    version = 1\nclass B:\n    version: int = 2\n", 2),
    ],
)
def test_a_file_states_one_version(some_models: Path, text: str, count: int) -> None:
    written(some_models, f"fresh{count}{len(text)}", text)
    with pytest.raises(CatalogError, match=rf"exactly one public class that states `version = N`, got {count}$"):
        catalog.card("model", "fresh")


def test_helpers_without_a_version_may_stand_beside(some_models: Path) -> None:
    text = "class Cell: ...\nclass _Old:\n    version = 3\nclass Model:\n    version: int = 2\n"
    written(some_models, "beside", text)
    card = catalog.card("model", "beside")
    assert (card.class_name, card.version) == ("Model", 2)


# -- options -----------------------------------------------------------------------------------------------------------

SOURCE = """
from typing import Literal
import typing

class Model:
    version = 1
    def __init__(
        self, spec, positional=1, *, whole: int = 1, real: float = 1.0, flag: bool = False, text: str = "a",
        several: tuple[int, ...] = (1, 2), choice: Literal["left", "right"] = "left", maybe: float | None = None,
        either: typing.Literal["auto"] | int = "auto", number: Literal[1, 2] = 1, required: int,
        hidden: int = 3, learning_rate: float = 0.1, seed: int = 0, **common,
    ): ...
"""


@pytest.fixture
def card(folder: Path) -> Card:
    written(folder, "mine_options", SOURCE)
    return catalog.card("model", "mine_options:Model")


def test_which_arguments_are_options(card: Card) -> None:
    assert set(card.options) == {
        "whole", "real", "flag", "text", "several", "choice", "maybe", "either", "number",
    }  # fmt: skip
    assert card.options["maybe"].expected == "none or float"
    assert card.options["either"].expected == "auto or int"
    assert card.options["choice"].expected == "left or right"


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("whole", "2", 2),
        ("whole", "-2", -2),
        ("whole", 2, 2),
        ("real", "2", 2.0),
        ("real", "3e-2", 0.03),
        ("real", 2, 2.0),
        ("real", 0.5, 0.5),
        ("flag", "true", True),
        ("flag", True, True),
        ("text", "/a:b,c", "/a:b,c"),
        ("several", "4", (4,)),
        ("several", "4+8+16", (4, 8, 16)),
        ("several", [4, 8], (4, 8)),
        ("several", (4, 8), (4, 8)),
        ("choice", "right", "right"),
        ("maybe", "0.5", 0.5),
        ("maybe", 1, 1.0),
        ("either", "3", 3),
        ("either", 3, 3),
        ("number", "2", 2),
        ("number", 2, 2),
    ],
)
def test_values_are_converted(card: Card, name: str, raw: Any, value: Any) -> None:
    (converted,) = card.values([(name, raw)]).values()
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("whole", "1"), ("whole", 1), ("real", "1"), ("real", 1), ("flag", "false"), ("flag", False), ("text", "a"),
        ("several", "1+2"), ("several", [1, 2]), ("choice", "left"), ("maybe", "none"), ("either", "auto"),
    ],
)  # fmt: skip
def test_defaults_are_dropped(card: Card, name: str, raw: Any) -> None:
    assert card.values([(name, raw)]) == {}


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("whole", "2.0", "model mine_options:Model: option 'whole' expects int, got '2.0'."),
        ("whole", 2.0, "expects int, got '2.0'"),
        ("whole", True, "expects int, got 'True'"),
        ("whole", "", "expects int, got ''"),
        ("whole", [1], "expects int, got '[1]'"),
        ("real", "fast", "expects float, got 'fast'"),
        ("real", "nan", "expects float, got 'nan'"),
        ("real", float("inf"), "expects float, got 'inf'"),
        ("real", True, "expects float, got 'True'"),
        ("flag", "yes", "expects bool, got 'yes'"),
        ("flag", 1, "expects bool, got '1'"),
        ("text", 1, "expects str, got '1'"),
        ("several", "1+", "option 'several' expects tuple[int, ...], got '1+'"),
        ("several", ["1.5"], "expects tuple[int, ...]"),
        ("several", [1.5], "expects tuple[int, ...]"),
        ("several", 4, "expects tuple[int, ...]"),
        ("choice", "rihgt", "expects left or right, got 'rihgt'. Did you mean 'right'?"),
        ("choice", "top", "expects left or right, got 'top'."),
        ("number", 1.0, "expects 1 or 2, got '1.0'."),
        ("number", True, "expects 1 or 2, got 'True'."),
        ("maybe", "nothing", "expects none or float, got 'nothing'."),
        ("wholle", "1", "unknown option of model mine_options:Model: 'wholle'. Did you mean 'whole'? Available: "),
        ("hidden", "8", "unknown option of model mine_options:Model: 'hidden'"),
        ("required", "8", "unknown option of model mine_options:Model: 'required'"),
    ],
)
def test_values_that_do_not_fit(card: Card, name: str, raw: Any, message: str) -> None:
    with pytest.raises(CatalogError) as error:
        card.values([(name, raw)])
    assert message in str(error.value)


def test_an_option_is_given_once_and_they_come_out_sorted(card: Card) -> None:
    with pytest.raises(CatalogError, match="option 'whole' is given twice"):
        card.values([("whole", "2"), ("whole", "3")])
    assert list(card.values([("whole", "2"), ("flag", "true"), ("text", "b")])) == ["flag", "text", "whole"]


def test_a_task_without_options_says_so(folder: Path) -> None:
    written(folder, "mine_bare", "class Model: ...\n")
    with pytest.raises(CatalogError, match="Available: none"):
        catalog.card("task", "mine_bare:Model").values([("x", "1")])


# -- functions of a recipe ---------------------------------------------------------------------------------------------

FUNCTIONS: list[tuple[Kind, str]] = [(kind, name) for kind in catalog.TABLES for name in catalog._functions(kind)]


def test_the_tables_are_those_that_are_imported() -> None:
    from models.base import OPTIMISERS, PENALTIES, SCHEDULES

    assert set(FUNCTIONS) == {
        *(("optimiser", name) for name in OPTIMISERS),
        *(("schedule", name) for name in SCHEDULES),
        *(("penalty", name) for name in PENALTIES),
    }


@pytest.mark.parametrize(("kind", "name"), FUNCTIONS)
def test_the_options_of_a_function_are_its_keywords(kind: Kind, name: str) -> None:
    from models.base import optimisation

    loaded = vars(optimisation)[catalog.TABLES[kind]][name]
    card = catalog.function(kind, name)
    hints = typing.get_type_hints(loaded)
    keywords = [p for p in inspect.signature(loaded).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert {key: (option.default, set(option.kinds)) for key, option in card.options.items()} == {
        p.name: (p.default, {hints[p.name].__name__}) for p in keywords
    }
    assert card.version == 1 + optimisation.CHANGES.get(name, 0)


def test_a_function_outside_of_the_table_has_no_name() -> None:
    for name in ("hidden_states", "_rise", "torch.optim:SGD", ""):
        with pytest.raises(CatalogError, match="unknown schedule: "):
            catalog.function("schedule", name)


# -- modules that have moved -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from tasks._objectives import SquaredError, Recall as R", "from tasks.base import SquaredError, Recall as R"),
        ("from tasks import _synthetic, base", "import tasks.base as _synthetic"),
        ("import tasks._metrics as metrics", "import tasks.base as metrics"),
        ("from models._recurrent import Stack", "from models.parts.recurrent import Stack"),
    ],
)
def test_an_import_of_a_module_that_has_moved_is_shown_as_it_reads_now(folder: Path, old: str, new: str) -> None:
    written(folder, "mine", f"import math\n\ndef late():\n    {old}\n\nclass Mine:\n    version = 1\n")
    with pytest.raises(CatalogError) as refused:
        catalog.card("task", "mine:Mine")
    assert str(refused.value) == (
        f"{folder / 'mine.py'} imports from modules that have moved:\n  line 4: `{old}` is now `{new}`"
    )


def test_names_of_modules_that_have_moved_are_found_where_the_message_says() -> None:
    for old, new in catalog.MOVED.items():
        assert importlib.util.find_spec(old) is None, f"{old} is there"
        assert importlib.util.find_spec(new) is not None, f"{new} is not there"
    base = importlib.import_module("tasks.base")
    offered = {"SquaredError", "RelativeSquaredError", "Recall", "log_odds", "SyntheticTask", "choose", "RatioMetric"}
    assert offered | {"ratio_of_sums", "per_sequence"} <= set(base.__all__)


def test_a_folder_without_init_that_is_found_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an editable install finds packages: after every folder of the path, `models/` of one's own among them."""
    spec = importlib.machinery.ModuleSpec("models", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "models")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(CatalogError, match=r"models stands in for the package 'models' of this suite .* Rename it"):
        catalog.card("model", "gru")


def test_an_import_path_without_a_class() -> None:
    with pytest.raises(
        catalog.CatalogError, match=r"'mine\.tasks' names no class: an import path is .*, mine\.tasks:MyClass"
    ):
        catalog.card("task", "mine.tasks")
