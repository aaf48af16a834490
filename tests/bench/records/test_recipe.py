"""The recipe: every view of its fields follows from the fields, and what is not asked for is not written."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from pydantic import ValidationError

from bench import run
from bench.cli.flags import helps
from bench.cli.settings import as_toml, configured
from bench.mirror import mirrored
from bench.records.recipe import FIELDS, ByValue, Recipe, Training, as_clip, as_text, label
from bench.records.row import COLUMNS, RECIPE, row
from bench.records.sweep import Sweep
from reports.page import cells as page_cells
from reports.page.origins import command
from reports.summary.grouping import identity
from tests.support.factories import a_cell, a_recipe, a_result

OLDER = (
    "steps", "batch_size", "learning_rate", "clip", "parameters", "hidden", "evaluate_every", "probes", "version",
)  # fmt: skip
# A value of every field that is not the factory's, and what the command line says for it.
OTHERS: dict[str, tuple[Any, str]] = {
    "steps": (21, "21"),
    "batch_size": (5, "5"),
    "learning_rate": (0.011, "0.011"),
    "clip": (ByValue(value=0.5), "value:0.5"),
    "parameters": (16_001, "16001"),
    "hidden": (3, "3"),
    "evaluate_every": (11, "11"),
    "probes": (4, "4"),
    "version": (2, "2"),
    "bptt": (50, "50"),
    "optimiser": ("adamw:weight_decay=0.1", "adamw:weight_decay=0.1"),
    "schedule": ("cosine:warm_up=0.05", "cosine:warm_up=0.05"),
    "penalty": ("pascanu:weight=2.0", "pascanu:weight=2.0"),
    "train_lengths": ("uniform", "uniform"),
    "stop": ("never", "never"),
    "sequences": (1000, "1000"),
    "held_out": (256, "256"),
}
EVERY = pytest.mark.parametrize("name", Recipe.model_fields)
ADDED = pytest.mark.parametrize("name", Training.model_fields)
ASKED = pytest.mark.parametrize("name", [name for name in Recipe.model_fields if name in Sweep.model_fields])


def test_every_field_has_another_value_here() -> None:
    assert OTHERS.keys() == Recipe.model_fields.keys() == set(FIELDS)
    assert Training.model_fields.keys() == Recipe.model_fields.keys() - set(OLDER)


# -- every view follows from the fields --------------------------------------------------------------------------------


def test_a_field_with_a_help_is_a_flag_and_no_other_is() -> None:
    with_help = {name for name, field in Recipe.model_fields.items() if field.description}
    assert with_help == Recipe.model_fields.keys() & Sweep.model_fields.keys()
    assert with_help <= helps().keys()


@ASKED
def test_a_flag_and_a_key_of_a_configuration(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    value, text = OTHERS[name]
    flag = f"--{name.replace('_', '-')}"
    assert run.main(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"{flag} " in shown
    assert " ".join((Recipe.model_fields[name].description or "nothing").split()) in shown
    assert run.main([flag, text, "--print-config"]) == 0
    out = capsys.readouterr().out
    assert f"\n{name} = " in out
    sweep = asked(name)
    assert as_toml(sweep, configured({})[1]) == out
    assert getattr(sweep.recipe(10, None, 0.1), name) == value


def asked(name: str) -> Sweep:
    return configured({name: OTHERS[name][0]})[0]


@ASKED
def test_the_command_that_asks_for_a_sweep_again(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = asked(name)
    line = command(json.loads(json.dumps(sweep.described())))
    assert f"--{name.replace('_', '-')} {OTHERS[name][1]}" in line
    assert run.main([*shlex.split(line)[3:], "--print-config"]) == 0
    assert capsys.readouterr().out == as_toml(sweep, configured({})[1])


@EVERY
def test_a_column(name: str) -> None:
    value, text = OTHERS[name]
    values = row(a_result(a_cell(recipe=a_recipe(**{name: value}))))
    assert tuple(values) == COLUMNS
    assert values[RECIPE[name]] == (text if isinstance(value, ByValue) else value)
    usual = row(a_result(a_cell(recipe=a_recipe())))
    assert usual[RECIPE[name]] == a_recipe().values[name]


@EVERY
def test_a_setting_at_wandb(name: str) -> None:
    value, text = OTHERS[name]
    config = mirrored.config(a_cell(recipe=a_recipe(**{name: value})), "feed", 1)
    assert config["recipe_version" if name == "version" else name] == (text if name == "clip" else value)


@EVERY
def test_a_setting_on_the_page(name: str) -> None:
    """What differs between two cells is what the page compares."""
    value, text = OTHERS[name]
    one, other = (a_result(a_cell(recipe=recipe)) for recipe in (a_recipe(), a_recipe(**{name: value})))
    both = zip(page_cells.SETTINGS, page_cells.settings(one), page_cells.settings(other), strict=True)
    differing = {setting: theirs for setting, ours, theirs in both if ours != theirs}
    assert differing == {label(name): text if name == "clip" else value}
    json.dumps(differing, allow_nan=False)


@EVERY
def test_groups_never_mix_it(name: str) -> None:
    one, other = (a_result(a_cell(recipe=recipe)) for recipe in (a_recipe(), a_recipe(**{name: OTHERS[name][0]})))
    assert (identity(one) == identity(other)) == (name == "learning_rate"), "only the rate is chosen within a group"
    assert len({identity(one), identity(other)}) == (1 if name == "learning_rate" else 2)


# -- identity ----------------------------------------------------------------------------------------------------------


@EVERY
def test_another_value_is_another_cell_and_reads_back(name: str) -> None:
    recipe = a_recipe(**{name: OTHERS[name][0]})
    assert a_cell(recipe=recipe).key != a_cell().key
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert name in recipe.model_dump()


@ADDED
def test_a_later_field_is_not_written_at_its_default(name: str) -> None:
    default = Recipe.model_fields[name].default
    recipe = a_recipe(**{name: default})
    assert tuple(sorted(recipe.model_dump())) == tuple(sorted(OLDER))
    assert sorted(json.loads(recipe.model_dump_json())) == sorted(OLDER)
    assert name not in Sweep().described()
    assert a_cell(recipe=recipe).key == a_cell().key
    assert asked(name).hash != Sweep().hash


def test_the_key_of_a_default_sweep_is_what_it_always_was() -> None:
    assert Sweep().hash == "cb027295181d44f1"


def test_code_is_part_of_a_cell_and_not_written_while_unknown() -> None:
    assert "code" not in a_cell().model_dump()
    known = a_cell(code="ab" * 32)
    assert known.model_dump()["code"] == "ab" * 32
    assert known.key != a_cell().key
    assert type(known).model_validate_json(known.model_dump_json()) == known


# -- clip --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "clip"),
    [
        ("1.0", 1.0), ("1", 1.0), ("norm:1", 1.0), (1, 1.0), (0.25, 0.25), ("none", None), (None, None),
        ("value:0.5", ByValue(value=0.5)), ({"value": 0.5}, ByValue(value=0.5)),
        (ByValue(value=2.0), ByValue(value=2.0)),
    ],
)  # fmt: skip
def test_what_a_clip_may_be(given: Any, clip: Any) -> None:
    assert as_clip(given) == clip
    assert as_clip(as_text(clip)) == clip
    assert Sweep(clip=given).clip == clip


def test_a_norm_is_one_cell_however_it_is_written() -> None:
    cells = [Sweep(clip=given).recipe(10, None, 0.1) for given in ("1.0", "norm:1", 1, 1.0)]  # type: ignore[arg-type]
    assert len({recipe.model_dump_json() for recipe in cells}) == 1
    assert cells[0].model_dump()["clip"] == 1.0
    assert a_recipe(clip=ByValue(value=0.5)).model_dump()["clip"] == {"value": 0.5}


@pytest.mark.parametrize("given", ["tight", "0", "-1", "nan", "inf", "max:1", "value:", "value:0", True, {"a": 1}, [1]])
def test_what_no_clip_is(given: Any) -> None:
    with pytest.raises(ValidationError, match="expected a number above 0"):
        Sweep(clip=given)


# -- what excludes what ------------------------------------------------------------------------------------------------


def test_a_penalty_needs_the_whole_gradient() -> None:
    with pytest.raises(ValidationError, match="--penalty and --bptt exclude each other"):
        Sweep(penalty="pascanu", bptt=5)


def test_entries_are_sorted_and_checked() -> None:
    assert Sweep(optimiser="sgd:nesterov=true:momentum=0.9").optimiser == "sgd:momentum=0.9:nesterov=true"
    assert Sweep(penalty="none").penalty is None
    with pytest.raises(ValidationError, match="cannot read option 'b'"):
        Sweep(optimiser="sgd:a=1:b")
