from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.records.asked import Asked, AskedCell, UnreadableError, possible_keys, unanswered, without_data
from bench.records.cell import canonical_json
from bench.records.sweep import Sweep
from tests.support.factories import SHAKESPEARE, a_cell, an_asked

PLAIN, TEXT = a_cell(), a_cell(task="char_lm", data=SHAKESPEARE)
GOLDEN = Path(__file__).parents[2] / "golden"


def through_a_file(asked: Asked) -> Asked:
    return Asked.read(json.loads(canonical_json(asked.written())))


# -- three states ------------------------------------------------------------------------------------------------------


def test_the_three_states_of_a_cells_data_come_back_from_a_file() -> None:
    asked = an_asked(PLAIN, TEXT, unknown=[without_data(TEXT)])
    none, found, absent = asked.written()["cells"]
    assert none["data"] is None
    assert found["data"] == SHAKESPEARE.model_dump()
    assert "data" not in absent
    assert through_a_file(asked) == asked
    assert [item.known for item in through_a_file(asked).cells] == [True, True, False]


@pytest.mark.parametrize(
    ("item", "answered"),
    [
        (AskedCell(PLAIN), [PLAIN]),
        (AskedCell(TEXT), [TEXT]),
        (AskedCell(without_data(TEXT), known=False), [TEXT, without_data(TEXT)]),
    ],
)
def test_which_results_answer_a_cell(item: AskedCell, answered: list[Any]) -> None:
    other = TEXT.model_copy(update={"data": SHAKESPEARE.model_copy(update={"sha256": "cd" * 32})})
    stored = [PLAIN, TEXT, without_data(TEXT), a_cell(seed=5)]
    assert [cell for cell in stored if item.key in possible_keys(cell)] == answered
    assert (item.key in possible_keys(other)) is not item.known


# -- files -------------------------------------------------------------------------------------------------------------


def test_the_hash_is_that_of_the_sweep_before_and_after_a_file() -> None:
    sweep = Sweep(tasks="adding", models="lstm", lengths="10", learning_rates="1e-3,1", clip=1)  # type: ignore[arg-type]
    asked = Asked.of(sweep, [])
    assert asked.hash == through_a_file(asked).hash == sweep.hash


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("schema-*/results/sweeps/*.json")), ids=str)
def test_golden_sweeps_are_read_and_written_the_same(path: Path) -> None:
    content = json.loads(path.read_bytes())
    del content["checksum"]
    asked = Asked.read(content)
    assert asked.written() == content
    assert (asked.hash, len(asked.cells)) == (path.stem, 4)


WRITTEN = an_asked(PLAIN).written()


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        [],
        {},
        {"sweep": WRITTEN["sweep"]},
        {"cells": WRITTEN["cells"]},
        WRITTEN | {"sweep": {name: value for name, value in WRITTEN["sweep"].items() if name != "budget"}},
        WRITTEN | {"sweep": WRITTEN["sweep"] | {"models": "lstm"}},
        WRITTEN | {"sweep": WRITTEN["sweep"] | {"lengths": ["10"]}},
        WRITTEN | {"cells": {"a": 1}},
        WRITTEN | {"cells": [None]},
        WRITTEN | {"cells": [["data"]]},
        WRITTEN | {"cells": [{**WRITTEN["cells"][0], "length": "10"}]},
        WRITTEN | {"cells": [{**WRITTEN["cells"][0], "seed": float("nan")}]},
    ],
)
def test_what_is_no_sweep_of_this_version_is_refused(content: Any) -> None:
    with pytest.raises(UnreadableError):
        Asked.read(content)


# -- joining -----------------------------------------------------------------------------------------------------------


def test_a_cell_whose_corpus_only_one_store_found_is_joined_with_its_corpus() -> None:
    known, unknown = an_asked(PLAIN, TEXT), an_asked(PLAIN, unknown=[without_data(TEXT)])
    assert known.joined(unknown) == unknown.joined(known) == known
    assert unknown.joined(unknown) == unknown


def test_two_corpora_of_one_cell_are_two_cells() -> None:
    other = TEXT.model_copy(update={"data": SHAKESPEARE.model_copy(update={"sha256": "cd" * 32})})
    assert [item.cell for item in an_asked(TEXT).joined(an_asked(other)).cells] == [TEXT, other]


def test_a_rate_that_one_store_stopped_is_stopped_in_both() -> None:
    whole = an_asked(TEXT)
    stopped = replace(whole, cells=(AskedCell(TEXT, stopped=150),))
    assert whole.joined(stopped) == stopped.joined(whole) == stopped
    assert Asked.read(stopped.written()) == stopped
    assert unanswered(stopped.cells, []) == []
    assert unanswered(whole.cells, []) == list(whole.cells)


@pytest.mark.parametrize("step", [0, -5, True, "150", 1.5])
def test_a_step_that_is_none_is_refused(step: object) -> None:
    written = an_asked(TEXT).written()
    written["cells"][0]["stopped"] = step
    with pytest.raises(UnreadableError):
        Asked.read(written)
