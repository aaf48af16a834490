"""What is asked of stored models."""

from __future__ import annotations

import pytest

from bench.cli.settings import checked
from bench.records.asking import Asking
from bench.records.errors import UsageError
from tests.support.factories import a_cell, a_result


def test_lengths_are_read_once_each() -> None:
    assert Asking(lengths="10,30,10").lengths == (10, 30)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"lengths": ""}, "--lengths: expected at least one, got an empty list"),
        ({"lengths": "ten"}, "--lengths: expected whole numbers separated by commas, got 'ten'"),
        ({"lengths": "0"}, "--lengths: input should be greater than or equal to 1, got 0"),
        ({"lengths": "10", "trained": "-1"}, "--trained: input should be greater than or equal to 1, got -1"),
        ({"lengths": "10", "models": "lstm:layers=1:x"}, "--models: cannot read option 'x' in 'lstm:layers=1:x'"),
    ],
)
def test_bad_input_is_one_message(values: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        checked(Asking, values)
    assert said in str(refused.value)


def test_a_name_stands_for_its_plain_entry_or_else_for_all_of_it() -> None:
    results = [a_result(a_cell(model=model)) for model in ("rnn", "rnn:leak=0.5", "gru:layers=2", "gru:layers=3")]

    def selected(models: str) -> list[str]:
        return [result.cell.model for result in Asking(lengths="10", models=models).selected(results)]  # type: ignore[arg-type]

    assert selected("") == ["rnn", "rnn:leak=0.5", "gru:layers=2", "gru:layers=3"]
    assert selected("rnn") == ["rnn"]
    assert selected("gru") == ["gru:layers=2", "gru:layers=3"]
    assert selected("rnn:leak=0.5,gru:layers=3") == ["rnn:leak=0.5", "gru:layers=3"]
    assert selected("lstm") == []
