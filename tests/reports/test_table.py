import csv
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from bench.records.errors import UsageError
from bench.store import Store
from bench.store.store import COLUMNS
from reports import table
from reports.text import words
from reports.view import View
from reports.view.command import asked_order, of_result, select
from tests.support.factories import an_asked
from tests.support.results import make_result

ROOT = Path(__file__).parents[2]


@pytest.fixture
def filled(store):
    """Two tasks, two models, two lengths; one cell diverged, one ran out of memory."""
    store.record_sweep(an_asked(tasks="char_lm,adding", models="rnn,gru"))
    for result in (
        make_result("adding", "rnn", 10, score=0.1612, validation=0.16),
        make_result("adding", "gru", 10, score=0.0043, solved_at=150),
        make_result("adding", "rnn", 1000, status="diverged", score=None, steps=300),
        make_result("adding", "gru", 1000, score=0.1655, steps=300),
        make_result("char_lm", "rnn", 10, score=3.012, relative=0.02, steps=600),
        make_result("char_lm", "gru", 10, status="out_of_memory", score=None, device=None, steps=600,
                    error="OutOfMemoryError: [8, 1000] does not fit | see & 50%_\n  at trial.py:1"),
    ):  # fmt: skip
        store.publish(result)
    return store


def text_of(store, width=100, by="group", **wanted):
    file = io.StringIO()
    view = View.of(select(store.results(), of_result, **wanted), asked_order(store))
    table.print_text(view, by, Console(file=file, width=width))
    return file.getvalue()


def view_of(store):
    return View.of(store.results(), asked_order(store))


def lines_of(text):
    return [line.rstrip() for line in text.splitlines()]


def command(*arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-m", "reports.table", *map(str, arguments)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


# -- text --------------------------------------------------------------------------------------------------------------


def test_the_table_by_group(filled):
    lines = lines_of(text_of(filled, tasks=["adding"]))
    assert lines[:8] == [
        "adding · mean squared error ↓ (squared value) · solved if ≤ 0.01",
        "   T  model  n  score      spread   chance  skill  outcome         solved at    body    s",
        "─────────────────────────────────────────────────────────────────────────────────────────",
        "  10  rnn    1  0.161   =  ±0.0041  0.167    0.03  at chance          >1,000  15,998  4.2",
        "  10  gru    1  0.0043     ±1e-4    0.167    0.97  solved                150  15,998  4.2",
        "",
        "1000  rnn    1  —                   0.167       —  diverged                   15,998  4.2",
        "1000  gru    1  0.166   =  ±0.0042  0.167    0.01  budget-limited       >300  15,998  4.2",
    ]


def test_the_overview(filled):
    text = text_of(filled, by="overview", tasks=["adding"])
    assert lines_of(text)[:5] == [
        "adding · mean squared error ↓ (squared value) · solved if ≤ 0.01",
        "model  T=10                      T=1000                      T*",
        "───────────────────────────────────────────────────────────────",
        "rnn    0.161   =  at chance      —          diverged        <10",
        "gru    0.0043     solved at 150  0.166   =  budget-limited   10",
    ]


def test_cells_without_a_score_have_rows_with_status_and_error(filled):
    text = text_of(filled)
    assert "Cells that diverged or failed: 2" in text
    assert re.search(r"adding +1000 rnn +0.01 0 +diverged +not finite at step 300 of 300", text)
    assert re.search(r"char_lm +10 gru +0.01 0 +out of memory OutOfMemoryError: \[8, 1000\] does not", text)
    assert "trial.py" not in text  # the first line only


def test_the_caption_says_n_budget_rate_place_data_and_floors(filled):
    text = text_of(filled)
    assert "n: 1 seed per row · budget: 300 to 1,000 steps · 16,000 body parameters · cpu, torch 2.13" in text
    assert "learning rate: 0.01, given beforehand" in text
    assert "data: tinyshakespeare ab12cd34" in text
    assert "reference scores: bigram 3.60, order 7 2.19" in text
    assert "budget-limited (short): at chance after fewer than 1,000 steps" in text


def test_the_legend_explains_what_occurs_and_nothing_else(store):
    store.publish(make_result("char_lm", score=3.0, relative=0.02))
    text = text_of(store)
    assert "± at n = 1" in text
    for absent in ("budget-limited", "T*", "k/n solved", "n ≥ 5", "trivial baseline (skill"):
        assert absent not in text


def test_tasks_and_models_stand_in_the_order_that_was_asked(filled):
    text = text_of(filled, by="overview")
    assert text.index("char_lm ·") < text.index("adding ·")
    assert text.index("\nrnn ") < text.index("\ngru ")


def test_five_seeds_and_a_grid_of_rates(store):
    for seed in range(5):
        for rate, validation in ((3e-4, 0.005), (1e-3, 0.1)):
            solved = rate == 3e-4 and seed < 3
            store.publish(
                make_result(seed=seed, learning_rate=rate, validation=validation, score=0.004 + 0.001 * seed,
                            solved_at=100 if solved else None)
            )  # fmt: skip
    lines = lines_of(text_of(store, width=110))
    points = "0.0040 0.0050 0.0060 0.0070 0.0080"
    assert lines[3].split() == f"10 gru 5 0.0060 {points} 0.167 0.96 3/5 solved 100 3e-4* 15,998 4.2".split()
    assert lines[4].split() == ["23–88", "%"]
    assert lines[4].index("23–88") == lines[3].index("3/5 solved")
    text = " ".join(" ".join(lines).split())
    assert "from 3e-4, 1e-3, the best median validation score over seeds (*: on the edge of the grid)" in text


def test_settings_that_must_not_mix_get_tables_of_their_own(store):
    store.publish(make_result(score=0.1))
    store.publish(make_result(score=0.12, seed=1, device="NVIDIA H200"))
    store.publish(make_result(score=0.13, seed=2, clip=0.5))
    titles = [line for line in lines_of(text_of(store, by="overview")) if line.startswith("adding ·")]
    assert len(titles) == 3
    assert sum("device NVIDIA H200" in title for title in titles) == 1
    assert sum("clip 0.5" in title for title in titles) == 1


def test_two_budgets_at_one_length_are_told_apart(store):
    store.publish(make_result(score=0.166, steps=300))
    store.publish(make_result(score=0.004, steps=5000, solved_at=2000))
    text = text_of(store)
    assert "budget-limited (steps 300)" in text
    assert "solved at 2,000 (steps 5000)" in text


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_the_default_sweep_fits(store, width, seeds):
    models = ("rnn", "gru", "lstm", "attention", "transformer")
    for task, scores in {"copying": (0.128, 0.995), "adding": (0.166, 0.0043), "char_lm": (3.1, 2.9)}.items():
        for length, steps in ((10, 1000), (100, 600), (1000, 300)):
            for index, model in enumerate(models):
                for seed in range(seeds):
                    solved = task != "char_lm" and (index + seed) % 2
                    store.publish(
                        make_result(task, model, length, seed, score=scores[bool(solved)] * (1 + seed / 100),
                                    solved_at=150 if solved else None, steps=steps, seconds=123.4)
                    )  # fmt: skip
    text = text_of(store, width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    for model in models:  # no name is broken or cut: once per length in three tables, once in three overviews
        assert len(re.findall(rf"^ *10+ +{model} ", text, flags=re.MULTILINE)) == 9
        assert len(re.findall(rf"^{model} ", text, flags=re.MULTILINE)) == 3
    headings = re.findall(r"^ +T +model +n +score +spread +chance +skill +outcome *(solved at)?", text, re.M)
    assert [bool(solvable) for solvable in headings] == [True, False, True]  # by name: adding, char_lm, copying


def test_a_narrow_terminal_loses_nothing_but_named_columns(filled):
    text = text_of(filled, width=40)
    assert "left out for want of width: s, body" in text
    assert re.search(r"1000 gru +1 0.166 += ±0.0042 +0.167 +0.01 short +>300", text)


def test_options_break_lines_only_where_they_must(store):
    store.publish(make_result(model="rnn:activation=relu:recurrent_init=identity", score=0.1))
    assert "rnn:activation=relu:recurrent_init=identity" in text_of(store, width=140)
    assert ":recurrent_init=identity" in text_of(store, width=80).replace("relu:recurrent", "")


def test_a_terminal_cannot_be_commanded_by_an_error_message(store):
    store.publish(make_result(status="error", score=None, error="Error: \x1b[2J\x07 gone [bold]"))
    text = text_of(store)
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "gone [bold]" in text


def test_show_counts_what_is_missing_and_what_is_corrupt(filled):
    kept = [result.cell.key for result in filled.results() if result.cell.task == "adding"]
    path = filled.path / "cells" / f"{kept[0]}.json"
    path.write_bytes(path.read_bytes().replace(b'"attempt":1', b'"attempt":2'))
    file = io.StringIO()
    table.show(Store(filled.path), Console(file=file, width=100), keys=[*kept, "0" * 16])
    text = file.getvalue()
    assert "2 of 5 cells have no result yet" in text
    assert f"left out, because the record is corrupt: {path.name}" in text
    assert "char_lm" not in text


def test_show_of_nothing(store):
    file = io.StringIO()
    table.show(store, Console(file=file, width=100), keys=["0" * 16])
    assert file.getvalue() == "1 of 1 cells have no result yet: the same command runs them.\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.8149, "2.81"), (0.16912, "0.169"), (0.0041, "0.0041"), (0.00041, "4.1e-4"), (0.0, "0.000"), (1.0, "1.00"),
        (-0.02, "-0.0200"), (123.4, "123"), (None, "—"), (float("inf"), "—"),
    ],
)  # fmt: skip
def test_numbers_keep_three_digits(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(("value", "text"), [(3e-4, "3e-4"), (1e-3, "1e-3"), (0.0025, "2.5e-3"), (0.01, "0.01")])
def test_learning_rates(value, text):
    assert words.rate(value) == text


# -- files -------------------------------------------------------------------------------------------------------------


def test_csv_by_cell_is_the_data_frame(filled):
    text = table.write(view_of(filled), "cell", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    frame = filled.frame().set_index("key")
    assert {row["key"] for row in rows} == set(frame.index)
    for row in rows:
        assert row["status"] == frame.loc[row["key"], "status"]
        if row["score"]:
            assert float(row["score"]) == frame.loc[row["key"], "score"]
    assert [row["solved_at_step"] for row in rows if row["outcome"] == "solved"] == ["150"]


def test_csv_by_group_is_unrounded(filled):
    text = table.write(view_of(filled), "group", "csv")
    rows = {(row["task"], row["model"], row["length"]): row for row in csv.DictReader(io.StringIO(text))}
    row = rows["adding", "rnn", "10"]
    assert (row["score"], row["interval"], row["n"], row["equals_chance"]) == ("0.1612", "test sampling", "1", "True")
    assert float(row["low"]) < 0.1612 < float(row["high"])


def test_markdown_has_as_many_cells_in_every_row(filled):
    text = table.write(view_of(filled), "group", "markdown")
    parts = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    assert len(parts) == 3
    for part in parts:
        rows = [line for line in part.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert r"does not fit \| see & 50%\_" in text


def test_latex_is_escaped_and_balanced(filled):
    text = table.write(view_of(filled), "group", "latex")
    assert r"does not fit \textbar{} see \& 50\%\_" in text
    assert r"char\_lm" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == text.count(r"\toprule") == 3
    assert text.isascii()
    for part in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, flags=re.DOTALL):
        shape, body = part
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(shape)}


# -- views -------------------------------------------------------------------------------------------------------------


def test_a_name_stands_for_an_entry_for_its_variants_or_for_the_only_name_it_begins():
    results = [make_result(model=model) for model in ("lstm", "lstm:layers=2", "gru", "mine.nets:Net:width=3")]

    def models(*wanted):
        return {result.cell.model for result in select(results, of_result, models=wanted)}

    assert models("lstm") == {"lstm"}
    assert models("lstm:layers=2", "gru") == {"lstm:layers=2", "gru"}
    assert models("ls") == {"lstm", "lstm:layers=2"}
    assert models("mine.nets:Net") == {"mine.nets:Net:width=3"}
    assert models() == {"lstm", "lstm:layers=2", "gru", "mine.nets:Net:width=3"}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"models": ["lstn"]}, "no results of model 'lstn': did you mean lstm?"),
        ({"models": ["l"]}, "no results of model 'l'"),  # begins two names
        ({"tasks": ["adding:marks=early"]}, "no results of task 'adding:marks=early'"),
        ({"lengths": [90]}, "no results of length 90; the nearest is 100 (stored: 10, 100)"),
    ],
)
def test_a_name_that_is_not_stored_is_an_error(wanted, message):
    results = [make_result(model="lstm"), make_result(model="linear", length=100)]
    with pytest.raises(UsageError, match=re.escape(message)):
        select(results, of_result, **wanted)


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{store}", "--tasks", "addding"], "did you mean adding?"),
        (["{store}", "--lengths", "12"], "the nearest is 10"),
        (["{store}", "--lengths", "ten"], "expects whole numbers"),
        (["{store}", "--by", "seed"], "Choose from"),
        (["{store}", "--mdels", "gru"], "--models"),
        (["{store}", "--output", "{store}"], "cannot write"),
        (["{store}/nowhere"], "no store at"),
        ([], "STORE"),
    ],
)
def test_bad_usage_is_one_message_and_exit_code_2(filled, capsys, arguments, message):
    code = table.main([argument.format(store=filled.path) for argument in arguments])
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert message in printed.err
    assert len(printed.err.strip().splitlines()) == 1


def test_a_view_of_nothing_says_so(filled, store, capsys):
    assert table.main([str(filled.path), "--tasks", "char_lm", "--lengths", "1000"]) == 0
    assert "no stored result has these tasks, models and lengths together" in capsys.readouterr().err


def test_an_empty_store_says_so(store, capsys):
    assert table.main([str(store.path), "--format", "csv", "--by", "cell"]) == 0
    printed = capsys.readouterr()
    assert "holds no results yet" in printed.err
    assert printed.out == ",".join(COLUMNS) + "\n"


def test_output_goes_to_a_file(filled, tmp_path, capsys):
    path = tmp_path / "table.md"
    assert table.main([str(filled.path), "--format", "markdown", "--output", str(path)]) == 0
    assert path.read_text("utf-8").startswith("### char\\_lm")
    assert capsys.readouterr().out == ""


def test_the_command_prints_plain_text_into_a_pipe_and_imports_no_torch(filled):
    done = command(filled.path, "--tasks", "adding")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "adding · mean squared error ↓" in done.stdout
    heavy = subprocess.run(
        [sys.executable, "-c", "import sys; import reports.table; print([m for m in ('torch', 'lightning', 'pandas', "
         "'numpy', 'tasks', 'models') if m in sys.modules])"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert heavy.stdout.strip() == "[]"


# -- for a paper -------------------------------------------------------------------------------------------------------


def test_a_table_for_a_paper(filled, capsys):
    arguments = [str(filled.path), "--by", "paper", "--format", "latex", "--label", "gru=Ours"]
    assert table.main([*arguments, "--columns", "score,solved_at"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("% needs \\usepackage{booktabs}\n\\begin{table*}")
    assert "Ours & " in text
    assert "gru" not in text
    assert "steps to solve" in text
    assert table.main([str(filled.path), "--by", "paper"]) == 0
    assert capsys.readouterr().out.startswith("| task | model | T = 10 | T = 1,000 |")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--by", "paper", "--columns", "scor"], "no column 'scor': did you mean score?"),
        (["--by", "paper", "--columns", "xyz"], "no column 'xyz': expected one of score, skill"),
        (["--by", "paper", "--format", "csv"], "--format latex or markdown, got csv"),
        (["--columns", "score"], "add --by paper, got --by group"),
        (["--by", "paper", "--label", "lstm=Ours"], "no model 'lstm' is shown"),
    ],
)
def test_bad_usage_of_a_table_for_a_paper(filled, capsys, arguments, expected):
    assert table.main([str(filled.path), *arguments]) == 2
    written = capsys.readouterr()
    assert expected in " ".join(written.err.split())
    assert written.out == ""


def test_a_table_for_a_paper_of_an_empty_store_and_of_one_cell(store, capsys):
    assert table.main([str(store.path), "--by", "paper"]) == 2
    assert "it holds no results yet" in capsys.readouterr().err
    store.publish(make_result("adding", "gru", 10))
    assert table.main([str(store.path), "--by", "paper"]) == 0
    assert "| gru |" in capsys.readouterr().out
