from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.records.cell import Cell, Entry, Recipe, Versions, canonical_json
from bench.records.sweep import BUDGETS, Sweep
from tests.support.factories import SHAKESPEARE, a_cell, a_recipe

# -- Entry -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("lstm", "lstm", ()),
        (" lstm ", "lstm", ()),
        ("lstm:layers=2", "lstm", (("layers", "2"),)),
        ("rnn:b=x:a=y", "rnn", (("b", "x"), ("a", "y"))),
        ("mine.module:Model", "mine.module:Model", ()),
        ("mine.module:Model:width=3", "mine.module:Model", (("width", "3"),)),
        ("clock:periods=1+2+4", "clock", (("periods", "1+2+4"),)),
        ("char_lm:corpus=a=b.txt", "char_lm", (("corpus", "a=b.txt"),)),
    ],
)
def test_an_entry_is_read(text: str, name: str, options: Any) -> None:
    entry = Entry.parse(text)
    assert (entry.name, entry.options) == (name, options)


@pytest.mark.parametrize("text", ["", "  ", ":", "::", ":x=1", "lstm:a:b", "lstm:layers=2:deep", "m:=2"])
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write name"):
        Entry.parse(text)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "rnn"),
        ((("b", 1), ("a", 2)), "rnn:a=2:b=1"),
        ((("flag", True), ("off", False)), "rnn:flag=true:off=false"),
        ((("periods", (1, 2, 4)),), "rnn:periods=1+2+4"),
        ((("nothing", None),), "rnn:nothing=none"),
        ((("rate", 0.5),), "rnn:rate=0.5"),
    ],
)
def test_the_text_of_an_entry_sorts_its_options(options: Any, text: str) -> None:
    assert Entry("rnn", options).text == str(Entry("rnn", options)) == text


WORDS = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
VALUES = st.from_regex(r"[a-z0-9+./-]{1,8}", fullmatch=True)


@given(name=WORDS, options=st.dictionaries(WORDS, VALUES))
def test_reading_what_is_written_gives_the_same_entry(name: str, options: dict[str, str]) -> None:
    entry = Entry(name, tuple(sorted(options.items())))
    assert Entry.parse(entry.text) == entry


# -- Sweep: conversions and refusals -----------------------------------------------------------------------------------


def a_sweep(**values: Any) -> Sweep:
    return Sweep(**values)


def test_the_default_sweep_is_five_tasks_five_models_three_lengths() -> None:
    sweep = a_sweep()
    assert [str(entry) for entry in sweep.tasks] == ["copying", "adding", "running_average", "char_lm", "ner"]
    assert [str(entry) for entry in sweep.models] == ["rnn", "gru", "lstm", "attention", "transformer"]
    assert sweep.lengths == (10, 100, 1000)
    assert sweep.resolved_seeds == (0,)
    assert sweep.resolved_rates(0.25) == (0.25,)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("lengths", "10,100", (10, 100)),
        ("lengths", " 10 , 100 ,", (10, 100)),
        ("lengths", 10, (10,)),
        ("lengths", [10, 100], (10, 100)),
        ("lengths", [10.0], (10,)),
        ("lengths", "10,10", (10,)),
        ("seeds", "2,0,1", (2, 0, 1)),
        ("learning_rates", "3e-3,1e-2", (0.003, 0.01)),
        ("learning_rates", 1, (1.0,)),
        ("tasks", "copying,adding:marks=anywhere", (Entry("copying"), Entry("adding", (("marks", "anywhere"),)))),
        ("models", ["lstm:layers=2"], (Entry("lstm", (("layers", "2"),)),)),
        ("models", [{"name": "lstm", "layers": 2}], (Entry("lstm", (("layers", 2),)),)),
        ("models", [{"name": "clock", "periods": [1, 2]}], (Entry("clock", (("periods", (1, 2)),)),)),
        ("tasks", [{"name": "char_lm", "corpus": "a:b,c.txt"}], (Entry("char_lm", (("corpus", "a:b,c.txt"),)),)),
        ("models", "rnn,rnn", (Entry("rnn"),)),
    ],
)
def test_fields_are_converted(field: str, value: Any, expected: Any) -> None:
    assert getattr(a_sweep(**{field: value}), field) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lengths": ""}, "empty list"),
        ({"lengths": []}, "empty list"),
        ({"seeds": ","}, "empty list"),
        ({"tasks": ""}, "empty list"),
        ({"models": []}, "empty list"),
        ({"learning_rates": ""}, "empty list"),
        ({"lengths": "ten"}, "expected whole numbers separated by commas, got 'ten'"),
        ({"lengths": "10.5"}, "expected whole numbers"),
        ({"lengths": [10.5]}, "expected whole numbers"),
        ({"lengths": [float("inf")]}, "expected whole numbers"),
        ({"lengths": [True]}, "expected whole numbers"),
        ({"lengths": None}, "expected whole numbers"),
        ({"lengths": "0"}, "greater than or equal to 1"),
        ({"lengths": "-5"}, "greater than or equal to 1"),
        ({"seeds": "-1"}, "greater than or equal to 0"),
        ({"learning_rates": "0"}, "greater than 0"),
        ({"learning_rates": "nan"}, "greater than 0|finite"),
        ({"learning_rates": "inf"}, "finite"),
        ({"learning_rates": "fast"}, "expected numbers"),
        ({"steps": -1}, "greater than or equal to 0"),
        ({"steps": "20"}, "valid integer"),
        ({"steps": True}, "valid integer"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"hidden": 0}, "greater than or equal to 1"),
        ({"parameters": 0}, "greater than or equal to 1"),
        ({"clip": 0.0}, "expected a number above 0"),
        ({"held_out": 100}, "expected one of 64, 128, 256, 512, 1024, got 100"),
        ({"budget": "quik"}, "'smoke', 'quick', 'study' or 'full'"),
        ({"hidden": 8, "parameters": 100}, "exclude each other"),
        ({"tasks": [3]}, "expected an entry as text"),
        ({"tasks": [{"corpus": "x"}]}, "expected an entry as text"),
        ({"models": [{"name": "lstm", "layers": {"a": 1}}]}, "option 'layers' expects"),
        ({"models": [{"name": "lstm", "layers": [[1]]}]}, "option 'layers' expects"),
        ({"modles": "rnn"}, "Extra inputs are not permitted"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        a_sweep(**values)


def test_a_sweep_and_its_parts_cannot_be_changed() -> None:
    for record, field in ((a_sweep(), "steps"), (a_cell(), "seed"), (a_recipe(), "steps")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(record, field, 3)


# -- Recipe ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "length", "expected"),
    [
        ("smoke", 10, (20, 8, 10)),
        ("smoke", 5000, (20, 8, 10)),
        ("quick", 1, (1000, 32, 50)),
        ("quick", 10, (1000, 32, 50)),
        ("quick", 11, (600, 32, 50)),
        ("quick", 100, (600, 32, 50)),
        ("quick", 101, (300, 8, 100)),
        ("quick", 1000, (300, 8, 100)),
        ("quick", 5000, (300, 8, 100)),
        ("full", 100, (10_000, 32, 100)),
        ("full", 1000, (10_000, 32, 250)),
    ],
)
def test_tiers_by_length(budget: str, length: int, expected: tuple[int, int, int]) -> None:
    recipe = a_sweep(budget=budget).recipe(length, None, 0.01)
    assert (recipe.steps, recipe.batch_size, recipe.evaluate_every) == expected


@pytest.mark.parametrize(
    ("asked", "length", "written"),
    [
        (None, 2999, None),
        (None, 3000, 256),
        (None, 100_000, 256),
        (1024, 100_000, None),
        (128, 10, 128),
        (128, 4000, 128),
    ],
)
def test_held_out_sets_shrink_where_sequences_are_long(asked: int | None, length: int, written: int | None) -> None:
    recipe = a_sweep(held_out=asked).recipe(length, None, 0.01)
    assert recipe.held_out == written
    assert ("held_out" in recipe.model_dump()) == (written is not None), "the usual size is not written"
    assert a_sweep(held_out=asked).recipe(length, 3200, 0.01).held_out is None, "texts are not drawn"


@pytest.mark.parametrize("budget", sorted(BUDGETS))
def test_equal_text_per_step_at_every_length(budget: str) -> None:
    recipes = {length: a_sweep(budget=budget).recipe(length, 3200, 0.01) for length in (4, 10, 32, 100, 1000, 5000)}
    assert len({(recipe.steps, recipe.evaluate_every) for recipe in recipes.values()}) == 1
    for length, recipe in recipes.items():
        assert recipe.batch_size == max(1, round(3200 / length))
        assert length > 1000 or abs(recipe.batch_size * length - 3200) <= length / 2
    assert recipes[100].batch_size == 32
    assert recipes[5000].batch_size == 1


def test_what_is_given_overrides_the_budget() -> None:
    recipe = a_sweep(steps=7, batch_size=3, parameters=500, clip=None).recipe(10, None, 0.5)
    assert (recipe.steps, recipe.batch_size, recipe.evaluate_every) == (7, 3, 7)
    assert (recipe.parameters, recipe.hidden, recipe.clip, recipe.learning_rate) == (500, None, None, 0.5)
    assert a_sweep(batch_size=3).recipe(10, 3200, 0.5).batch_size == 3
    by_width = a_sweep(hidden=64).recipe(10, None, 0.5)
    assert (by_width.parameters, by_width.hidden) == (None, 64)
    assert a_sweep().recipe(10, None, 0.5).parameters == 16_000


def test_no_steps_is_a_recipe_too() -> None:
    recipe = a_sweep(steps=0).recipe(10, None, 0.5)
    assert (recipe.steps, recipe.evaluate_every) == (0, 1)


def test_seeds_and_rates_of_the_budgets() -> None:
    assert a_sweep(budget="full").resolved_seeds == (0, 1, 2, 3, 4)
    assert a_sweep(budget="full").resolved_rates(0.5) == (3e-4, 1e-3, 3e-3, 1e-2)
    assert a_sweep(budget="full", seeds="7", learning_rates="0.1").resolved_seeds == (7,)
    assert a_sweep(budget="full", seeds="7", learning_rates="0.1").resolved_rates(0.5) == (0.1,)
    assert a_sweep(seeds=[0]).resolved_seeds == (0,)


def test_the_hash_of_a_sweep_tells_sweeps_apart() -> None:
    assert a_sweep(lengths="10").hash == a_sweep(lengths=[10]).hash
    assert a_sweep(models="rnn:b=1:a=2").hash == a_sweep(models="rnn:a=2:b=1").hash
    others = [a_sweep(**values) for values in ({}, {"steps": 5}, {"seeds": "0"}, {"clip": None}, {"models": "rnn"})]
    assert len({sweep.hash for sweep in others}) == len(others)


# -- Cell: identity ----------------------------------------------------------------------------------------------------

# Written down once. A key that changes here orphans every stored result: bump a version instead.
KEYS: list[tuple[Cell, str]] = [
    (a_cell(), "09978a62556bd5e0"),
    (a_cell(recipe=a_recipe(parameters=None, hidden=64, clip=None)), "243ed35fab7b87d1"),
    (a_cell(task="char_lm", model="rnn:activation=relu", data=SHAKESPEARE, seed=3, length=1000), "46446deac5b4d4f2"),
    (a_cell(task="char_lm:corpus=é"), "419395a1d10dc375"),
]


@pytest.mark.parametrize(("cell", "key"), KEYS)
def test_keys_are_what_they_always_were(cell: Cell, key: str) -> None:
    assert cell.key == key


def test_a_cut_gradient_is_in_the_recipe_and_a_whole_one_nowhere() -> None:
    whole, cut = a_recipe(), a_recipe(bptt=50)
    assert "bptt" not in whole.model_dump()
    assert "bptt" not in whole.model_dump_json()
    assert cut.model_dump()["bptt"] == 50
    for recipe in (whole, cut):
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert a_cell(recipe=cut).key != a_cell(recipe=a_recipe(bptt=51)).key != a_cell().key
    assert a_sweep(bptt=50).recipe(10, None, 0.1).bptt == 50
    assert "bptt" not in a_sweep().described()
    assert a_sweep(bptt=50).hash != a_sweep().hash


def test_the_canonical_text_of_a_cell() -> None:
    assert canonical_json(a_cell(data=SHAKESPEARE).model_dump()) == (
        '{"data":{"name":"shakespeare","sha256":"' + "ab" * 32 + '"},"length":10,"model":"lstm",'
        '"recipe":{"batch_size":4,"clip":1.0,"evaluate_every":10,"hidden":null,"learning_rate":0.01,'
        '"parameters":16000,"probes":6,"steps":20,"version":1},"seed":0,"task":"adding",'
        '"versions":{"model":1,"task":1}}'
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "copying"},
        {"task": "adding:marks=anywhere"},
        {"model": "gru"},
        {"model": "lstm:layers=2"},
        {"length": 11},
        {"seed": 1},
        {"data": SHAKESPEARE},
        {"versions": Versions(task=2, model=1)},
        {"versions": Versions(task=1, model=2)},
        *(
            {"recipe": a_recipe(**change)}
            for change in (
                {"steps": 21},
                {"batch_size": 5},
                {"learning_rate": 0.011},
                {"clip": None},
                {"parameters": 16_001},
                {"hidden": 3},
                {"evaluate_every": 11},
                {"probes": 4},
                {"version": 2},
            )
        ),
    ],
)
def test_every_field_is_part_of_the_key(changes: dict[str, Any]) -> None:
    cell = a_cell()
    before = cell.key
    assert a_cell(**changes).key != before
    assert cell.model_copy(update=changes).key != before, "a copy must not keep the original's key"
    assert len(before) == 16
    assert int(before, 16) >= 0


def test_the_list_above_leaves_no_field_out() -> None:
    assert set(a_cell().model_dump()) == {"task", "model", "length", "seed", "recipe", "versions", "data"}
    assert set(a_recipe().model_dump()) == {
        "steps", "batch_size", "learning_rate", "clip", "parameters", "hidden", "evaluate_every", "probes", "version",
    }  # fmt: skip


def test_the_data_of_a_cell_count_by_content_whatever_their_name() -> None:
    altered = SHAKESPEARE.model_copy(update={"sha256": "cd" * 32})
    renamed = SHAKESPEARE.model_copy(update={"name": "elsewhere.txt"})
    assert a_cell(data=SHAKESPEARE).key != a_cell(data=altered).key
    assert a_cell(data=SHAKESPEARE).key == a_cell(data=renamed).key


def test_canonical_json_refuses_what_json_has_no_number_for() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"x": float("nan")})
