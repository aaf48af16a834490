import itertools
import re

import pytest

from bench.records.errors import UsageError
from reports.figures import figures
from reports.figures.media import MEDIA, fitted
from reports.view import View
from tests.support.measured import make_measured


@pytest.fixture(scope="module")
def drawn():
    """Every kind of figure, of two tasks, three models and three lengths."""
    places = itertools.product(("adding", "char_lm"), ("rnn", "gru", "transformer"), (10, 100, 1000))
    results = [
        make_measured(task, model, length, score=0.005 if task == "adding" else 2.9, solved_at=150)
        for task, model, length in places
    ]
    return {figure.name: figure.drawing for figure in figures.figures(View.of(results))}


KINDS = [
    "score", "skill", "steps-to-solve", "cost", "memory-horizon", "adding-gradient-input", "adding-jacobian",
    "adding-gradient-through-training", "adding-gradient-norm", "adding-gates-rnn", "adding-attention-transformer",
    "adding-lyapunov", "char_lm-context-use",
]  # fmt: skip


def texts(svg):
    """Sizes of all text, in units."""
    return [float(size) for size in re.findall(r'font-size="([\d.]+)px"', svg)]


@pytest.mark.parametrize("name", KINDS)
def test_in_a_column_every_kind_has_its_width_and_no_text_below_seven_points(drawn, name):
    made = fitted(drawn[name], MEDIA["column"], head=True)
    assert made.width * made.point == pytest.approx(3.3 * 72)
    assert made.height * made.point <= 9 * 72 + 1
    assert min(texts(made.svg)) * made.point >= 7
    box = re.search(rb"MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", made.content("pdf"))
    assert float(box[1]) == pytest.approx(3.3 * 72, abs=0.1)
    assert b'width="237.6pt"' in made.content("svg")


@pytest.mark.parametrize("name", ["score", "steps-to-solve", "adding-gradient-input", "char_lm-context-use"])
def test_a_slide_is_sixteen_to_nine_without_text_below_eighteen_points(drawn, name):
    made = fitted(drawn[name], MEDIA["slide"], head=True)
    assert made.width * made.point == pytest.approx(960)
    assert made.height * made.point == pytest.approx(540)
    assert min(texts(made.svg)) * made.point >= 18
    _, _, width, height = map(float, re.search(rb'viewBox="([^"]*)"', made.content("svg"))[1].split())
    assert width / height == pytest.approx(16 / 9, abs=0.01)
    inside = re.search(r'width="([\d.]+)" height="([\d.]+)"', made.svg)
    assert float(inside[1]) <= made.width + 1  # nothing is cut off
    assert float(inside[2]) <= made.height + 1


def test_without_a_title_there_is_none_and_the_caption_never_stands_in_the_figure(drawn):
    with_title, without = (fitted(drawn["score"], MEDIA["text"], head=head).svg for head in (True, False))
    assert "Score against length" in with_title
    assert "Score against length" not in without
    assert "Test score." not in with_title


def test_what_does_not_fit_says_how_to_make_it_fit(drawn):
    with pytest.raises(UsageError, match=r"9 panels do not fit on 13\.3 × 7\.5 in with text of 18 points\..*--models"):
        fitted(drawn["adding-gradient-norm"], MEDIA["slide"], head=True)


def test_names_of_a_legend_break_into_rows_in_a_column(drawn):
    svg = fitted(drawn["score"], MEDIA["column"], head=False).svg
    at = [float(x) for x in re.findall(r"role-legend-label.*?translate\(([\d.]+),", svg)]
    assert max(at) < 373


def test_the_longest_length_keeps_its_label_in_a_narrow_panel():
    places = itertools.product(("adding", "char_lm"), (10, 20, 50, 100, 200))
    results = [make_measured(task, "rnn", length, score=0.1 if task == "adding" else 2.9) for task, length in places]
    drawing = next(each.drawing for each in figures.figures(View.of(results)) if each.name == "skill")
    shown = {}
    for medium in ("column", "text"):
        svg = fitted(drawing, MEDIA[medium], head=True).svg
        shown[medium] = {number for number in re.findall(r">(\d+)</text>", svg) if int(number) >= 10}
    assert shown["text"] == {"10", "20", "50", "100", "200"}
    assert "200" in shown["column"] < shown["text"]


def test_columns_of_a_legend_are_as_wide_as_their_own_names(drawn):
    long = "lstm:candidate_only=true"
    models = ("rnn", "gru", "lstm", "attention", "transformer", "tcn", long)
    results = [make_measured("adding", model, length, score=0.1) for model in models for length in (10, 100)]
    drawing = next(each.drawing for each in figures.figures(View.of(results)) if each.name == "score")
    svg = fitted(drawing, MEDIA["slide"], head=True).svg
    at = [(float(x), float(y)) for x, y in re.findall(r"role-legend-label.*?translate\(([\d.]+),([\d.]+)\)", svg)]
    assert len({y for _, y in at}) <= 3
