import os
import subprocess
import sys
from pathlib import Path

import pytest

from reports import figure as command
from reports.text import studies
from tests.support.factories import an_asked
from tests.support.measured import make_measured
from tests.support.results import make_result

ROOT = Path(__file__).parents[2]
OWN = "mypackage.mymodule:MyModel"


@pytest.fixture
def filled(store):
    store.record_sweep(an_asked(models=f"gru,{OWN}"))
    for model in ("gru", OWN):
        store.publish(make_measured("adding", model, 10))
    return store


def test_one_figure_with_its_caption(filled, capsys):
    assert command.main([str(filled.path), "adding-gradient-input"]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in paths] == [
        f"adding-gradient-input-column.{ending}" for ending in ("pdf", "tex", "md")
    ]
    pdf, tex, md = (path.read_bytes() for path in paths)
    assert pdf.startswith(b"%PDF")
    assert tex.startswith(b"\\caption{\\textbf{adding: gradient of the input.} Norm of the derivative")
    assert tex.endswith(b"}\n\\label{fig:adding-gradient-input}\n")
    assert md.startswith(b"**adding: gradient of the input.** Norm of the derivative")
    assert b"n = 1 seed: no spread can be shown." in md


def test_formats_output_and_names(filled, tmp_path, capsys):
    output = tmp_path / "figures" / "one.two"
    arguments = [str(filled.path), "score", "--format", "svg,png", "--output", str(output), "--width", "text"]
    assert command.main([*arguments, "--label", f"{OWN}=Ours", "--label", "gru=GRU", "--no-title"]) == 0
    names = {path.name for path in output.parent.iterdir()}
    assert names == {"one.two.svg", "one.two.png", "one.two.tex", "one.two.md"}
    svg = (output.parent / "one.two.svg").read_text()
    assert ">Ours<" in svg
    assert ">GRU<" in svg
    assert "MyModel" not in svg
    assert "Score against length" not in svg


def test_the_ending_of_the_file_gives_the_format(filled, tmp_path, capsys):
    assert command.main([str(filled.path), "score", "--output", str(tmp_path / "a.png")]) == 0
    assert {path.name for path in tmp_path.iterdir()} >= {"a.png", "a.tex", "a.md"}


def test_a_model_keeps_its_colour_under_another_name(filled, tmp_path, capsys):
    for name, more in (("plain", []), ("named", ["--label", f"{OWN}=AAA"])):
        arguments = [str(filled.path), "score", "--models", OWN, "--output", str(tmp_path / f"{name}.svg"), *more]
        assert command.main(arguments) == 0
    plain, named = ((tmp_path / f"{name}.svg").read_text() for name in ("plain", "named"))
    assert plain.count("#56B4E9") == named.count("#56B4E9") > 0


def test_without_a_name_figures_are_listed(filled, capsys):
    assert command.main([str(filled.path)]) == 0
    assert {"score", "adding-gradient-input"} <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["adding-gradient-inptu"], "no figure 'adding-gradient-inptu': did you mean adding-gradient-input?"),
        (["score", "--width", "colum"], "no width 'colum': did you mean column?"),
        (["score", "--format", "pfd"], "no format 'pfd': did you mean pdf?"),
        (["score", "--format", "tiff"], "no format 'tiff': expected one of pdf, svg, png"),
        (["score", "--label", "lsm=L"], "no model 'lsm' is shown; (shown: gru"),
        (["score", "--label", "gruu=L"], "did you mean gru?"),
        (["score", "--label", "gru"], "--label expects ENTRY=NAME"),
        (["score", "--label", f"gru={OWN}"], f"several models would be called '{OWN}'"),
        (["score", "--output", "/proc/none/a.pdf"], "cannot write /proc/none/a.pdf"),
    ],
)
def test_bad_usage(filled, capsys, arguments, expected):
    assert command.main([str(filled.path), *arguments]) == 2
    written = capsys.readouterr()
    assert expected in " ".join(written.err.split())
    assert "Traceback" not in written.err
    assert written.out == ""


def test_an_empty_store_and_a_store_of_one_cell(store, capsys):
    assert command.main([str(store.path), "score"]) == 2
    assert "it holds no results yet" in capsys.readouterr().err
    store.publish(make_result("adding", "gru", 10))
    assert command.main([str(store.path), "score"]) == 0


def test_help_loads_no_altair():
    code = (
        "import sys; from reports.figure import main; main(['--help']);"
        "print('loaded:', sorted({'altair', 'vl_convert', 'pandas', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "loaded: []"


# -- a study -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = [make_result(model=model, seed=seed, solved_at=200) for model in ("gru", OWN) for seed in range(3)]
    path = tmp_path / "ours.csv.gz"
    path.write_bytes(studies.packed(studies.rows(results, {result.cell.key for result in results})))
    return path


def test_figures_of_a_study_are_listed_and_drawn_beside_nothing_of_its_file(study, capsys):
    assert command.main([str(study)]) == 0
    assert capsys.readouterr().out.split() == ["skill", "steps-to-solve"]
    assert command.main([str(study), "skill", "--format", "svg", "--label", f"{OWN}=Ours", "--models", OWN]) == 0
    svg = Path("ours-skill-column.svg").read_text()
    assert ">Ours<" in svg
    assert ">gru<" not in svg
    assert svg.count("#56B4E9") > 0  # as where gru is shown too


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--output", "."], "--output expects a file, got '.'"),
        (["--models", "gruu"], "no results of model 'gruu': did you mean gru?"),
        (["--lengths", "11"], "no results of length 11; the nearest is 10"),
        (["--seeds", "7"], "no results of seed 7 (stored: 0, 1, 2)"),
        (["--label", "lstm=L"], "no model 'lstm' is shown"),
    ],
)
def test_what_a_study_does_not_hold_is_refused(study, more, said, capsys):
    assert command.main([str(study), "skill", *more]) == 2
    assert said in capsys.readouterr().err


def test_a_study_that_is_misspelt_is_no_store(capsys):
    assert command.main(["remedeis"]) == 2
    assert "no study 'remedeis': did you mean remedies?" in capsys.readouterr().err


def test_a_study_of_ours_goes_by_its_name(capsys):
    assert command.main(["remedies"]) == 0
    assert "gradients" in capsys.readouterr().out.split()


def test_a_study_without_a_skill_has_nothing_to_draw(tmp_path, capsys):
    failed = make_result(score=None, status="error", error="it broke")
    path = tmp_path / "failed.csv.gz"
    path.write_bytes(studies.packed(studies.rows([failed], {failed.cell.key})))
    for name in ((), ("skill",)):
        assert command.main([str(path), *name]) == 2
        assert "nothing to draw from" in capsys.readouterr().err
