"""Published tables as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.records import paper
from bench.records.paper import Claim, PaperError
from bench.records.recipe import ByValue
from bench.records.sweep import Sweep

HEAD = 'title = "A table"\nsource = "Somebody 1997, table 7"\n'
SWEEP = """
[[sweeps]]
tasks = ["adding:marks=early"]
models = "lstm,rnn"
lengths = [100, 500]
batch-size = 1
clip = "value:0.5"
"""
CLAIM = """
[[claims]]
task = "adding:marks=early"
model = "lstm"
length = 100
quantity = "solved_at_step"
value = 74000
spread = 1000.5
where = "table 7, first row"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "paper.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_paper_is_read(tmp_path: Path) -> None:
    found = paper.read(written(tmp_path, f'{HEAD}departures = ["one rate", "one batch"]\n{SWEEP}{CLAIM}'))
    assert (found.title, found.source) == ("A table", "Somebody 1997, table 7")
    assert found.departures == ("one rate", "one batch")
    (sweep,) = found.sweeps
    assert isinstance(sweep, Sweep)
    assert (sweep.batch_size, sweep.clip, sweep.lengths) == (1, ByValue(value=0.5), (100, 500))
    assert found.claims == (
        Claim(
            task="adding:marks=early",
            model="lstm",
            length=100,
            quantity="solved_at_step",
            value=74_000.0,
            spread=1000.5,
            where="table 7, first row",
        ),
    )


def test_a_study_is_a_paper_without_claims(tmp_path: Path) -> None:
    found = paper.read(written(tmp_path, HEAD + SWEEP + SWEEP.replace("rnn", "gru")))
    assert (len(found.sweeps), found.claims, found.departures) == (2, (), ())


def test_an_interval_need_not_be_published(tmp_path: Path) -> None:
    found = paper.read(written(tmp_path, HEAD + SWEEP + CLAIM.replace("spread = 1000.5\n", "")))
    assert found.claims[0].spread is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tilte = 1", "unknown key 'tilte'. Did you mean 'title'?"),
        (HEAD, "sweeps: "),
        (HEAD + "sweeps = 3", "sweeps expects tables, each under [[sweeps]], got 3"),
        (HEAD + SWEEP.replace("lengths", "lenghts"), "[[sweeps]] 1: unknown key 'lenghts'. Did you mean 'lengths'?"),
        (HEAD + SWEEP.replace("value:0.5", "tight"), "[[sweeps]] 1: clip: expected a number above 0"),
        (HEAD + SWEEP + CLAIM.replace("value =", "vale ="), "[[claims]] 1: unknown key 'vale'. Did you mean 'value'?"),
        (HEAD + SWEEP + CLAIM.replace("where", "# where"), "[[claims]] 1: where: field required"),
        (HEAD + SWEEP + CLAIM.replace("74000", "inf"), "[[claims]] 1: value: input should be a finite number, got inf"),
        (HEAD + SWEEP + CLAIM.replace('"lstm"', '"gru"'), "claim 1 names no cell of a sweep: adding:marks=early / gru"),
        (HEAD + SWEEP + CLAIM.replace("length = 100", "length = 10"), "claim 1 names no cell of a sweep: "),
        (HEAD + SWEEP + CLAIM + CLAIM.replace(":marks=early", ""), "claim 2 names no cell of a sweep: adding / lstm"),
        (HEAD + "departures = [3]\n" + SWEEP, "departures.0: input should be a valid string, got 3"),
        (HEAD + "pairs = 3\n" + SWEEP, "pairs: input should be a valid tuple, got 3"),
        (HEAD + 'pairs = [["lstm"]]\n' + SWEEP, "pairs.0.1: field required"),
        (HEAD + 'pairs = [["lstm", "gur"]]\n' + SWEEP, "pairs: gur is no model of a sweep. The sweeps have lstm"),
        (HEAD + 'pairs = [["lstm", "lstm"]]\n' + SWEEP, "pairs: expected two models, got lstm twice"),
        (
            HEAD + 'pairs = [["lstm", "gru"], ["gru", "lstm"]]\n' + SWEEP.replace("lstm,rnn", "lstm,gru"),
            "pairs: gru and lstm are named twice. Name each pair once",
        ),
        ("title = [", "is not valid TOML: "),
        ("title = " + "[" * 5000, "is nested too deeply: expected keys with plain values"),
        (f"title = {'9' * 5000}", "is not valid TOML: "),
        ("#" * 2**21, "holds more than 1,048,576 bytes"),
        (HEAD + SWEEP + CLAIM + "recipe = {hiden = 3}\n", "[[claims]] 1: recipe: unknown field 'hiden'. Did you mean"),
        (HEAD + SWEEP + CLAIM + "recipe = {learning-rate = 1}\n", "recipe: unknown field 'learning_rate'. "),
        (
            HEAD + SWEEP + CLAIM + "tested = 0\n",
            "[[claims]] 1: tested: input should be greater than or equal to 1, got",
        ),
        (
            HEAD + SWEEP + CLAIM + 'compared = "size"\n',
            "[[claims]] 1: compared: input should be 'value' or 'order', got",
        ),
        (
            HEAD + SWEEP + CLAIM.replace("100", "101"),
            "claim 1 names no cell of a sweep: adding:marks=early / lstm / T101",
        ),
    ],
)
def test_what_does_not_fit_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(PaperError) as caught:
        paper.read(path)
    assert message in str(caught.value)
    assert "Sweep(" not in str(caught.value), "a message names what is wrong, not all that stands there"
    assert str(caught.value).startswith(f"the paper {path}")
    assert "\n" not in str(caught.value)


def test_a_paper_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PaperError, match=r"cannot read the paper .*missing\.toml: No such file or directory"):
        paper.read(tmp_path / "missing.toml")


def test_what_a_claim_may_say_beside(tmp_path: Path) -> None:
    beside = 'recipe = {batch-size = 1, clip = "value:0.5"}\ntested = 300\nchance = 0.5\ncompared = "order"\n'
    (claim,) = paper.read(written(tmp_path, HEAD + SWEEP + CLAIM + beside)).claims
    assert claim.recipe == {"batch_size": 1, "clip": "value:0.5"}
    assert (claim.tested, claim.chance, claim.compared) == (300, 0.5, "order")


def test_models_of_one_row_differ_in_their_size_alone() -> None:
    def row(**recipe: int) -> object:
        given = {"task": "copying", "length": 10, "quantity": "score", "value": 0.5, "where": "here"}
        return Claim.model_validate(given | {"model": "gru", "recipe": recipe}).row

    assert row(hidden=3) == row(hidden=4) == row()
    assert row(steps=3) != row(steps=4)
