import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reports import __main__ as command
from tests.support.factories import an_asked
from tests.support.measured import make_measured
from tests.support.results import make_result

ROOT = Path(__file__).parents[2]
TABLES = {"table.md", "groups.csv", "cells.csv"}
GRADIENTS = {"gradients.md", "gradients.csv"}


@pytest.fixture
def filled(store):
    store.record_sweep(an_asked(models="gru,rnn"))
    for model in ("gru", "rnn"):
        store.publish(make_measured("adding", model, 10))
    store.publish(make_result("char_lm", "gru", 100, score=2.9))
    return store


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_whole_report_of_a_store(filled, capsys):
    assert command.main([str(filled.path)]) == 0
    written = capsys.readouterr()
    folder = filled.path / "report"
    assert written.err == ""
    (line,) = written.out.splitlines()
    count = len(list((folder / "figures").glob("*.svg")))
    assert line.startswith(f"{count} figures ({count} drawn, 0 unchanged) and tables in ")
    assert f"Open {folder / 'index.html'} first" in line
    assert files(folder) >= TABLES | GRADIENTS | {"index.html"}
    for ending in ("svg", "png", "vl.json"):
        assert f"figures/adding-gradient-input.{ending}" in files(folder)
    spec = json.loads((folder / "figures" / "score.vl.json").read_text("utf-8"))
    legend = json.dumps(spec)
    assert legend.index('"gru"') < legend.index('"rnn"')  # the order that was asked for


def test_a_second_report_draws_what_changed(filled, capsys):
    assert command.main([str(filled.path)]) == 0
    filled.publish(make_result("char_lm", "rnn", 100, score=3.1))
    capsys.readouterr()
    assert command.main([str(filled.path)]) == 0
    drawn, kept = re.search(r"\((\d+) drawn, (\d+) unchanged\)", capsys.readouterr().out).groups()
    assert int(drawn) < int(kept)  # those of adding stay


def test_a_view(filled, tmp_path, capsys):
    output = tmp_path / "elsewhere"
    assert command.main([str(filled.path), "--tasks", "add", "--models", "rnn", "--output", str(output)]) == 0
    specs = "".join(path.read_text("utf-8") for path in output.rglob("*.vl.json"))
    assert '"rnn"' in specs
    assert '"gru"' not in specs
    assert "char_lm" not in specs
    assert "gru" not in (output / "cells.csv").read_text("utf-8")
    assert not (filled.path / "report").exists()


def test_a_store_without_gradient_records(store, capsys):
    store.publish(make_result("adding", "gru", 10))
    assert command.main([str(store.path)]) == 0
    written = capsys.readouterr()
    assert "no result in this view holds a gradient record" in written.err
    assert len(written.err.splitlines()) == 1
    assert files(store.path / "report") >= TABLES
    assert not files(store.path / "report") & GRADIENTS
    assert "figures/score.svg" in files(store.path / "report")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tasks", "copying"], "no results of task 'copying'"),
        (["--lengths", "1000"], "no results of length 1000; the nearest is 100"),
        (["--lengths", "ten"], "--lengths expects whole numbers"),
        (["--tasks", "char_lm", "--models", "rnn"], "no stored result has these tasks, models and lengths together"),
        (["--output", "/proc/none"], "cannot write /proc/none"),
        (["--colour"], "--colour"),
    ],
)
def test_bad_usage(filled, capsys, arguments, expected):
    assert command.main([str(filled.path), *arguments]) == 2
    written = capsys.readouterr()
    assert expected in " ".join(written.err.split())
    assert "Traceback" not in written.err
    assert written.out == ""


def test_an_empty_store_and_none(store, tmp_path, capsys):
    assert command.main([str(store.path)]) == 2
    assert f"nothing to show from {store.path}: it holds no results yet" in capsys.readouterr().err
    assert not (store.path / "report").exists()
    assert command.main([str(tmp_path / "nowhere")]) == 2
    assert "no store at" in capsys.readouterr().err


def test_as_a_command_without_torch(filled):
    code = (
        "import sys; from reports.__main__ import main; code = main(sys.argv[1:]);"
        "print('loaded:', sorted({'torch', 'lightning', 'pandas'} & set(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(filled.path)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_help_loads_no_altair():
    code = (
        "import sys; from reports.__main__ import main; main(['--help']);"
        "print('loaded:', sorted({'altair', 'vl_convert', 'pandas', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "loaded: []"
