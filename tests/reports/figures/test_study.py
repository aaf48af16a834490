"""Figures of a study: from the rows of its file alone."""

from __future__ import annotations

from reports.figures.figures import rendered
from reports.figures.study import figures
from reports.summary.study import settings
from reports.text import studies
from reports.view.looks import looks
from tests.support.results import make_result

STEPS = {"gru": (200, 400, 800), "lstm": (900, None, None)}


def rows(scored=True, **fields):
    made = [
        make_result("adding", model, length, seed, solved_at=at, steps=2000, **fields)
        for model, steps in STEPS.items() for length, at in zip((10, 20, 40), steps, strict=True) for seed in range(3)
    ]  # fmt: skip
    extra = {"chosen": 1, "initial_gradient_rate": -0.1, "gradient_rate": -0.01, "gradient_reach": 20}
    return [row | (extra if scored else {"chosen": 1}) for row in studies.rows(made, ())]


def drawn(held):
    made = settings(held)
    return {each.name: each.drawing for each in figures(made, looks(setting.model for setting in made))}


def points(drawing, **wanted):
    return [row for rows in drawing.datasets.values() for row in rows if wanted.items() <= row.items()]


def test_three_figures_and_each_can_be_rendered():
    made = drawn(rows())
    assert list(made) == ["skill", "steps-to-solve", "gradients"]
    for drawing in made.values():
        assert rendered(drawing, "svg").startswith(b"<svg")


def test_skill_is_that_of_the_seeds_and_the_line_joins_their_medians():
    found = points(drawn(rows(score=0.05))["skill"], model="gru", length=20)
    assert {row["kind"] for row in found} == {"middle", "seed"}
    assert {round(row["value"], 6) for row in found} == {0.7}
    assert {row["n"] for row in found} == {3}


def test_the_caption_says_how_many_seeds():
    made = drawn(rows()), drawn(rows()[:-1])
    assert ["n = 3 seeds" in " ".join(each["skill"].caption) for each in made] == [True, False]
    assert "n = 2 to 3 seeds" in " ".join(made[1]["skill"].caption)


def test_unsolved_runs_stand_at_their_budget_and_have_no_median():
    drawing = drawn(rows())["steps-to-solve"]
    unsolved = points(drawing, model="lstm", length=20, kind="censored")
    assert {(row["value"], row["unsolved"]) for row in unsolved if "unsolved" in row} == {(2000, 3)}
    assert not points(drawing, model="lstm", length=20, kind="middle")
    assert points(drawing, model="gru", length=40, kind="middle")[0]["value"] == 800


def test_the_exponent_of_the_table_stands_in_the_heading():
    drawing = drawn(rows())["steps-to-solve"]
    (heading,) = [panel["title"]["subtitle"] for grid in drawing.grids for panel in grid.panels]
    assert heading == ["b: gru 1.00"]


def test_gradients_before_and_after_over_the_reach():
    drawing = drawn(rows())["gradients"]
    assert {round(row["change"], 6) for row in points(drawing, model="gru")} == {-2.0, -0.2}


def test_without_gradients_nothing_is_drawn_of_them():
    assert "gradients" not in drawn(rows(scored=False))


def test_scores_are_drawn_of_tasks_that_no_seed_solved_on_an_axis_cut_to_them():
    made = [
        make_result("char_lm", "gru", length, seed, score=2.5 + seed / 10) for length in (10, 20) for seed in range(3)
    ]
    mixed = drawn([*rows(), *(row | {"chosen": 1} for row in studies.rows(made, ()))])
    assert list(mixed) == ["skill", "score", "steps-to-solve", "gradients"]
    (panel,) = [panel for grid in mixed["score"].grids for panel in grid.panels]
    assert (panel["title"]["text"], panel["title"]["subtitle"]) == ("char_lm", ["lower is better"])
    assert sorted(row["value"] for row in points(mixed["score"], length=10, kind="seed")) == [2.5, 2.6, 2.7]
    assert {row["value"] for row in points(mixed["score"], length=10, kind="middle")} == {2.6}
    assert not points(mixed["score"], reference="chance")
    assert points(mixed["skill"], reference="chance")


def test_a_file_that_leaves_out_columns_has_fewer_figures():
    made = studies.rows([make_result("char_lm", "gru", 10, seed, score=2.5) for seed in range(3)], ())
    for missing, names in (("metric", ["skill"]), ("score", ["skill"]), ("higher_is_better", ["skill", "score"])):
        held = drawn([row | {"chosen": 1, missing: None} for row in made])
        assert list(held) == names, missing
        for drawing in held.values():
            assert rendered(drawing, "svg").startswith(b"<svg")
