import re
import shutil
import subprocess

import pytest

from reports.text import paper
from reports.text.paper import Entry, Latex, Markdown, Notation, lay_out, notation, written
from reports.view import View
from tests.support.results import make_result

HOSTILE = "mypackage.my_module:Model&%$#_{}~^\\[<"


def seeds(model, scores, task="adding", length=10, **keywords):
    return [make_result(task, model, length, seed, score=score, **keywords) for seed, score in enumerate(scores)]


def cells(results, columns=("score",), **wanted):
    """What each model's cells say in Markdown, by model."""
    table = paper.markdown(lay_out(View.of(results, **wanted), columns))
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][2:]
    return {row[1].strip(): [cell.removesuffix(" |").strip() for cell in row[2:]] for row in rows}


def said(results, columns=("score",)):
    return "\n".join(lay_out(View.of(results), columns).caption)


# -- what n seeds allow ------------------------------------------------------------------------------------------------


def test_one_seed_has_the_interval_of_its_test_set():
    results = seeds("gru", [0.15])
    assert re.fullmatch(r"0\.150 ± 0\.\d+( =)?", cells(results)["gru"][0])
    assert "seeds may differ more" in said(results)


def test_two_to_four_seeds_have_a_range_and_no_interval():
    results = seeds("gru", [0.10, 0.12, 0.11])
    assert cells(results)["gru"] == ["0.110 (0.100–0.120)"]
    assert "±" not in said(results)


def test_five_seeds_have_a_mean_and_a_t_interval():
    results = seeds("gru", [0.10, 0.11, 0.12, 0.13, 0.14])
    assert cells(results)["gru"] == ["0.120 ± 0.020"]  # t(4) · s / √5
    assert "95 % t interval" in said(results)


def test_seeds_that_disagree_have_a_rate_and_no_mean():
    results = [make_result(seed=s, score=0.005 if s < 2 else 0.16, solved_at=100 if s < 2 else None) for s in range(5)]
    assert cells(results)["gru"] == ["2/5 solved"]
    assert "no mean is given" in said(results)


def test_diverged_failed_and_missing_seeds_are_said():
    results = [
        *seeds("gru", [0.10, 0.11]), make_result("adding", "gru", 10, 2, status="diverged", score=None),
        make_result("adding", "rnn", 10, status="error", score=None, error="boom"),
        make_result("adding", "lstm", 100, score=0.1),
    ]  # fmt: skip
    made = cells(results)
    assert "1 diverged" in made["gru"][0]
    assert made["rnn"] == ["1 failed", ""]
    assert made["lstm"][0] == ""


def test_what_merely_equals_chance_is_marked():
    results = [*seeds("gru", [1 / 6] * 3), *seeds("rnn", [0.01] * 3)]
    made = cells(results)
    assert made["gru"][0].endswith("=")
    assert not made["rnn"][0].endswith("=")
    assert "merely equals" in said(results)


# -- bold --------------------------------------------------------------------------------------------------------------


def test_best_is_bold_only_where_the_difference_is_shown():
    low, high = [0.100, 0.101, 0.102, 0.103, 0.104], [0.130, 0.131, 0.132, 0.133, 0.134]
    assert cells([*seeds("gru", low), *seeds("rnn", high)]) == {"gru": ["**0.102** ± 0.002"], "rnn": ["0.132 ± 0.002"]}
    near = [value + 0.0005 for value in low]
    assert "**" not in str(cells([*seeds("gru", low), *seeds("rnn", near), *seeds("lstm", high)]))
    few = [*seeds("gru", low[:3]), *seeds("rnn", high)]
    assert "**" not in str(cells(few))
    assert "no model is called best: fewer than 4 seeds" in said(few)
    assert "1 compared" in said([*seeds("gru", low), *seeds("rnn", high)])


def test_higher_is_better_where_the_task_says_so():
    made = cells([*seeds("gru", [0.5 + s / 100 for s in range(5)], "copying"), *seeds("rnn", [0.3] * 5, "copying")])
    assert made["gru"][0].startswith("**")


def test_solved_cells_are_compared_by_steps():
    results = [
        *(make_result("adding", "gru", 10, s, score=0.009, solved_at=100 + s) for s in range(5)),
        *(make_result("adding", "rnn", 10, s, score=0.001, solved_at=500 + s) for s in range(5)),
    ]
    assert cells(results, ("score", "solved_at")) == {
        "gru": ["0.0090 (all equal)", "**102**"],
        "rnn": ["0.0010 (all equal)", "502"],
    }


# -- notation ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([0.131, 0.9], Notation(3)),
        ([0.0204, 0.0012], Notation(4)),
        ([0.18, 8.7e-4], Notation(1, powers=True)),
        ([150, 1000], Notation(0)),
        ([2.82, 2.9], Notation(2)),
        ([2e7], Notation(0)),
        ([2.5e7, 1.5], Notation(1, powers=True)),
    ],
)
def test_numbers_of_a_column_share_a_notation(numbers, expected):
    assert notation(map(Entry, numbers)) == expected


def test_a_minus_is_a_minus():
    assert written(Entry(-0.5), Notation(2), Latex()) == "$-0.50$"
    assert written(Entry(-0.5), Notation(2), Markdown()) == "−0.50"
    assert written(Entry(1.5e-7, bold=True), Notation(1, powers=True), Latex()) == r"$\mathbf{1.5} \times 10^{-7}$"
    assert written(Entry(1200), Notation(0), Latex()) == "$1{,}200$"


def test_an_interval_too_small_to_be_seen_is_not_zero():
    assert written(Entry(0.5, 0.49999, 0.50001, "±"), Notation(2), Markdown()) == "0.50 ± <0.01"


# -- LaTeX -------------------------------------------------------------------------------------------------------------


def a_paper(columns):
    results = [
        *seeds("gru", [0.10, 0.11, 0.12, 0.13, 0.14]), *seeds("rnn", [0.15, 0.151, 0.152, 0.153, 0.154]),
        *seeds(HOSTILE, [0.9, 0.1], "copying"), *seeds("gru", [2.5, 2.6], "char_lm", 1000),
        make_result("copying", "rnn", 10, status="diverged", score=None),
    ]  # fmt: skip
    return paper.latex(lay_out(View.of(results), columns))


def test_what_the_latex_holds():
    text = a_paper(("score", "solved_at"))
    for part in (
        r"\multicolumn{2}{c}{$T = 1{,}000$}",
        r"\cmidrule(lr){2-3}",
        r"\label{tab:results}",
        r"$\mathbf{0.120}$",
    ):
        assert part in text


@pytest.mark.parametrize("columns", [("score",), tuple(paper.COLUMNS)])
def test_latex_compiles_as_it_is(tmp_path, columns):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here: apt-get install texlive-latex-recommended")
    body = a_paper(columns)
    document = r"\documentclass[twocolumn]{article}\usepackage{booktabs}\begin{document}" + body + r"\end{document}"
    (tmp_path / "paper.tex").write_text(document, "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in (tmp_path / "paper.log").read_text("utf-8", "replace")
