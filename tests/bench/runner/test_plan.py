"""From a sweep to recipes that name functions."""

from __future__ import annotations

from typing import Any

import pytest

from bench import catalog
from bench.catalog import Card, Kind
from bench.records.recipe import Recipe
from bench.records.sweep import Sweep
from bench.runner.plan import plan


def the_recipe(**fields: Any) -> Recipe:
    (planned,) = plan(Sweep(tasks="adding", models="rnn", lengths="10", budget="smoke", **fields))  # type: ignore[arg-type]
    return planned.cell.recipe


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({"optimiser": "adam"}, {}),
        ({"optimiser": "adam:beta1=0.9:epsilon=1e-8"}, {}),
        ({"optimiser": "adamw:weight_decay=.10:beta1=0.8"}, {"optimiser": "adamw:beta1=0.8:weight_decay=0.1"}),
        ({"optimiser": "sgd:nesterov=true:momentum=0.9"}, {"optimiser": "sgd:momentum=0.9:nesterov=true"}),
        ({"schedule": "trapezoid:decay=0.5"}, {}),
        ({"schedule": "cosine:warm_up=0"}, {"schedule": "cosine"}),
        ({"penalty": "none"}, {}),
        ({"penalty": "pascanu:weight=1"}, {"penalty": "pascanu"}),
        ({"train_lengths": "fixed", "stop": "solved", "sequences": None}, {}),
    ],
    ids=str,
)
def test_a_recipe_has_one_text(fields: dict[str, str], written: dict[str, str]) -> None:
    assert the_recipe(**fields).model_dump() == the_recipe().model_dump() | written


def test_a_change_of_a_functions_numbers_makes_other_recipes_of_those_that_name_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = {"default": the_recipe(), "cosine": the_recipe(schedule="cosine")}
    found = catalog.function
    versions = {"cosine": 3, "pascanu": 2}

    def changed(kind: Kind, name: str) -> Card:
        card = found(kind, name)
        return Card(**(vars(card) | {"version": versions.get(name, card.version)}))

    monkeypatch.setattr(catalog, "function", changed)
    assert the_recipe() == usual["default"]
    assert the_recipe(schedule="cosine") == usual["cosine"].model_copy(update={"version": 3})
    assert the_recipe(schedule="cosine", penalty="pascanu").version == 4
    assert the_recipe(penalty="pascanu").version == 2
