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
        ("title = [", "is not valid TOML: "),
    ],
)
def test_what_does_not_fit_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(PaperError) as caught:
        paper.read(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"the paper {path}")
    assert "\n" not in str(caught.value)


def test_a_paper_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PaperError, match=r"cannot read the paper .*missing\.toml: No such file or directory"):
        paper.read(tmp_path / "missing.toml")
