import json

import pytest

from reports.figures import figures, kept
from reports.view import View
from reports.view.view import Order
from tests.support.measured import make_measured
from tests.support.results import make_result


@pytest.fixture
def results():
    return [make_result("copying", "gru", 10, score=0.5), make_result("adding", "gru", 10)]


def drawn(results, folder, **wanted):
    """Names of the figures that had to be drawn."""
    view = View.of(results, **wanted)
    return {figure.name for figure, anew in kept.current(figures.figures(view), view, folder) if anew}


def test_nothing_is_drawn_twice(results, tmp_path):
    assert {"score", "skill"} <= drawn(results, tmp_path)
    assert drawn(results, tmp_path) == set()


@pytest.mark.parametrize("change", ["a score", "a further model", "a file is gone", "the ledger is broken", "the code"])
def test_what_changed_is_drawn_again(results, tmp_path, monkeypatch, change):
    drawn(results, tmp_path)
    if change == "a score":
        results[0] = make_result("copying", "gru", 10, score=0.6)
    elif change == "a further model":
        results.append(make_result("copying", "aaa", 10, score=0.5))
    elif change == "a file is gone":
        (tmp_path / "score.svg").unlink()
    elif change == "the ledger is broken":
        (tmp_path / kept.LEDGER).write_text("[1")
    else:
        monkeypatch.setattr(kept, "code", lambda: "another")
    assert "score" in drawn(results, tmp_path)
    assert drawn(results, tmp_path) == set()


def test_a_changed_task_leaves_the_figures_of_the_others(tmp_path):
    results = [make_measured(task, "gru", 10, score=0.5) for task in ("copying", "adding")]
    drawn(results, tmp_path)
    again = drawn([results[0], make_measured("adding", "gru", 10, slope=-0.2, score=0.5)], tmp_path)
    assert {"adding-gradient-input", "score"} <= again
    assert not [name for name in again if name.startswith("copying-")]


def test_the_order_of_models_counts(results, tmp_path):
    pair = [make_result("adding", model, 10) for model in ("gru", "rnn")]
    drawn(pair, tmp_path)
    assert "score" in drawn(pair, tmp_path, order=Order(models=("rnn", "gru")))


def test_what_was_drawn_before_a_failure_stays_drawn(results, tmp_path):
    view = View.of(results)
    running = kept.current(figures.figures(view), view, tmp_path)
    first, _ = next(running)
    running.close()
    assert set(json.loads((tmp_path / kept.LEDGER).read_text())) == {first.name}
    assert first.name not in drawn(results, tmp_path)


def test_many_figures_are_drawn_by_several_processes_as_by_one(tmp_path, monkeypatch):
    results = [make_measured("adding", "gru", 10)]
    both = {}  # without SVG, whose names of parts count on within a process
    for folder, few in ((tmp_path / "one", 100), (tmp_path / "several", 1)):
        folder.mkdir()
        monkeypatch.setattr(kept, "FEW", few)
        monkeypatch.setattr(kept.os, "cpu_count", lambda: 2)
        drawn(results, folder)
        both[folder.name] = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".svg"}
    assert both["one"] == both["several"]
    assert len(both["one"]) > 2 * 6
