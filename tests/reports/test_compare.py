"""A study beside a store of one's own."""

from __future__ import annotations

import gzip
import re

import pytest

from bench.store import Store
from reports import compare
from reports.text import studies
from tests.support.results import make_result


@pytest.fixture
def published(tmp_path):
    results = [
        make_result(model=model, length=length, seed=seed, solved_at=step, steps=2000)
        for model, step in (("gru", 200), ("lstm", None)) for length in (10, 20) for seed in range(3)
    ]  # fmt: skip
    path = tmp_path / "published.csv.gz"
    path.write_bytes(studies.packed(studies.rows(results, {result.cell.key for result in results})))
    return path


def store(folder, *results):
    held = Store(folder, create=True)
    for result in results:
        held.publish(result)
    return folder


def said(capsys, *arguments, code=0):
    assert compare.main([*map(str, arguments)]) == code
    out = capsys.readouterr()
    return " ".join((out.out if code == 0 else out.err).split())


def test_a_study_alone(published, capsys):
    out = said(capsys, published)
    assert "gru 3/3 at 200 3/3 at 200" in out
    assert "model adding seeds solved" in out
    assert "gru ≥ 20 6/6 lstm none 0/6" in out
    assert "yours" not in out


def test_what_the_longest_length_took(tmp_path, capsys):
    of = [("gru", 10, 20, 200, 3.0), ("gru", 11, 20, 450, 5.0), ("gru", 12, 20, None, 8.4), ("lstm", 10, 20, None, 7.0)]
    made = [
        make_result(model=model, length=length, seed=seed, solved_at=step, steps=2000, seconds=seconds)
        for model, seed, length, step, seconds in of
    ] + [make_result(model="rnn", length=10, solved_at=100, steps=2000)]
    path = tmp_path / "study.csv.gz"
    path.write_bytes(studies.packed(studies.rows(made, {result.cell.key for result in made})))
    out = said(capsys, path)
    assert "What T=20 took" in out
    assert "gru 2/3 at 200 to 450, 5 s lstm 0/1, 7 s rnn seeds that solved, their steps" in out


def test_how_far_back_is_not_said_of_one_length(published, capsys):
    assert "How far back" in said(capsys, published)
    one = said(capsys, published, "--lengths", "20")
    assert "How far back" not in one
    assert "What T=20 took" in one


def test_the_same_recipe_is_said_to_be_the_same(published, tmp_path, capsys):
    mine = store(
        tmp_path / "mine", *(make_result(model="mine.models:Fast", seed=s, solved_at=50, steps=2000) for s in (0, 1))
    )
    out = said(capsys, published, mine)
    assert "mine.models:Fast (yours) 2/2 at 50" in out
    assert "the same recipe: adding mine.models:Fast (yours) T=10" in out


def test_another_recipe_is_said_to_be_another(published, tmp_path, capsys):
    mine = store(tmp_path / "mine", make_result(model="gru", solved_at=50, steps=600, clip=None))
    out = said(capsys, published, mine)
    assert "NOT THE SAME RECIPE: " in out
    assert "step_budget 600, theirs 2,000" in out
    assert "clip none, theirs 1" in out


def test_of_several_rates_the_one_that_validation_chose(published, tmp_path, capsys):
    rates = [make_result(learning_rate=rate, score=score, steps=2000) for rate, score in ((0.1, 0.16), (0.01, 0.08))]
    out = said(capsys, published, store(tmp_path / "mine", *rates))
    assert "gru (yours) 0/1 0.52" in out


def test_of_a_study_a_part_is_shown_without_its_comparisons(capsys, monkeypatch):
    monkeypatch.setattr(compare, "_pairs", lambda path: (("rnn", "lstm"), ("lstm", "gru")))
    whole, part = said(capsys, "remedies"), said(capsys, "remedies", "--models", "lem,tcn")
    assert "Pairs named in advance" in whole
    assert "rnn:leak" in whole
    assert "Pairs named in advance" not in part  # Holm would correct for fewer
    assert "rnn:leak" not in part
    assert "tcn 3/3 at 350" in part


def test_models_chosen_of_a_store_stand_beside_the_whole_study(published, tmp_path, capsys):
    mine = store(tmp_path / "mine", *(make_result(model=model, solved_at=50, steps=2000) for model in ("rnn", "lstm")))
    out = said(capsys, published, mine, "--models", "rnn", "--lengths", "10")
    assert "rnn (yours) 1/1 at 50" in out
    assert "lstm (yours)" not in out
    assert "gru 3/3 at 200" in out
    assert "T=20" not in out


def test_rates_are_shown_and_those_on_the_edge_are_marked(tmp_path, capsys):
    def of(seed, rate, length=10):
        return make_result(length=length, seed=seed, learning_rate=rate, score=0.05)

    results = [*(of(100, rate) for rate in (0.001, 0.01, 0.03)), of(0, 0.03), of(0, 0.01, 20)]
    path = tmp_path / "rates.csv.gz"
    path.write_bytes(studies.packed(studies.rows(results, {result.cell.key for result in results[3:]})))
    out = re.sub("─+", "─", said(capsys, path))
    assert "adding gru 0.03* 0.01 the study chose among 1e-3, 0.01, 0.03 *: the smallest or the largest" in out


def test_of_two_rates_each_is_an_edge(tmp_path, capsys):
    tried = [make_result(seed=100, learning_rate=rate) for rate in (0.003, 0.01)]
    reported = make_result(seed=0, learning_rate=0.01)
    path = tmp_path / "rates.csv.gz"
    path.write_bytes(studies.packed(studies.rows([*tried, reported], {reported.cell.key})))
    assert "adding gru 0.01* the study chose among 3e-3, 0.01 *" in said(capsys, path)


def test_the_edge_is_that_of_all_rates_that_a_study_tried(tmp_path, capsys):
    tried = [make_result(seed=100, learning_rate=rate) for rate in (0.001, 0.01, 0.03)]
    reported = [make_result(seed=0, learning_rate=0.01), make_result(model="lstm", seed=0, learning_rate=0.03)]
    path = tmp_path / "rates.csv.gz"
    path.write_bytes(studies.packed(studies.rows([*tried, *reported], {result.cell.key for result in reported})))
    mine = store(tmp_path / "mine", make_result(learning_rate=0.1))
    for more in ((), (mine,), ("--seeds", "0")):
        out = said(capsys, path, *more)
        assert "adding gru 0.01 adding lstm 0.03*" in out


def test_a_rate_is_marked_where_none_learned_on_the_seeds_that_chose(tmp_path, capsys):
    def of(model, seed, rate, score):
        return make_result(model=model, seed=seed, learning_rate=rate, score=score)

    tried = [of("gru", 100, 0.01, 0.05), of("gru", 100, 0.1, 0.17), *(of("rnn", 100, r, 0.17) for r in (0.01, 0.1))]
    reported = [of("gru", 0, 0.01, 0.17), of("rnn", 0, 0.01, 0.05)]
    path = tmp_path / "rates.csv.gz"
    path.write_bytes(studies.packed(studies.rows([*tried, *reported], {result.cell.key for result in reported})))
    out = said(capsys, path, store(tmp_path / "mine", make_result(learning_rate=0.1, score=0.17)))
    assert "adding gru 0.01* adding rnn (0.01*) adding gru (yours) 0.1 the study" in out
    assert "( ): no rate learned on the seeds that chose, so that it means little" in out


def test_two_recipes_of_a_store_are_two_models(published, tmp_path, capsys):
    mine = store(tmp_path / "mine", make_result(score=0.05, steps=2000), make_result(score=0.1, steps=2000, clip=None))
    out = said(capsys, published, mine)
    assert "gru (clip 1.0) (yours) 0/1 0.70" in out
    assert "gru (clip none) (yours) 0/1 0.40" in out
    assert "NOT THE SAME RECIPE: clip none, theirs 1.0: adding gru (clip none) (yours) T=10" in out


def test_what_is_said_of_a_study_leaves_a_store_out(published, tmp_path, capsys):
    mine = store(tmp_path / "mine", *(make_result(seed=seed, solved_at=50, steps=2000) for seed in range(7)))
    out = said(capsys, published, mine)
    assert "cells 12, of which 12 are reported" in out
    assert "seeds reported 0, 1, 2 " in out


@pytest.fixture
def tuned(tmp_path):
    """A study that chose its rate on seed 100."""
    results = [make_result(seed=100, learning_rate=rate, steps=2000) for rate in (0.01, 0.1)]
    results += [make_result(seed=seed, solved_at=200, steps=2000) for seed in range(3)]
    path = tmp_path / "tuned.csv.gz"
    path.write_bytes(studies.packed(studies.rows(results, {result.cell.key for result in results[2:]})))
    return path


def test_seeds_that_chose_rates_in_a_study_choose_them_in_a_store_too_and_are_not_shown(tuned, tmp_path, capsys):
    chose = [make_result(seed=100, learning_rate=rate, score=rate, steps=2000) for rate in (0.01, 0.1)]
    shown = [make_result(seed=seed, learning_rate=0.01, solved_at=50, steps=2000) for seed in (0, 1)]
    other = make_result(seed=1, learning_rate=0.1, score=0.0001, steps=2000)
    out = said(capsys, tuned, store(tmp_path / "mine", *chose, *shown, other))
    assert "gru (yours) 2/2 at 50" in out
    assert "adding gru (yours) 0.01*" in out
    assert "RATE CHOSEN" not in out
    only = store(tmp_path / "only", *chose)
    assert "nothing that the study has, but for seeds that choose rates (100)" in said(capsys, tuned, only, code=2)


def test_a_rate_that_was_chosen_by_the_seeds_that_are_shown_is_said(tuned, published, tmp_path, capsys):
    mine = store(tmp_path / "mine", *(make_result(learning_rate=rate, score=rate, steps=2000) for rate in (0.01, 0.1)))
    words = "RATE CHOSEN BY THE SEEDS THAT ARE SHOWN, theirs by others: adding gru (yours) T=10"
    assert words in said(capsys, tuned, mine)
    assert "RATE CHOSEN" not in said(capsys, published, mine), "this study has no seeds of their own for it"


def test_a_choice_is_of_both_sides(published, tmp_path, capsys):
    mine = store(
        tmp_path / "mine", *(make_result(model=m, seed=4, solved_at=50, steps=2000) for m in ("gru", "mingru"))
    )
    out = said(capsys, published, mine, "--models", "gru,lstm", "--lengths", "10,20", "--seeds", "0,1,4")
    assert "gru 2/2 at 200 2/2 at 200" in out
    assert "gru (yours) 1/1 at 50" in out
    assert "mingru" not in out
    out = said(capsys, published, mine, "--models", "mingru")
    assert "lstm 0/3" in out, "a side that has none of these models is whole"
    assert "mingru (yours) 1/1 at 50" in out
    assert "gru (yours) 1/1 at 50" not in out.replace("mingru", "")
    assert "no results of model 'grru': did you mean gru?" in said(capsys, published, mine, "--models", "grru", code=2)
    assert "of the store: it has none" in said(capsys, published, mine, "--seeds", "0", code=2)
    assert "nothing to show: the study" in said(capsys, published, mine, "--seeds", "4", code=2)


def test_where_all_rates_are_reported_none_was_chosen(tmp_path, capsys):
    results = [make_result(learning_rate=0.01), make_result(model="rnn", learning_rate=0.003)]
    path = tmp_path / "rates.csv.gz"
    path.write_bytes(studies.packed(studies.rows(results, {result.cell.key for result in results})))
    out = said(capsys, path)
    assert "chose among" not in out
    assert "adding gru 0.01 adding rnn 3e-3 What was run" in out


def test_a_study_that_calls_a_model_yours_is_refused(tmp_path, capsys):
    path = tmp_path / "theirs.csv.gz"
    result = make_result(model="gru (yours)")
    path.write_bytes(studies.packed(studies.rows([result], {result.cell.key})))
    assert "itself has a model 'gru (yours)'" in said(capsys, path, store(tmp_path / "mine", make_result()), code=2)


def test_cells_that_only_chose_a_rate_are_nothing_to_show(tmp_path, capsys):
    results = [make_result(seed=seed) for seed in (0, 100)]
    path = tmp_path / "theirs.csv.gz"
    path.write_bytes(studies.packed(studies.rows(results, {results[0].cell.key})))
    assert "the study reports no cell of these" in said(capsys, path, "--seeds", "100", code=2)


def test_settings_that_are_only_tuned_yet_are_left_out(tuned, tmp_path, capsys):
    results = [make_result(seed=0), make_result(seed=100, learning_rate=0.1), make_result(length=20, seed=100)]
    path = tmp_path / "theirs.csv.gz"
    path.write_bytes(studies.packed(studies.rows(results, {results[0].cell.key})))
    assert "cells 2, of which 1 are reported" in said(capsys, path)
    assert "no results of length 20; the nearest is 10 (stored: 10)" in said(capsys, path, "--lengths", "20", code=2)


def test_of_one_rate_nothing_is_said(published, capsys):
    assert "Learning rates" not in said(capsys, published)


def test_what_was_run_is_said(published, capsys):
    out = said(capsys, published)
    assert "cells 12, of which 12 are reported" in out
    assert "seeds reported 0, 1, 2" in out
    assert "steps at most 2,000" in out
    assert "torch 2.13.0+cpu" in out


def written(path, *rows):
    """A study of rows: task, model, skill, rate of the gradient before training, steps per second."""
    head = "task,model,skill,initial_gradient_rate,steps_per_second"
    rest = ("length,seed,status,step_budget,chosen,gradient_reach", "10,0,ok,1000,1,9")
    lines = [f"{head},{rest[0]}", *(f"{','.join(map(str, row))},{rest[1]}" for row in rows)]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def test_gradients_and_skill_are_compared_in_all_tasks_and_in_each(tmp_path, capsys):
    skills = {"adding": (0.9, 0.7, 0.5, 0.3, 0.1), "copying": (0.1, 0.3, 0.5, 0.7, 0.9)}
    models = (("rnn", -0.1), ("gru", -0.2), ("lstm", -0.3), ("tcn", -0.4), ("lem", -0.5))
    rows = [(t, m, s, rate, 1) for t, column in skills.items() for s, (m, rate) in zip(column, models, strict=True)]
    out = said(capsys, written(tmp_path / "two.csv.gz", *rows))
    assert re.search(r"all 0.00 .* 2 5 adding 1.00 .* 1 5 copying -1.00 .* 1 5 rate · D", out)
    assert "the question was about all tasks" in out
    assert "the question was about all tasks" not in said(capsys, written(tmp_path / "one.csv.gz", *rows[:5]))


def test_speed_is_the_median_over_tasks(tmp_path, capsys):
    rows = [("adding", "rnn", 0, 0, 100), ("copying", "rnn", 0, 0, 50), ("copying", "gru", 0, 0, "")]
    out = re.sub("─+", "─", said(capsys, written(tmp_path / "speed.csv.gz", *rows)))
    assert "per second model T=10 ─ rnn 75.0 gru — median over tasks and seeds" in out


def test_nothing_in_common_is_refused(published, tmp_path, capsys):
    mine = store(tmp_path / "mine", make_result("copying", length=10, score=0.5))
    assert "holds nothing that the study has. The study has adding T=10, adding T=20" in said(
        capsys, published, mine, code=2
    )


def test_markdown_goes_to_a_file(published, tmp_path, capsys):
    said(capsys, published, "--format", "markdown", "--output", tmp_path / "out.md")
    assert "| gru | 3/3 at 200 |" in (tmp_path / "out.md").read_text()


def test_the_gradient_after_training_is_told_where_a_task_was_solved_and_where_not(tmp_path, capsys):
    """rate · D*: −.1 · 9 and .2 · 9 of what is solved, −.3 · 9 of what is not; a setting without a rate is left out."""
    head = "task,model,solved_at_step,gradient_rate,length,seed,status,step_budget,chosen,gradient_reach"
    rows = ["adding,rnn,,-0.3", "adding,gru,50,-0.1", "adding,lstm,60,0.2", "adding,tcn,60,", "char_lm,rnn,,-1"]
    path = tmp_path / "after.csv.gz"
    path.write_bytes(gzip.compress("\n".join([head, *(f"{row},10,0,ok,1000,1,9" for row in rows)]).encode()))
    out = re.sub("─+", "─", said(capsys, path))
    assert "not solved flat change ─ adding 2 1 -0.90 to 1.80 1 0 -2.70 settings that more than half" in out
