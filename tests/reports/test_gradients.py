import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.records.errors import UsageError
from reports import gradients
from reports.view import View
from tests.support.factories import an_asked
from tests.support.measured import make_flow, make_measured, make_profile
from tests.support.results import make_result

ROOT = Path(__file__).parents[2]


def in_order(results):
    return gradients.in_order(View.of(results))


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def filled(store):
    hidden = make_profile([0.0, -1.5, None], zeros=8, rate=-1.5, verdict="vanishing")
    flows = [make_flow(0, slope=-0.25, longest=2, hidden=hidden), make_flow(400, slope=-0.1, longest=2, hidden=hidden)]
    store.record_sweep(an_asked(tasks="char_lm,adding", models="rnn,gru"))
    store.publish(make_measured("adding", "gru", 10, flows=flows))
    store.publish(make_measured("adding", "rnn", 10, seed=3, flows=flows[:1]))
    store.publish(make_result("char_lm", "gru", 10, score=2.9))
    return store


def test_every_stored_number(filled):
    found = read(gradients.write(in_order(filled.results()), "csv"))
    assert tuple(found[0]) == gradients.COLUMNS
    assert tuple(found[0]) == ("task", "model", "length", "seed", "step", "quantity", "distance", "log10_norm")
    assert len(found) == (2 + 1) * 2 * 3
    assert found[1] == {"task": "adding", "model": "gru", "length": "10", "seed": "0", "step": "0", "quantity": "input",
                        "distance": "1", "log10_norm": "-0.25"}  # fmt: skip
    assert [row["log10_norm"] for row in found[3:6]] == ["0.0", "-1.5", ""]  # a norm of 0 has no logarithm
    assert {row["seed"] for row in found if row["model"] == "rnn"} == {"3"}


def test_chosen_quantities(filled):
    results = in_order(filled.results())
    assert {row["quantity"] for row in read(gradients.write(results, "csv", ["hidden"]))} == {"hidden"}
    assert "| vanishing |" not in gradients.write(results, "markdown")
    assert "| vanishing |" in gradients.write(results, "markdown", ["hidden"])


def test_verdicts_at_initialisation_and_end(filled):
    (table,) = gradients.verdicts(in_order(filled.results()))
    assert [column.name for column in table.columns][-5:] == ["rate", "half-life", "ratio", "verdict", "credit"]
    assert [row[:5] for row in table.rows] == [
        ("10", "gru", "0", "0", "input"), ("10", "gru", "0", "400", "input"), ("10", "rnn", "3", "0", "input"),
    ]  # fmt: skip
    assert table.rows[0][5:] == ("-0.1", "3.01", "5.0e-01", "healthy", "0.25")


def test_what_does_not_apply_is_empty():
    profile = make_profile([0.0, None], zeros=8, rate=None, verdict="undetermined").model_copy(
        update={"half_life": None, "ratio": None}
    )
    flow = make_flow(0, longest=1, input=profile).model_copy(update={"credit_alignment": None})
    (table,) = gradients.verdicts([make_measured("adding", "gru", flows=[flow])])
    assert table.rows[0][5:] == ("", "", "", "undetermined", "")


def test_results_without_a_gradient_record():
    with pytest.raises(UsageError, match="none of these 1 results holds a gradient record"):
        in_order([make_result()])


# -- the command -------------------------------------------------------------------------------------------------------


def test_text_is_the_default(filled, capsys):
    assert gradients.main([str(filled.path)]) == 0
    text = capsys.readouterr().out
    assert "adding" in text
    assert "healthy" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["--quantities", "hiden"],
            "no quantity 'hiden' in these results: did you mean hidden? (stored: hidden, input)",
        ),
        (["--tasks", "copying"], "no results of task 'copying'"),
        (["--tasks", "char_lm"], "none of these 1 results holds a gradient record"),
        (["--tasks", "char_lm", "--models", "rnn"], "no stored result has these tasks, models and lengths together"),
        (["--format", "xml"], "xml"),
        (["--output", "/proc/none/there.csv"], "cannot write /proc/none/there.csv"),
    ],
)
def test_bad_usage(filled, capsys, arguments, expected):
    assert gradients.main([str(filled.path), *arguments]) == 2
    written = capsys.readouterr()
    assert expected in " ".join(written.err.split())
    assert written.out == ""


def test_an_empty_store(store, capsys):
    assert gradients.main([str(store.path)]) == 2
    assert "it holds no results yet" in capsys.readouterr().err


def test_as_a_command(filled, tmp_path):
    file = tmp_path / "numbers.csv"
    done = subprocess.run(
        [sys.executable, "-m", "reports.gradients", filled.path, "--format", "csv", "--output", file],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(read(file.read_text("utf-8"))) == 18
