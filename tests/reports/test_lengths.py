"""The command that shows stored models at other lengths, its figures, and its part of the whole report."""

from __future__ import annotations

import csv
import io
from html import unescape

import altair as alt
import pytest

from reports import __main__ as whole
from reports import lengths
from reports.figures import figures
from reports.page.payload import payload
from reports.view import View
from reports.view.asked import asked_topics
from tests.support.full_store import make_flow
from tests.support.readings import asked_result, make_reading
from tests.support.results import make_result


@pytest.fixture
def filled(store):
    """A gru that passes at 30 and not at 300, a range-trained one, an lstm that is not defined at 300."""
    trained = make_result("adding", "gru", 10, score=0.001)
    results = [asked_result(each) for each in (
        trained.model_copy(update={"gradient_flow": make_flow(10, (0, 100), -0.01, ("input",))}),
        make_result("adding", "gru", 10, score=0.002, train_lengths="uniform"),
        make_result("adding", "lstm", 10, score=0.001),
        make_result("char_lm", "gru", 100, score=2.9),
    )]  # fmt: skip
    for result in results:
        store.publish(result)
    gru, ranged, lstm, text = results
    wanted = [
        make_reading(gru, 30, 0.003), make_reading(gru, 300, 0.5, n=256), make_reading(ranged, 30, 0.17),
        make_reading(lstm, 30, 0.1), make_reading(lstm, 300, status="undefined", error="knows 10 steps\n"),
        make_reading(text, 300, 2.8), make_reading(text, 30, status="crashed", error="ended"),
        make_reading(gru, 300, probe=True, gradient_flow=make_flow(300, (100,), -0.02, ("input",))[0]),
    ]  # fmt: skip
    for reading in wanted:
        store.publish_reading(reading)
    return store


def shown(store, *arguments, capsys):
    assert lengths.main([str(store.path), *arguments]) == 0
    return capsys.readouterr().out


def test_the_grid(filled, capsys):
    out = shown(filled, "--tasks", "adding", "--format", "markdown", capsys=capsys)
    lines = [line for line in out.splitlines() if line.startswith("| ")]
    assert "| model | T | at 10 | at 30 | at 300 | effective | ratio |" in lines
    row = next(line for line in lines if line.startswith("| gru | 10 |"))
    cells = [unescape(cell.strip().replace("\\", "")) for cell in row.strip("|").split("|")]
    assert cells == ["gru", "10", "[0.99 1/1]", "0.98 1/1", "<-2.00 0/1<br>±0.08", "30", "3.00"]
    assert "tested on 1,024 or more, from T = 300 on 256" in out.replace("\\", "")
    ranged = next(line for line in lines if line.startswith("| gru | ≤10 |"))
    assert "train lengths uniform" in out
    assert "=" in ranged
    lstm = next(line for line in lines if line.startswith("| lstm | 10 |"))
    assert "| — |" in lstm
    assert "lstm of T = 10 at 300: knows 10 steps" in out.replace("\\", "")


def test_trained_on_a_range_is_never_in_one_table_with_fixed(filled):
    topics = lengths.held(filled)
    titles = [topic.topic.title for topic in topics]
    assert titles == ["adding · train lengths fixed", "adding · train lengths uniform", "char_lm"]
    assert [[row.uniform for _, row in topic.rows] for topic in topics] == [[False, False], [True], [False]]


def test_gradients_at_other_lengths(filled, capsys):
    out = shown(filled, "--tasks", "adding", capsys=capsys)
    assert "gradients at other lengths" in out
    _, _, below = out.partition("gradients at other lengths")
    line = next(line for line in below.splitlines() if line.startswith("gru"))
    assert line.split() == ["gru", "10", "[-0.005", "healthy]", "-0.02", "healthy"]


def test_values_are_unrounded(filled, capsys):
    rows = list(csv.DictReader(io.StringIO(shown(filled, "--format", "csv", capsys=capsys))))
    found = {(row["model"], row["train_lengths"], row["trained"], row["tested"]): row for row in rows}
    row = found["gru", "fixed", "10", "30"]
    assert (row["score"], row["passed"], row["n"], row["own_test"]) == ("0.003", "1", "1", "False")
    assert (row["effective_length"], row["effective_ratio"]) == ("30", "3.0")
    assert found["gru", "fixed", "10", "300"]["worse_than_chance"] == "True"
    assert found["gru", "fixed", "10", "300"]["gradient_rate"] == "-0.02"
    assert found["gru", "uniform", "10", "10"]["own_test"] == "True"
    undefined = found["lstm", "fixed", "10", "300"]
    assert (undefined["status"], undefined["said"], undefined["score"]) == ("undefined", "knows 10 steps", "")
    assert found["gru", "fixed", "100", "30"]["status"] == "crashed"


def test_a_narrow_terminal_cuts_the_grid_by_lengths(filled):
    topics = [topic for topic in lengths.held(filled) if "fixed" in topic.topic.title]
    assert len(lengths.tables(topics, 200)) == 2  # a grid and its gradients
    assert len(lengths.tables(topics, 40)) > 2


def test_a_store_without_readings_is_one_message(store, capsys):
    store.publish(make_result())
    assert lengths.main([str(store.path)]) == 2
    assert "`python -m bench.evaluate" in capsys.readouterr().err


def test_figures_follow_the_grammar(filled):
    topics = lengths.held(filled)
    drawn = {f.name: f.spec for f in figures.figures(View.of(filled.results()), topics) if "other-lengths" in f.name}
    assert set(drawn) == {f"{topic.topic.name}-other-lengths{ending}" for topic in topics for ending in ("", "-grid")}
    for spec in drawn.values():
        alt.Chart.from_dict(spec)  # checked against Vega-Lite's schema
    text = str(drawn["adding-train-lengths-fixed-other-lengths-grid"])
    assert "'own': True" in text
    assert "gru, 10" in text
    assert str(drawn["adding-train-lengths-fixed-other-lengths"]).count("trained at T = 10") == 1


def test_the_whole_report_holds_them_only_where_there_are_readings(filled, store, tmp_path, capsys):
    assert whole.main([str(filled.path), "--tasks", "adding", "--output", str(tmp_path / "a")]) == 0
    names = {path.name for path in (tmp_path / "a").rglob("*")}
    assert {"lengths.md", "lengths.csv", "adding-train-lengths-fixed-other-lengths.svg"} <= names
    for path in (filled.path / "readings").iterdir():
        path.unlink()
    assert whole.main([str(filled.path), "--tasks", "adding", "--output", str(tmp_path / "b")]) == 0
    assert not [
        path for path in (tmp_path / "b").rglob("*") if "lengths.md" in path.name or "other-lengths" in path.name
    ]
    capsys.readouterr()


def test_the_page_holds_the_grid(filled):
    view = View.of(filled.results())
    content = payload("results", view, (), (), lengths.held(filled))
    (fixed, uniform, text) = content["asked"]
    assert fixed["lengths"] == [10, 30, 300]
    gru = next(row for row in fixed["rows"] if row["label"] == "gru")
    assert gru["cells"][0] == {"lines": ["0.99 1/1"], "own": True, "mark": "", "step": 10}
    assert (gru["cells"][2]["mark"], len(gru["cells"][2]["lines"])) == ("<", 2)
    assert gru["effective"] == ("30", "3.00")
    assert uniform["rows"][0]["trained"] == "≤10"
    assert text["rows"][0]["effective"] == ("", "")
    assert payload("results", view)["asked"] == []
    assert asked_topics(view, []) == []


def test_another_answer_draws_its_figures_again(filled, capsys):
    assert whole.main([str(filled.path)]) == 0
    trained = next(r for r in filled.results() if (r.cell.task, r.cell.model) == ("char_lm", "gru"))
    filled.publish_reading(make_reading(trained, 1000, 2.7))
    capsys.readouterr()
    assert whole.main([str(filled.path)]) == 0
    assert "(2 drawn, " in capsys.readouterr().out
